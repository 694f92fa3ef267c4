import type { Connection } from './delivery.ts'

/** Who sent a body of which another copy was answered, and waits to hear what became of that answer. */
export interface Waiter {
  /** Set when it begins to wait: how long, by `performance.now()`; 0 before. */
  waitUntilMs: number
  /** There is something new, or it has waited for long enough. */
  again(): void
}

/** What is known of one body. */
interface Copies {
  /** By what answers to it are under way: whether they arrived may still turn out. */
  underWay: Connection[]
  /** In the order they came. */
  waiting: Map<Waiter, NodeJS.Timeout> | undefined
}

/**
 * Anonymous bodies whose answers are under way. The same body by another connection is a retry if the answer was lost, and
 * somebody else's if it arrived: so it waits until that is known, and not for long (CONFORMANCE C5, C6).
 */
export class AnonymousCopies {
  readonly #byDigest = new Map<string, Copies>()

  /** An answer to this body is under way by a connection from now on, until `landed`. */
  sent(digest: Uint8Array, connection: Connection): void {
    const id = idOf(digest)
    const copies = this.#byDigest.get(id)
    if (copies === undefined) this.#byDigest.set(id, { underWay: [connection], waiting: undefined })
    else copies.underWay.push(connection)
  }

  /** Answers are under way by this connection, and by no other: nobody sends a retry by the connection that still serves. */
  isOnlyBy(digest: Uint8Array, connection: Connection): boolean {
    const underWay = this.#byDigest.get(idOf(digest))?.underWay ?? []
    return underWay.length > 0 && underWay.every((by) => by === connection)
  }

  /** It is known what became of an answer. The first of those that wait is decided anew: the next one waits for that. */
  landed(digest: Uint8Array, connection: Connection): void {
    const id = idOf(digest)
    const copies = this.#byDigest.get(id)
    if (copies === undefined) return
    copies.underWay.splice(copies.underWay.indexOf(connection), 1)
    this.#next(id, copies)
  }

  /** One that waited was decided, and no answer to it is under way that others could wait for. */
  passed(digest: Uint8Array): void {
    const id = idOf(digest)
    const copies = this.#byDigest.get(id)
    if (copies?.underWay.length === 0) this.#next(id, copies)
  }

  #next(id: string, copies: Copies): void {
    const [first] = copies.waiting ?? []
    if (first !== undefined) {
      copies.waiting?.delete(first[0])
      clearTimeout(first[1])
      first[0].again()
    } else if (copies.underWay.length === 0) this.#byDigest.delete(id)
  }

  /** Whether it waits, `waitMs` in all: not where no answer to this body is under way. */
  wait(digest: Uint8Array, waiter: Waiter, waitMs: number): boolean {
    const copies = this.#byDigest.get(idOf(digest))
    if (copies === undefined || copies.underWay.length === 0) return false
    const nowMs = performance.now()
    if (waiter.waitUntilMs === 0) waiter.waitUntilMs = nowMs + waitMs
    const leftMs = waiter.waitUntilMs - nowMs
    if (leftMs <= 0) return false
    const timer = setTimeout(() => {
      copies.waiting?.delete(waiter)
      waiter.again()
    }, leftMs)
    copies.waiting ??= new Map()
    copies.waiting.set(waiter, timer)
    return true
  }
}

/** As a key of a map: a character a byte. */
function idOf(digest: Uint8Array): string {
  let id = ''
  for (let at = 0; at < 16; at++) id += String.fromCharCode(digest[at] as number)
  return id
}
