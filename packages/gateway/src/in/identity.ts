import { Reader } from '@swansong/otlp/wire'

/** The resource attribute that tells one writer from another (CONFORMANCE C11). Never a label. */
const instanceIdKey = 'service.instance.id'
// By opentelemetry/proto/resource/v1/resource.proto and common/v1/common.proto: field << 3 | wire type.
const attributesTag = (1 << 3) | 2
const keyTag = (1 << 3) | 2

/** What a resource says of whom its points belong to. */
export interface Identity {
  /** The kept attributes in [0, length) of `bytes`: KeyValue fields in the order of the allow list. */
  bytes: Uint8Array
  length: number
  hasInstanceId: boolean
}

/**
 * Makes a function that takes from a Resource message what the allow list keeps. Decodes no string: keys are compared as
 * bytes. Of a key that occurs twice the last counts. The identity that it returns is reused by the next call.
 */
export function identifier(
  keptKeys: readonly string[]
): (bytes: Uint8Array, start: number, end: number) => Identity {
  const keys = [...keptKeys, instanceIdKey].map((key) => new TextEncoder().encode(key))
  const starts = new Int32Array(keys.length)
  const ends = new Int32Array(keys.length)
  const reader = new Reader(new Uint8Array(0))
  const identity: Identity = { bytes: new Uint8Array(256), length: 0, hasInstanceId: false }
  return (bytes, start, end) => {
    ends.fill(-1)
    reader.reset(bytes, start, end)
    while (reader.at < end) {
      const from = reader.at
      const tag = reader.tag()
      if (tag !== attributesTag) {
        reader.skip(tag)
        continue
      }
      const keyValueEnd = reader.lengthEnd()
      const key = keyOf(reader, keyValueEnd, keys)
      reader.at = keyValueEnd
      if (key < 0) continue
      starts[key] = from
      ends[key] = keyValueEnd
    }
    identity.hasInstanceId = ends[keptKeys.length] !== -1
    identity.length = 0
    for (let key = 0; key < keptKeys.length; key++) {
      if (ends[key] !== -1) append(identity, bytes, starts[key] as number, ends[key] as number)
    }
    return identity
  }
}

/** The place in `keys` of the key of the KeyValue that ends at `end`, or -1. */
function keyOf(reader: Reader, end: number, keys: readonly Uint8Array[]): number {
  while (reader.at < end) {
    const tag = reader.tag()
    if (tag !== keyTag) {
      reader.skip(tag)
      continue
    }
    const keyEnd = reader.lengthEnd()
    for (let key = 0; key < keys.length; key++) {
      if (equals(keys[key] as Uint8Array, reader.bytes, reader.at, keyEnd)) return key
    }
    return -1
  }
  return -1
}

function equals(key: Uint8Array, bytes: Uint8Array, start: number, end: number): boolean {
  if (key.length !== end - start) return false
  for (let at = 0; at < key.length; at++) {
    if (key[at] !== bytes[start + at]) return false
  }
  return true
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
