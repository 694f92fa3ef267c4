/**
 * All series as OTLP requests, in memory: CPU, bytes, and the longest that one turn of the event loop took (a door waits for
 * no more than that). Medians of seven.
 */
import { OtlpRequests } from '../src/out/otlp-requests.ts'
import { median } from './support/cpu.ts'
import { ledgerOf } from './support/ledger.ts'

console.log('   series   requests       MB   CPU ms   longest turn ms')
for (const count of [10_000, 100_000, 1_000_000]) {
  const ledger = await ledgerOf(count)
  const turns: number[] = []
  const cpus: number[] = []
  let requests = 0
  let bytes = 0
  for (let round = 0; round < 7; round++) {
    const begun = process.cpuUsage()
    let longest = 0
    requests = bytes = 0
    const telling = new OtlpRequests(ledger, () => Date.now() + 1)
    for (;;) {
      const turn = process.threadCpuUsage()
      const step = telling.step()
      const { user, system } = process.threadCpuUsage(turn)
      longest = Math.max(longest, (user + system) / 1000)
      if (step === undefined) break
      if (step === 'more') continue
      requests++
      bytes += step.body.length
    }
    const { user, system } = process.cpuUsage(begun)
    cpus.push((user + system) / 1000)
    turns.push(longest)
  }
  const cells = [
    String(count).padStart(9),
    String(requests).padStart(10),
    (bytes / 1e6).toFixed(1).padStart(8),
    median(cpus).toFixed(0).padStart(8),
    median(turns).toFixed(1).padStart(17),
  ]
  console.log(cells.join(' '))
}
