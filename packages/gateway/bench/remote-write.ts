/**
 * All series collected into the queue of one receiver, compressed and synced: CPU (of all threads), bytes in the queue a
 * collection, and the longest that one turn of the event loop took. The first names all lines; then medians of three. Given
 * counts of series: of these.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { completeRemoteWrite } from '../src/config/remote-write.ts'
import { Collector } from '../src/out/remote-write/collector.ts'
import { Queue } from '../src/out/remote-write/queue.ts'
import { newRemoteWriteStats } from '../src/stats.ts'
import { median } from './support/cpu.ts'
import { ledgerOf } from './support/ledger.ts'

const rounds = 3
const never = new AbortController().signal
const counts = process.argv.slice(2).map(Number)

console.log('   series  version  first CPU ms   CPU ms  wall ms   MB queued  longest turn ms')
for (const count of counts.length > 0 ? counts : [10_000, 100_000])
  for (const protocol of [1, 2] as const) await measure(count, protocol)

async function measure(count: number, protocol: 1 | 2): Promise<void> {
  const ledger = await ledgerOf(count)
  const directory = mkdtempSync(join(tmpdir(), 'swansong-bench-'))
  const settings = completeRemoteWrite({ url: 'http://127.0.0.1:1/', protocol })
  const stats = newRemoteWriteStats(settings)
  const now = (): number => Date.now()
  const queue = new Queue(join(directory, 'queue'), {
    ledgerId: 'bench',
    bytesMax: Infinity,
    now,
    space: () => Promise.resolve({ free: 1e12, total: 1e12 }),
  })
  const collector = new Collector(ledger, { queue, settings, stats, now })
  const cpus: number[] = []
  const walls: number[] = []
  const turns: number[] = []
  let bytes = 0
  for (let round = 0; round <= rounds; round++) {
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    const before = queue.bytes
    const [cpu, wall] = [process.cpuUsage(), performance.now()]
    await collector.collect(never)
    const { user, system } = process.cpuUsage(cpu)
    walls.push(performance.now() - wall)
    cpus.push((user + system) / 1000)
    delay.disable()
    turns.push(delay.max / 1e6)
    bytes = queue.bytes - before
  }
  rmSync(directory, { recursive: true })
  const cells = [
    String(count).padStart(9),
    String(protocol).padStart(8),
    (cpus[0] as number).toFixed(0).padStart(13),
    median(cpus.slice(1)).toFixed(0).padStart(8),
    median(walls.slice(1)).toFixed(0).padStart(8),
    (bytes / 1e6).toFixed(2).padStart(11),
    median(turns.slice(1)).toFixed(1).padStart(16),
  ]
  console.log(cells.join(' '))
}
