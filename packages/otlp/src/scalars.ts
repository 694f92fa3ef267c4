import { decodeBase64, decodeHex } from './base64.ts'
import type { ScalarType } from './fields.ts'

export type NumericType = Exclude<ScalarType, 'string' | 'bytes' | 'hex' | 'bool'>

const ranges: Readonly<Record<Exclude<NumericType, 'double'>, readonly [least: bigint, most: bigint]>> = {
  enum: [-0x8000_0000n, 0x7fff_ffffn],
  int32: [-0x8000_0000n, 0x7fff_ffffn],
  sint32: [-0x8000_0000n, 0x7fff_ffffn],
  uint32: [0n, 0xffff_ffffn],
  int64: [-(1n << 63n), (1n << 63n) - 1n],
  sfixed64: [-(1n << 63n), (1n << 63n) - 1n],
  uint64: [0n, (1n << 64n) - 1n],
  fixed64: [0n, (1n << 64n) - 1n],
}

const whole = /^-?\d+$/
const decimal = /^-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/

export function isNumeric(type: string): type is NumericType {
  return type === 'double' || Object.hasOwn(ranges, type)
}

/** What JSON or an object holds, as a number of `type`: integers exactly. `undefined` for what is none in its range. */
export function readNumber(type: NumericType, value: unknown): bigint | number | undefined {
  if (type === 'double') return readDouble(value)
  const integer = type === 'enum' && typeof value === 'string' ? undefined : readInteger(value)
  if (integer === undefined) return undefined
  const [least, most] = ranges[type]
  return integer >= least && integer <= most ? integer : undefined
}

/** What an error says was expected. */
export function describe(type: ScalarType): string {
  if (type === 'string') return 'a string'
  if (type === 'bytes') return 'base64'
  if (type === 'hex') return 'hexadecimal digits'
  if (type === 'bool') return 'true or false'
  if (type === 'double') return 'a number, "NaN", "Infinity" or "-Infinity"'
  if (type === 'enum') return 'an integer (names of enums are not OTLP/JSON)'
  const [least, most] = ranges[type]
  return `an integer from ${least} to ${most}`
}

export function readBytes(type: 'bytes' | 'hex', value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value
  if (typeof value !== 'string') return undefined
  return type === 'hex' ? decodeHex(value) : decodeBase64(value)
}

function readInteger(value: unknown): bigint | number | undefined {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number') return exactly(value)
  if (typeof value !== 'string') return undefined
  if (value.length > 40 || !whole.test(value)) return decimal.test(value) ? exactly(Number(value)) : undefined // "1e3".
  return value.length <= 15 ? Number(value) : BigInt(value)
}

function exactly(value: number): bigint | number | undefined {
  if (Number.isSafeInteger(value)) return value
  return Number.isInteger(value) ? BigInt(value) : undefined
}

function readDouble(value: unknown): number | undefined {
  if (typeof value === 'number') return value
  if (typeof value === 'bigint') return Number(value)
  if (typeof value !== 'string') return undefined
  if (value === 'NaN') return Number.NaN
  if (value === 'Infinity') return Number.POSITIVE_INFINITY
  if (value === '-Infinity') return Number.NEGATIVE_INFINITY
  return decimal.test(value) ? Number(value) : undefined
}
