import { metricTypes } from '../metric-types.ts'

/*
 * A gauge has as many slots as a sum: the value, and the time that it is of (Unix nanoseconds; 0: it has none yet). The
 * time is negative where its sender said then that there is no value any more (CONFORMANCE B16): no line is shown.
 */

/** Whether a value changes a gauge: of the latest by its time, then by its arrival; or of the least, or the greatest. */
export function changesGauge(
  type: number,
  slots: Float64Array,
  offset: number,
  value: number,
  timeUnixNano: number
): boolean {
  const before = slots[offset] as number
  const beforeUnixNano = slots[offset + 1] as number
  if (beforeUnixNano === 0) return true
  if (type === metricTypes.gaugeMin) return value < before || beforeUnixNano < 0
  if (type === metricTypes.gaugeMax) return value > before || beforeUnixNano < 0
  const later = Math.abs(timeUnixNano) - Math.abs(beforeUnixNano)
  if (later !== 0) return later > 0
  return timeUnixNano !== beforeUnixNano || (timeUnixNano > 0 && !Object.is(value, before))
}
