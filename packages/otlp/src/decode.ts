/** A stub of the contract. */
import { OtlpError } from './error.ts'

export const metricKinds = { none: 0, gauge: 5, sum: 7, histogram: 9, exponentialHistogram: 10, summary: 11 } as const
export type MetricKind = (typeof metricKinds)[keyof typeof metricKinds]

/** A metric without its points. All are byte ranges [start, end) of `bytes`. Reused for the next metric. */
export interface MetricFrame {
  bytes: Uint8Array
  nameStart: number
  nameEnd: number
  unitStart: number
  unitEnd: number
  descriptionStart: number
  descriptionEnd: number
  kind: MetricKind
  /** As on the wire: 0 unspecified, 1 delta, 2 cumulative. */
  temporality: number
  monotonic: boolean
}

/** One point of a sum or gauge. Reused for the next point. */
export interface NumberPoint {
  /** [attributesStart, attributesEnd) of `attributeBytes`: KeyValue fields with their tags, one after the other. */
  attributeBytes: Uint8Array
  attributesStart: number
  attributesEnd: number
  /** Unix nanoseconds, rounded to a double (256 ns). 0 = not set. */
  startTimeUnixNano: number
  timeUnixNano: number
  /** 0 where `valueKind` is `none`. */
  value: number
  valueKind: 'none' | 'double' | 'int'
  flags: number
}

export interface ExportVisitor {
  resource(bytes: Uint8Array, start: number, end: number): void
  scope(bytes: Uint8Array, start: number, end: number, schemaUrlStart: number, schemaUrlEnd: number): void
  metric(metric: MetricFrame): void
  numberPoint(point: NumberPoint): void
  otherPoint(): void
}

export function decodeExportRequest(bytes: Uint8Array, visitor: ExportVisitor): void {
  throw new OtlpError('TRUNCATED', 0, `${bytes.length} ${typeof visitor}`)
}
