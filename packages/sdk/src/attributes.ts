import { Writer } from '@swansong/otlp/wire'
import { warnOnce } from './say.ts'

/** What an attribute may be. `undefined` and `null` mean that it is not there. */
export type AttributeValue = string | number | boolean | readonly (string | number | boolean)[]

/** Attributes as they come from the job: anything, until looked at. */
export type AttributesGiven = Readonly<Record<string, unknown>>

/** The encoded attributes of the series that takes what comes past the limit of an instrument. */
const overflowAttributes: Pair[] = [['otel.metric.overflow', true]]

export type Pair = readonly [key: string, value: AttributeValue]

/** Ways to one series that are remembered, by the number of series: attributes come in several orders. */
const pathsPerSeries = 4

interface Node {
  slot: number
  next: Map<string, Map<unknown, Node>>
}

/**
 * Attributes → slot, as a trie over (key, value) in the order given: a lookup makes no string and no object. What is
 * not found there is canonicalised once: the same set in another order is the same slot; 1 and '1' are not.
 */
export class AttributeIndex {
  #root: Node = { slot: -1, next: new Map() }
  #canonical = new Map<string, number>()
  #paths = 0
  #seriesCountMax: number

  constructor(seriesCountMax: number) {
    this.#seriesCountMax = seriesCountMax
  }

  /** The slot of these attributes, or -1 if they were not met in this order. May throw what a getter of theirs throws. */
  find(attributes: AttributesGiven): number {
    let node = this.#root
    for (const key in attributes) {
      const next = node.next.get(key)?.get(attributes[key])
      if (next === undefined) return -1
      node = next
    }
    return node.slot
  }

  /** The slot of these attributes by their canonical form; `born` makes one for a set never met. */
  meet(attributes: AttributesGiven, born: (pairs: Pair[]) => number): number {
    const pairs = canonicalPairs(attributes)
    const name = pairs.map(([key, value]) => `${JSON.stringify(key)}${nameOf(value)}`).join(',')
    let slot = this.#canonical.get(name)
    if (slot === undefined) {
      if (this.#canonical.size >= this.#seriesCountMax - 1) return this.#overflow(born)
      slot = born(pairs)
      this.#canonical.set(name, slot)
    }
    this.#remember(attributes, slot)
    return slot
  }

  #overflow(born: (pairs: Pair[]) => number): number {
    let slot = this.#canonical.get('overflow')
    if (slot === undefined) {
      slot = born(overflowAttributes)
      this.#canonical.set('overflow', slot)
    }
    return slot
  }

  #remember(attributes: AttributesGiven, slot: number): void {
    if (this.#paths >= this.#seriesCountMax * pathsPerSeries) return
    // An array may change under the same identity, so it is canonicalised each time.
    for (const key in attributes) if (typeof attributes[key] === 'object' && attributes[key] !== null) return
    this.#paths++
    let node = this.#root
    for (const key in attributes) {
      let values = node.next.get(key)
      if (values === undefined) node.next.set(key, (values = new Map<unknown, Node>()))
      let next = values.get(attributes[key])
      if (next === undefined) values.set(attributes[key], (next = { slot: -1, next: new Map() }))
      node = next
    }
    node.slot = slot
  }
}

/** Pairs sorted by key, without those that have no value or one of a kind that this version does not record. */
function canonicalPairs(attributes: AttributesGiven): Pair[] {
  const pairs: Pair[] = []
  for (const key in attributes) {
    const value = attributes[key]
    if (value === undefined || value === null) continue
    if (key !== '' && isAttributeValue(value))
      pairs.push([key, typeof value === 'object' ? [...value] : value])
    else
      warnOnce(
        `attribute '${key}' is left out: only strings, numbers, booleans and arrays of one of them count`
      )
  }
  return pairs.sort(([a], [b]) => (a < b ? -1 : 1))
}

function isAttributeValue(value: unknown): value is AttributeValue {
  if (!Array.isArray(value)) return isScalar(value)
  return value.every((item) => isScalar(item) && typeof item === typeof value[0])
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

function nameOf(value: AttributeValue): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'object') return `[${value.map(nameOf).join(',')}]`
  return `:${value}` // -0 is written as 0 by both, and is 0.
}

// KeyValue and AnyValue, by opentelemetry/proto/common/v1/common.proto: field numbers.
const keyField = 1
const valueField = 2
const stringField = 1
const boolField = 2
const intField = 3
const doubleField = 4
const arrayField = 5
const arrayValuesField = 1

/** KeyValue messages, each behind the tag of `field`, ready to be put into a message as they are. */
export function encodeAttributes(field: number, pairs: readonly Pair[]): Uint8Array {
  const writer = new Writer(64)
  for (const [key, value] of pairs) {
    const start = writer.open(field)
    writer.string(keyField, key)
    writeValue(writer, valueField, value)
    writer.close(start)
  }
  return writer.finish()
}

function writeValue(writer: Writer, field: number, value: AttributeValue): void {
  const start = writer.open(field)
  if (typeof value === 'string') writer.string(stringField, value)
  else if (typeof value === 'boolean') writer.bool(boolField, value)
  else if (typeof value === 'object') {
    const array = writer.open(arrayField)
    for (const item of value) writeValue(writer, arrayValuesField, item)
    writer.close(array)
  } else if (Number.isSafeInteger(value)) writer.int64(intField, value)
  else writer.double(doubleField, value)
  writer.close(start)
}
