import type { Capture } from './capture/captures.ts'
import { worker } from './worker.ts'

export type { HistogramValue } from './capture/captured-cells.ts'
export type { Capture } from './capture/captures.ts'

/**
 * What the code under test records, for people's own tests: `const counts = capture()`, then `counts.value('tokens', {
 * model })`. From here until `counts.restore()` nothing leaves this process, whatever its environment says; instruments
 * may be made before or after. Captures may overlap: each holds what was recorded since it began, by whomever.
 */
export function capture(): Capture {
  const { capture: begin } = worker() as { capture?: () => Capture }
  if (begin !== undefined) return begin()
  throw new Error('swansong: an older copy of @swansong/sdk was loaded first, which cannot be captured')
}
