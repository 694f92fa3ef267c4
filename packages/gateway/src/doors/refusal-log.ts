import type { Log } from '../log.ts'
import { rejectionText, type RejectionReason } from '../refusal.ts'
import type { Stats } from '../stats.ts'

/** The same reason of the same door is said this often at most: a sender that goes on and on must not fill a disk. */
const sayMs = 60_000

/** What is refused is said in the log, with who sent it: many senders never look at what they are answered. */
export function sayRefusals(stats: Stats, log: Log, limits: object, clock: () => number): void {
  const dueMs = new Map<string, number>()
  const isDue = (what: string): boolean => {
    const now = clock()
    if (now < (dueMs.get(what) ?? -Infinity)) return false
    dueMs.set(what, now + sayMs)
    return true
  }
  stats.onRefused = (reason, why, peer) => {
    const { localAddress, localPort, remoteAddress: from = 'a Unix socket' } = peer ?? {}
    if (!isDue(`${reason} ${localPort}`)) return
    const at = localPort === undefined ? {} : { at: `${localAddress}:${localPort}`, from }
    log.warn({ reason: reason.toLowerCase(), ...at, why }, 'a request was refused')
  }
  stats.onRejected = (reason: RejectionReason, count, metric) => {
    if (!isDue(reason)) return
    const why = rejectionText(reason, limits)
    log.warn({ reason: reason.toLowerCase(), points: count, metric, why }, 'points were not counted')
  }
}
