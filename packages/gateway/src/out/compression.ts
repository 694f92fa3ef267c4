import { constants, gzip, zstdCompress } from 'node:zlib'

/** How an answer may be compressed. */
export type Coding = 'gzip' | 'zstd'

/** The fastest: a scrape should cost the gateway little, and its text shrinks to a tenth even so. */
const level = 1
/** What is compressed comes back in pieces of this size, each of which interrupts what else goes on. */
const chunkSize: number = 256 * 1024

/** On another thread. undefined where that fails, as for want of memory. */
export function compress(coding: Coding, text: Uint8Array): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const done = (error: Error | null, compressed: Uint8Array): void =>
      resolve(error === null ? compressed : undefined)
    if (coding === 'gzip') gzip(text, { level, chunkSize }, done)
    else zstdCompress(text, { chunkSize, params: { [constants.ZSTD_c_compressionLevel]: level } }, done)
  })
}

/**
 * The coding that a header likes best (RFC 9110, 12.5.3): where it likes both, zstd; where it names none of them, gzip for a
 * `*`. undefined: none.
 */
export function codingOf(header: string | string[] | undefined): Coding | undefined {
  const quality = new Map<string, number>()
  for (const part of String(header ?? '').split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase())
    const q = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
    if (!quality.has(coding)) quality.set(coding, q === undefined ? 1 : Number(q))
  }
  const zipped = quality.get('gzip') ?? quality.get('*') ?? 0
  const standard = quality.get('zstd') ?? 0
  if (standard > 0 && !(zipped > standard)) return 'zstd'
  return zipped > 0 ? 'gzip' : undefined
}
