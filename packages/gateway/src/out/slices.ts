import { isHistogram, type Family, type Lines } from './lines.ts'
import type { TextWriter } from './text-writer.ts'

/** Writes families in one format, a slice of lines after the other. */
export interface FamilyWriter {
  /** Several may be written at a time: what it returns is given to `end`. */
  begin(writer: TextWriter, family: Family): number
  /** Writes some of its lines; `holds`: those that are held at 0. */
  write(writer: TextWriter, family: Family, start: number, end: number, holds: boolean): void
  end(writer: TextWriter, family: Family, begun: number): void
}

/** So many bytes are written in one turn of the event loop, or somewhat more: some milliseconds. */
const turnBytes: number = 1024 * 1024
/** So many lines are written before it is looked how many bytes they were. One of a histogram is hundreds. */
const sliceLines = 512
const sliceHistograms = 16
/** About what a number takes, and in protobuf what stands around it. */
const numberBytes = 12
const messageBytes = 24
/** About what stands around the labels of a bucket, what one is in protobuf, and how many an exponential one has at most. */
const bucketBytes = 24
const bucketMessageBytes = 14
const exponentialBuckets = 42

/** About what all lines will take, so that no text is copied while it grows: that would be a long turn. */
export function estimatedBytes(lines: Lines, isProtobuf: boolean): number {
  const { index, series } = lines
  let bytes = index.byteLength + index.count * (isProtobuf ? messageBytes : numberBytes)
  for (const { type, name, count, lines: numbers } of lines.families()) {
    if (!isHistogram(type) || count === 0) continue
    const line = numbers[0] as number
    const buckets = (series.boundsOf(lines.firstOf(line))?.length ?? exponentialBuckets) + 1
    const each = isProtobuf ? bucketMessageBytes : name.length + index.lengthOf(line) + bucketBytes
    bytes += count * (buckets + 2) * each
  }
  return bytes
}

/**
 * Writes all lines. Between two steps other things may happen: each line is of one moment, but not all are of the same.
 * Should lines be taken out meanwhile, it begins anew. `forScraper`: what is held is at 0.
 */
export function* inSlices(
  lines: Lines,
  families: FamilyWriter,
  writer: TextWriter,
  forScraper: boolean
): Generator<undefined, void> {
  let { endCount } = lines
  let turnEnd = turnBytes
  writing: for (;;) {
    for (const family of lines.families()) {
      if (family.count === 0) continue // All that would be in it were refused, or are over.
      const begun = families.begin(writer, family)
      const slice = isHistogram(family.type) ? sliceHistograms : sliceLines
      for (let at = 0; at < family.count; at += slice) {
        const holds = forScraper && lines.series.held.count > 0
        families.write(writer, family, at, Math.min(at + slice, family.count), holds)
        if (writer.length < turnEnd) continue
        yield
        turnEnd = writer.length + turnBytes
        if (lines.endCount === endCount) continue
        endCount = lines.endCount
        writer.clear()
        turnEnd = turnBytes
        continue writing
      }
      families.end(writer, family, begun)
    }
    return
  }
}
