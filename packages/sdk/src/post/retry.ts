import type { Answer } from './reply.ts'

/** A batch may be sent again for so long after its first byte: the gateway remembers its id for ten minutes. */
export const retryWindowMs: number = 9 * 60 * 1000
const backoffMsMin = 100
const backoffMsMax = 30_000
/** While the end of the process waits: its budget is short, and what passes soon is worth another try. */
const backoffMsMaxAtEnd = 500

/** Doubles from 100 ms, less up to a half by chance: workers that failed together do not come back together. */
export function backoffMs(failures: number, isEnd: boolean): number {
  return (
    Math.min(backoffMsMin * 2 ** failures, isEnd ? backoffMsMaxAtEnd : backoffMsMax) *
    (0.5 + Math.random() / 2)
  )
}

/** Of all answers these alone say that nothing was counted, and that the same may be sent again. */
export function isRetryable(status: number): boolean {
  return status === 429 || status === 502 || status === 503 || status === 504
}

/** Milliseconds. In seconds, or a date (RFC 9110). */
export function readRetryAfterMs({ headers }: Answer, unixMs: number): number {
  const header = headers.get('retry-after')
  if (header === undefined) return 0
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - unixMs
  return ms > 0 ? Math.min(ms, retryWindowMs) : 0
}
