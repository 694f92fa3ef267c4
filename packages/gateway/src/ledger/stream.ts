/*
 * A stream is what a sender keeps one running total of: a metric of a scope, and a set of attributes as it was sent. It is
 * not the series that it is added to: rules drop attributes, change while senders live, and past the limit of series many
 * streams are one. So what a writer has told is kept by stream where that is not the series' own set. As the hash is
 * stored, it is never to be changed.
 */

const streamMin = 2 ** 52

/**
 * A hash of 52 bits of bytes [start, end), above 2^52: never a series' id. `seed`: another such hash, or 0.
 */
export function streamHash(seed: number, bytes: Uint8Array, start: number, end: number): number {
  let high = 0x1b873593 ^ Math.floor(seed / 0x1_0000_0000)
  let low = 0x2545f491 ^ (seed >>> 0)
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number
    high = Math.imul(high ^ byte, 0x85ebca77)
    low = Math.imul(low ^ byte, 0x9e3779b1)
    low ^= low >>> 15
  }
  high ^= end - start
  low = mixed(low ^ (high >>> 16))
  high = mixed(high ^ low)
  return streamMin + (high & 0xfffff) * 0x1_0000_0000 + (low >>> 0)
}

function mixed(hash: number): number {
  let mix = Math.imul(hash ^ (hash >>> 16), 0x7feb352d)
  mix = Math.imul(mix ^ (mix >>> 15), 0x846ca68b)
  return mix ^ (mix >>> 16)
}
