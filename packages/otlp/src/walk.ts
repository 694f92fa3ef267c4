import type { Reader } from './wire/reader.ts'

// SummaryDataPoint, by opentelemetry/proto/metrics/v1/metrics.proto: field << 3 | wire type.
const quantileValuesTag = (6 << 3) | 2

/**
 * Walks a point of a summary without looking at its values, so that one that is torn is an error. The cursor stands on
 * its first byte and is left at `end`.
 */
export function walkSummaryPoint(reader: Reader, end: number): void {
  reader.end = end
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag === quantileValuesTag) {
      walkFields(reader, reader.lengthEnd())
      reader.end = end
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
