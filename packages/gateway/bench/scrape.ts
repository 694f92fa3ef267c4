/**
 * A scrape in each format, plain and compressed, in memory: milliseconds until the answer is there, CPU of the whole process,
 * bytes, and the longest that one turn of the event loop took, as CPU of its thread: ingestion waits for
 * no more than that, and a machine that does other things does not lengthen it. Medians of `ROUNDS` (7); `SERIES` for other counts of series than the three.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { compress, type Coding } from '../src/out/compression.ts'
import type { Format } from '../src/out/negotiation.ts'
import { TextExposition } from '../src/out/text.ts'
import { mainThreadMs, median } from './support/cpu.ts'
import { ledgerOf } from './support/ledger.ts'

interface Scrape {
  ms: number
  cpuMs: number
  bytes: number
  longestTurnMs: number
}

const rounds = Number(process.env['ROUNDS'] ?? 7)
const counts = process.env['SERIES']?.split(',').map(Number) ?? [10_000, 100_000, 1_000_000]
const formats: readonly Format[] = ['text-0.0.4', 'openmetrics-1.0', 'protobuf']
const codings: readonly (Coding | undefined)[] = [undefined, 'gzip', 'zstd']

console.log('   series  format           coding        ms   CPU ms       MB   longest turn ms')
for (const count of counts) {
  const ledger = await ledgerOf(count)
  const exposition = new TextExposition(ledger, { openMetricsCreated: () => false, onHidden: () => {} })
  const { pages } = ledger.series
  for (let id = 0; id < count; id++) pages.add(ledger.series.slotOf(id), id)
  for (const format of formats) {
    for (const coding of codings) {
      await scrape(exposition, format, coding) // What only this format needs is made by the first.
      const seen: Scrape[] = []
      for (let round = 0; round < rounds; round++) seen.push(await scrape(exposition, format, coding))
      const of = (what: keyof Scrape): number => median(seen.map((one) => one[what]))
      const cells = [
        String(count).padStart(9),
        format.padEnd(16),
        (coding ?? 'plain').padEnd(5),
        of('ms').toFixed(1).padStart(9),
        of('cpuMs').toFixed(1).padStart(8),
        (of('bytes') / 1e6).toFixed(1).padStart(8),
        of('longestTurnMs').toFixed(1).padStart(17),
      ]
      console.log(cells.join(' '))
    }
  }
}

async function scrape(
  exposition: TextExposition,
  format: Format,
  coding: Coding | undefined
): Promise<Scrape> {
  const begun = performance.now()
  const cpu = process.cpuUsage()
  const options = { format, escaping: 'underscores', room: 0, bytesMax: Infinity, forScraper: true } as const
  const steps = exposition.steps(options)
  let longestTurnMs = 0
  for (;;) {
    const turnBegun = mainThreadMs()
    const { done, value } = steps.next()
    longestTurnMs = Math.max(longestTurnMs, mainThreadMs() - turnBegun)
    if (done !== true) {
      await turn()
      continue
    }
    const text = value.finish()
    const body = coding === undefined ? text : ((await compress(coding, text)) ?? text)
    exposition.recycle(value)
    const { user: userAll, system: systemAll } = process.cpuUsage(cpu)
    const cpuMs = (userAll + systemAll) / 1000
    return { ms: performance.now() - begun, cpuMs, bytes: body.length, longestTurnMs }
  }
}
