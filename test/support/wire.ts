/* Bodies that no encoder would make: protobuf by hand. */

/** A field of bytes: its tag, its length, and its parts one after the other. */
export function field(number: number, ...parts: readonly Uint8Array[]): Buffer {
  let length = 0
  for (const part of parts) length += part.length
  return Buffer.concat([varint((number << 3) | 2), varint(length), ...parts])
}

export function textField(number: number, text: string): Buffer {
  return field(number, Buffer.from(text))
}

export function fixedField(number: number, value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(value)
  return Buffer.concat([varint((number << 3) | 1), bytes])
}

export function doubleField(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return Buffer.concat([varint((number << 3) | 1), bytes])
}

export function varintField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)])
}

/** KeyValue of a string, under the field that attributes have where it stands. */
export function attribute(number: number, key: string, value: string): Buffer {
  return field(number, textField(1, key), field(2, textField(1, value)))
}

/** A request of these metrics, of one resource and scope. */
export function requestOf(metrics: readonly Uint8Array[], resource = '', scope = ''): Buffer {
  const named = field(1, attribute(1, 'service.name', `jobs${resource}`))
  return field(
    1,
    named,
    field(2, field(1, textField(1, `test${scope}`)), ...metrics.map((each) => field(2, each)))
  )
}

function varint(value: number): Buffer {
  const bytes: number[] = []
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80)
  bytes.push(value)
  return Buffer.from(bytes)
}
