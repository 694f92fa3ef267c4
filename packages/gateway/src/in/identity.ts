import { Reader } from '@swansong/otlp/wire'
import type { ResourceAttributeRules } from '../config/rules.ts'
import { ByteIndex } from '../ledger/byte-index.ts'
import type { DroppedNames } from './dropped-names.ts'
import { attemptKey, instanceIdKey, keepsResourceAttribute, onceKey } from './rules.ts'
import type { Attempted } from './units-of-work.ts'

// By opentelemetry/proto/resource/v1/resource.proto and common/v1/common.proto: field << 3 | wire type.
const attributesTag = (1 << 3) | 2
const keyTag = (1 << 3) | 2
const valueTag = (2 << 3) | 2

/** Keys that are remembered at most: a resource has a dozen, and they are the same in all. */
const keysMax = 10_000
const keyBytesMax = 1024
/* What is known of a key: that it is kept, that it tells writers apart, or (from 0 on) where it is counted as dropped. */
const kept = -1
const instanceId = -2
const none = -3
const once = -4
const attempt = -5

/** What a resource says of whom its points belong to. */
export interface Identity extends Attempted {
  /** The kept attributes in [0, length) of `bytes`: KeyValue fields in the order of their keys. */
  bytes: Uint8Array
  length: number
  hasInstanceId: boolean
}

/**
 * Takes from Resource messages what the rules keep. Decodes no string twice: keys are looked up as bytes. Of a key that
 * occurs twice the last counts.
 */
export class Identifier {
  readonly #rules: ResourceAttributeRules
  readonly #dropped: DroppedNames
  readonly #reader = new Reader(new Uint8Array(0))
  readonly #identity: Identity = {
    bytes: new Uint8Array(256),
    length: 0,
    hasInstanceId: false,
    once: undefined,
    attempt: undefined,
  }
  #keys = new ByteIndex()
  /** Of the kept attributes found, in the order of their keys: where field and key begin and end. */
  readonly #ranges: number[] = []

  constructor(rules: ResourceAttributeRules, dropped: DroppedNames) {
    this.#rules = rules
    this.#dropped = dropped
  }

  /** The Resource message in [start, end). What it returns is reused by the next call. */
  identify(bytes: Uint8Array, start: number, end: number): Identity {
    const identity = this.#identity
    const reader = this.#reader
    identity.hasInstanceId = false
    identity.once = undefined
    identity.attempt = undefined
    let instance = -1
    identity.length = 0
    this.#ranges.length = 0
    reader.reset(bytes, start, end)
    while (reader.at < end) {
      const from = reader.at
      const tag = reader.tag()
      if (tag !== attributesTag) {
        reader.skip(tag)
        continue
      }
      const keyValueEnd = reader.lengthEnd()
      const verdict = this.#verdictOf(keyValueEnd)
      if (verdict === kept) this.#insert(from, keyValueEnd)
      else if (verdict === instanceId) {
        identity.hasInstanceId = true
        instance = from
      } else if (verdict === once) identity.once = valueOf(bytes, from, keyValueEnd)
      else if (verdict === attempt) identity.attempt = valueOf(bytes, from, keyValueEnd)
      else if (verdict >= 0) this.#dropped.count(verdict)
      reader.at = keyValueEnd
    }
    if (identity.once !== undefined && instance >= 0) identity.attempt ??= valueOf(bytes, instance, end)
    const ranges = this.#ranges
    for (let at = 0; at < ranges.length; at += 4)
      append(identity, bytes, ranges[at] as number, ranges[at + 1] as number)
    return identity
  }

  #keyStart = 0
  #keyEnd = 0

  /** What becomes of the KeyValue that ends at `end`; its key is in [#keyStart, #keyEnd). */
  #verdictOf(end: number): number {
    const reader = this.#reader
    while (reader.at < end) {
      const tag = reader.tag()
      if (tag !== keyTag) {
        reader.skip(tag)
        continue
      }
      this.#keyEnd = reader.lengthEnd()
      this.#keyStart = reader.at
      const known = this.#keys.find(0, reader.bytes, this.#keyStart, this.#keyEnd)
      return known < 0 ? this.#learned() : known - verdictBias
    }
    return none
  }

  #learned(): number {
    const { bytes } = this.#reader
    const key = lenient.decode(bytes.subarray(this.#keyStart, this.#keyEnd))
    let verdict = kept
    if (key === instanceIdKey) verdict = instanceId
    else if (key === onceKey) verdict = once
    else if (key === attemptKey) verdict = attempt
    else if (!keepsResourceAttribute(this.#rules, key)) verdict = this.#dropped.slotOf(key)
    if (this.#keyEnd - this.#keyStart > keyBytesMax) return verdict
    if (this.#keys.count >= keysMax) this.#keys = new ByteIndex()
    this.#keys.insert(0, bytes, this.#keyStart, this.#keyEnd, verdict + verdictBias)
    return verdict
  }

  /** Puts a kept attribute where its key belongs, in place of an earlier one of the same key. */
  #insert(from: number, end: number): void {
    const { bytes } = this.#reader
    const ranges = this.#ranges
    let at = ranges.length
    for (; at > 0; at -= 4) {
      const order = compare(
        bytes,
        ranges[at - 2] as number,
        ranges[at - 1] as number,
        this.#keyStart,
        this.#keyEnd
      )
      if (order < 0) break
      if (order === 0) {
        ranges.splice(at - 4, 4, from, end, this.#keyStart, this.#keyEnd)
        return
      }
    }
    ranges.splice(at, 0, from, end, this.#keyStart, this.#keyEnd)
  }
}

/** An index has no negative values. */
const verdictBias = 5
const lenient = new TextDecoder()

function compare(
  bytes: Uint8Array,
  start: number,
  end: number,
  otherStart: number,
  otherEnd: number
): number {
  const length = Math.min(end - start, otherEnd - otherStart)
  for (let at = 0; at < length; at++) {
    const difference = (bytes[start + at] as number) - (bytes[otherStart + at] as number)
    if (difference !== 0) return difference
  }
  return end - start - (otherEnd - otherStart)
}

function append(identity: Identity, bytes: Uint8Array, start: number, end: number): void {
  const length = identity.length + (end - start)
  if (length > identity.bytes.length) {
    const larger = new Uint8Array(length * 2)
    larger.set(identity.bytes.subarray(0, identity.length))
    identity.bytes = larger
  }
  for (let at = start; at < end; at++) identity.bytes[identity.length++] = bytes[at] as number
}

/** The value of the attribute whose field begins at `start`, as it was sent; undefined where it is empty. */
function valueOf(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
  const reader = new Reader(bytes)
  reader.reset(bytes, start, end)
  reader.tag()
  const keyValueEnd = reader.lengthEnd()
  while (reader.at < keyValueEnd) {
    const tag = reader.tag()
    if (tag !== valueTag) {
      reader.skip(tag)
      continue
    }
    const valueEnd = reader.lengthEnd()
    const value = bytes.slice(reader.at, valueEnd)
    return value.length > 2 ? value : undefined // A string of no characters has two bytes.
  }
  return undefined
}
