import type { Recorder, Scope } from '../record/recorder.ts'
import { fieldBytes, sizedMetric, sizedScope, tailBytesOf } from './template.ts'

/** What a field takes beside its content, at most: a tag below 16 and a length. */
const fieldFrameBytesMax = 6

/**
 * The first of these slots whose points, with what names them, fit into a request of so many bytes; one at least, as a point
 * cannot be divided.
 */
export function slotsWithin(
  bytesMax: number,
  recorder: Recorder,
  resource: Uint8Array,
  slots: ReadonlySet<number>,
  retires: boolean
): Set<number> {
  const within = new Set<number>()
  const scopes = new Set<Scope>()
  let bytes = fieldFrameBytesMax + resource.length
  for (const instrument of recorder.instruments) {
    const { scope, kind } = instrument
    const tailBytes = tailBytesOf(instrument, retires && kind === 'upDownCounter')
    let isNamed = false
    for (const { slot, attributes } of instrument.series) {
      if (!slots.has(slot)) continue
      bytes += fieldBytes(attributes.length + tailBytes)
      if (!isNamed) bytes += 2 * fieldFrameBytesMax + sizedMetric(instrument, [], retires).bytes
      if (!scopes.has(scope)) bytes += fieldFrameBytesMax + sizedScope(scope).bytes
      if (bytes > bytesMax && within.size > 0) return within
      isNamed = true
      scopes.add(scope)
      within.add(slot)
    }
  }
  return within
}
