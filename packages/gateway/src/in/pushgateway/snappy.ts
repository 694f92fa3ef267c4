import { Refusal } from '../../refusal.ts'

const compressedChunk = 0x00
const plainChunk = 0x01
const beginChunk = 0xff
const begin = 'sNaPpY'
/** A chunk holds so much, inflated. */
const chunkBytesMax = 65_536

/**
 * Inflates the framing format of snappy (https://github.com/google/snappy/blob/main/framing_format.txt). Throws
 * BODY_TOO_LARGE past `bytesMax`, BAD_PUSH for what is none. The checksums are not looked at: TCP has its own.
 */
export function unframed(body: Uint8Array, bytesMax: number): Uint8Array {
  const parts: Uint8Array[] = []
  let length = 0
  for (let at = 0; at < body.length;) {
    if (at + 4 > body.length) throw torn()
    const type = body[at] as number
    const size = (body[at + 1] as number) | ((body[at + 2] as number) << 8) | ((body[at + 3] as number) << 16)
    const start = at + 4
    const end = start + size
    if (end > body.length) throw torn()
    at = end
    if (type === beginChunk) {
      if (Buffer.from(body.subarray(start, end)).toString('latin1') !== begin) throw torn()
      continue
    }
    if (type >= 0x80) continue // To be skipped, whatever it is.
    if (type > plainChunk || size < 4) throw torn()
    const chunk = body.subarray(start + 4, end)
    const part = type === compressedChunk ? inflatedBlock(chunk) : chunk
    length += part.length
    if (length > bytesMax)
      throw new Refusal(
        'BODY_TOO_LARGE',
        `the body inflates to more than the limit of ${bytesMax} bytes; push less`
      )
    parts.push(part)
  }
  return Buffer.concat(parts, length)
}

/** One block: a length, then literals and copies of what was written before. */
function inflatedBlock(bytes: Uint8Array): Uint8Array {
  let at = 0
  let length = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    if (byte === undefined || shift > 21) throw torn()
    length |= (byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  if (length > chunkBytesMax) throw torn()
  const out = new Uint8Array(length)
  let to = 0
  while (at < bytes.length) {
    const tag = bytes[at++] as number
    const kind = tag & 3
    if (kind === 0) {
      let count = (tag >> 2) + 1
      if (count > 60) {
        const extra = count - 60
        count = littleEndian(bytes, at, extra) + 1
        at += extra
      }
      if (at + count > bytes.length || to + count > length) throw torn()
      out.set(bytes.subarray(at, at + count), to)
      at += count
      to += count
      continue
    }
    const count = kind === 1 ? ((tag >> 2) & 7) + 4 : (tag >> 2) + 1
    const width = kind === 1 ? 1 : kind === 2 ? 2 : 4
    const low = littleEndian(bytes, at, width)
    const offset = kind === 1 ? ((tag >> 5) << 8) | low : low
    at += width
    if (offset === 0 || offset > to || to + count > length) throw torn()
    for (let from = to - offset, last = to + count; to < last;) out[to++] = out[from++] as number
  }
  if (to !== length) throw torn()
  return out
}

function littleEndian(bytes: Uint8Array, at: number, width: number): number {
  if (at + width > bytes.length) throw torn()
  let value = 0
  for (let place = width - 1; place >= 0; place--) value = value * 256 + (bytes[at + place] as number)
  return value
}

function torn(): Refusal {
  return new Refusal('BAD_PUSH', 'Content-Encoding is snappy, but the body is not in its framing format')
}
