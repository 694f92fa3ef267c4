/**
 * CRC-32 (the polynomial of zlib and Ethernet) in plain JavaScript, four bytes a step (half a byte for short
 * ones): for processes to which loading
 * `node:zlib` would cost more (2.5 ms) than it saves.
 */
export function crc32(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  if (end - start < smallBytes) return crc32OfSmall(bytes, start, end)
  const [t0, t1, t2, t3] = tables()
  let crc = 0xffffffff
  let at = start
  for (; at + 4 <= end; at += 4) {
    crc ^=
      (bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)
    crc =
      (t3[crc & 0xff] as number) ^
      (t2[(crc >>> 8) & 0xff] as number) ^
      (t1[(crc >>> 16) & 0xff] as number) ^
      (t0[crc >>> 24] as number)
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ (t0[(crc ^ (bytes[at] as number)) & 0xff] as number)
  return (crc ^ 0xffffffff) >>> 0
}

/** Below this a table of sixteen, which needs no making, is faster than the making of the large ones (0.5 ms). */
const smallBytes = 8192

/** Half a byte a step. */
function crc32OfSmall(bytes: Uint8Array, start: number, end: number): number {
  let crc = 0xffffffff
  for (let at = start; at < end; at++) {
    crc ^= bytes[at] as number
    crc = (crc >>> 4) ^ (halfTable[crc & 15] as number)
    crc = (crc >>> 4) ^ (halfTable[crc & 15] as number)
  }
  return (crc ^ 0xffffffff) >>> 0
}

const halfTable: readonly number[] = [
  0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c, 0xedb88320,
  0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
]

type Tables = readonly [Int32Array, Int32Array, Int32Array, Int32Array]
let made: Tables | undefined

/** Made at the first use: importing costs nothing. */
function tables(): Tables {
  if (made !== undefined) return made
  const all: Tables = [new Int32Array(256), new Int32Array(256), new Int32Array(256), new Int32Array(256)]
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
    all[0][byte] = crc
  }
  for (let byte = 0; byte < 256; byte++) {
    for (let slice = 1; slice < 4; slice++) {
      const before = all[slice - 1]?.[byte] as number
      all[slice as 1 | 2 | 3][byte] = (before >>> 8) ^ (all[0][before & 0xff] as number)
    }
  }
  made = all
  return all
}
