import type { Address } from '../server.ts'

/** `HOST:PORT`, `:PORT`, `[::1]:PORT`. Throws a TypeError that says what is wrong with it. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d+)$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new TypeError(`${JSON.stringify(text)} is no address: write HOST:PORT, as 127.0.0.1:4318`)
  }
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port }
}
