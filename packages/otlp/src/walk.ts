import { OtlpError } from './error.ts'
import type { Reader } from './wire/reader.ts'

// Fields with something inside, by opentelemetry/proto/metrics/v1/metrics.proto, by the field number of Metric.data.
const messageTags: { readonly [kind: number]: readonly number[] } = {
  9: [(8 << 3) | 2], // HistogramDataPoint: exemplars
  10: [(8 << 3) | 2, (9 << 3) | 2, (11 << 3) | 2], // ExponentialHistogramDataPoint: positive, negative, exemplars
  11: [(6 << 3) | 2], // SummaryDataPoint: quantile_values
}
const bucketCountsPacked = (6 << 3) | 2 // HistogramDataPoint: repeated fixed64
const explicitBoundsPacked = (7 << 3) | 2 // HistogramDataPoint: repeated double

/**
 * Walks a point of a histogram (9), an exponential histogram (10) or a summary (11) without looking at its values, so
 * that one that is torn is an error. The cursor stands on its first byte and is left at `end`.
 */
export function walkPoint(reader: Reader, end: number, kind: number): void {
  const inside = messageTags[kind]
  reader.end = end
  while (reader.at < end) {
    const tag = reader.tag()
    if (inside?.includes(tag)) {
      const messageEnd = reader.lengthEnd()
      walkFields(reader, messageEnd)
      reader.end = end
    } else if (kind === 9 && (tag === bucketCountsPacked || tag === explicitBoundsPacked)) {
      const packedAt = reader.at
      const packedEnd = reader.lengthEnd()
      if ((packedEnd - reader.at) % 8 !== 0) {
        throw new OtlpError('TRUNCATED', packedAt, 'packed numbers of eight bytes end inside one')
      }
      reader.at = packedEnd
    } else reader.skip(tag)
  }
}

/** Walks the fields of a message up to `end` and leaves the reader narrowed to it. */
export function walkFields(reader: Reader, end: number): void {
  reader.end = end
  while (reader.at < end) {
    const tag = reader.tag()
    reader.skip(tag)
  }
}
