/**
 * A scrape's text, in memory: milliseconds (median of nine), bytes, and what a series costs. Every series has another value.
 * Run with --expose-gc, so that memory is what is held and not what is yet to be collected.
 */
import { TextExposition } from '../src/out/text.ts'
import { median } from './support/cpu.ts'
import { ledgerOf } from './support/ledger.ts'

if (globalThis.gc === undefined) throw new Error('run with node --expose-gc')

console.log('   series   render ms       MB   bytes of memory a series')
for (const count of [10_000, 100_000, 1_000_000]) {
  globalThis.gc()
  const before = process.memoryUsage()
  const ledger = await ledgerOf(count)
  const exposition = new TextExposition(ledger, { openMetricsCreated: () => false, onHidden: () => {} })
  const { pages } = ledger.series
  for (let id = 0; id < count; id++) pages.add(ledger.series.slotOf(id), id)
  globalThis.gc()
  const after = process.memoryUsage()
  const held = after.heapUsed + after.external - before.heapUsed - before.external
  const renders: number[] = []
  let bytes = 0
  for (let round = 0; round < 9; round++) {
    const begun = performance.now()
    const writer = exposition.render()
    bytes = writer.finish().length
    renders.push(performance.now() - begun)
    exposition.recycle(writer)
  }
  const cells = [
    String(count).padStart(9),
    median(renders).toFixed(1).padStart(11),
    (bytes / 1e6).toFixed(1).padStart(8),
    (held / count).toFixed(0).padStart(26),
  ]
  console.log(cells.join(' '))
}
