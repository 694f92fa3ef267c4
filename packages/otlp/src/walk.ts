import { OtlpError } from './error.ts'
import type { Reader } from './wire/reader.ts'

// By opentelemetry/proto/metrics/v1/metrics.proto: field << 3 | wire type.
// HistogramDataPoint
const bucketCountsTag = (6 << 3) | 2
const explicitBoundsTag = (7 << 3) | 2
const histogramExemplarsTag = (8 << 3) | 2
// ExponentialHistogramDataPoint
const positiveTag = (8 << 3) | 2
const negativeTag = (9 << 3) | 2
const exponentialExemplarsTag = (11 << 3) | 2
// ExponentialHistogramDataPoint.Buckets
const exponentialCountsTag = (2 << 3) | 2
// SummaryDataPoint
const quantileValuesTag = (6 << 3) | 2

/**
 * Walks a point of a histogram (9), an exponential histogram (10) or a summary (11), by the field number of
 * Metric.data, without looking at its values, so that one that is torn is an error. The cursor stands on its first byte
 * and is left at `end`.
 */
export function walkPoint(reader: Reader, end: number, kind: number): void {
  reader.end = end
  while (reader.at < end) {
    const tag = reader.tag()
    if (kind === 9 && (tag === bucketCountsTag || tag === explicitBoundsTag)) walkEights(reader)
    else if (kind === 10 && (tag === positiveTag || tag === negativeTag))
      walkBuckets(reader, reader.lengthEnd())
    else if (
      (kind === 9 && tag === histogramExemplarsTag) ||
      (kind === 10 && tag === exponentialExemplarsTag) ||
      (kind === 11 && tag === quantileValuesTag)
    ) {
      walkFields(reader, reader.lengthEnd())
    } else reader.skip(tag)
    reader.end = end
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

/** Packed numbers of eight bytes. */
function walkEights(reader: Reader): void {
  const start = reader.at
  const end = reader.lengthEnd()
  if ((end - reader.at) % 8 !== 0)
    throw new OtlpError('TRUNCATED', start, 'packed numbers end inside one of them')
  reader.at = end
}

function walkBuckets(reader: Reader, end: number): void {
  reader.end = end
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === exponentialCountsTag) {
      const packedEnd = reader.lengthEnd()
      reader.end = packedEnd
      while (reader.at < packedEnd) reader.varint()
      reader.end = end
    } else reader.skip(tag)
  }
}
