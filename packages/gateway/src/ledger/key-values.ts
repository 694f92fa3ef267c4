import { attributeText, type Attribute, type AttributeValue } from '@swansong/otlp'
import { Reader, Writer } from '@swansong/otlp/wire'

export function isOverflow(attributes: Uint8Array): boolean {
  if (attributes.length !== overflowAttributes.length) return false
  for (let at = 0; at < attributes.length; at++) if (attributes[at] !== overflowAttributes[at]) return false
  return true
}

/** How long a value is as a label's, in UTF-8. */
export function labelBytes(value: AttributeValue): number {
  if (typeof value === 'string' || typeof value === 'object') return Buffer.byteLength(attributeText(value))
  return 0 // Numbers and truths are short.
}

/** The KeyValue fields of `raw` that are kept in the order of their keys; of a key that occurs twice the last. */
export function sortedKeyValues(
  raw: Uint8Array,
  attributes: readonly Attribute[],
  isKept?: readonly boolean[]
): Uint8Array {
  const ranges = keyValueRanges(raw)
  const last = new Map<string, Uint8Array>()
  for (const [at, { key }] of attributes.entries())
    if (isKept?.[at] !== false) last.set(key, ranges[at] as Uint8Array)
  const keys = [...last.keys()].toSorted(byCodePoint)
  const writer = new Writer(raw.length + 1)
  for (const key of keys) writer.raw(last.get(key) as Uint8Array)
  return writer.finish()
}

function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Each KeyValue field with its tag, for bytes that `readAttributes` has read. */
function keyValueRanges(raw: Uint8Array): Uint8Array[] {
  const ranges: Uint8Array[] = []
  const reader = new Reader(raw)
  while (reader.at < raw.length) {
    const start = reader.at
    reader.skip(reader.tag())
    ranges.push(raw.subarray(start, reader.at))
  }
  return ranges
}

/** `otel.metric.overflow: true` (CONFORMANCE G6), as a point's attribute. */
export const overflowAttributes: Uint8Array = (() => {
  const writer = new Writer(32)
  const keyValue = writer.open(7)
  writer.string(1, 'otel.metric.overflow')
  const value = writer.open(2)
  writer.bool(2, true)
  writer.close(value)
  writer.close(keyValue)
  return writer.finish()
})()
