import type { Socket } from 'node:net'

/** A round trip to another machine takes no longer, for all that is assumed here. */
const farRoundTripMs = 250
/** How long a sender that asked for the connection to be closed may take to close its side. */
const closeMs = 1000

/** Told once of an answer: whether it certainly arrived, or may have been lost. */
export type OnDelivery = (isCertain: boolean) => void

/** The connections of a door, by their sockets. */
export class Connections {
  readonly #bySocket = new WeakMap<Socket, Connection>()
  readonly #polls = new Polls()

  /** The connection that a request came by: to be asked at its head. */
  of(socket: Socket): Connection {
    const known = this.#bySocket.get(socket)
    if (known !== undefined) return known
    const connection = new Connection(this.#polls, isNear(socket))
    this.#bySocket.set(socket, connection)
    socket.once('end', () => connection.ended())
    socket.once('close', () => connection.closed())
    closeLast(socket, connection)
    return connection
  }
}

/**
 * What can be known of the answers on one connection (CONFORMANCE C5). An answer certainly arrived when something came
 * after it that its sender would not have sent before: its next request, or an orderly end. All else is not known: that
 * Node handed an answer to the kernel proves nothing, and an end may have been under way before it.
 */
export class Connection {
  readonly #polls: Polls
  readonly #isNear: boolean
  #unanswered = 0
  /** It sends without waiting for answers: what comes says nothing of them. */
  #isPipelined = false
  #isOver = false
  #flushedAtMs = 0
  /** How many polls an end must come after, so that it was not there before the answer. */
  #flushedPoll = 0
  #undelivered: OnDelivery[] = []

  constructor(polls: Polls, near: boolean) {
    this.#polls = polls
    this.#isNear = near
  }

  /** Nobody is told any more. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Some answers may still turn out to have arrived. */
  get isWatched(): boolean {
    return this.#undelivered.length > 0
  }

  /** The head of a request has come. */
  requested(): void {
    if (this.#unanswered > 0) this.#isPipelined = true
    else if (!this.#isPipelined && this.#undelivered.length > 0) this.#tell(true)
    this.#unanswered++
  }

  /** Tells of the answer to the request that came last, once it is known; before anything is written. */
  watch(onDelivery: OnDelivery): void {
    if (this.#isOver) onDelivery(false)
    else this.#undelivered.push(onDelivery)
  }

  /** An answer was handed to the kernel whole. */
  flushed(): void {
    this.#unanswered--
    if (this.#undelivered.length === 0) return
    this.#flushedAtMs = performance.now()
    this.#flushedPoll = this.#polls.after()
  }

  /** The sender's side ended in order. */
  ended(): void {
    const isAfter = this.#unanswered === 0 && this.#polls.count >= this.#flushedPoll
    const isFar = !this.#isNear && performance.now() - this.#flushedAtMs < farRoundTripMs
    if (isAfter && !isFar && !this.#isPipelined) this.#tell(true)
  }

  /** The connection is gone. */
  closed(): void {
    this.#isOver = true
    this.#tell(false)
  }

  #tell(isCertain: boolean): void {
    const undelivered = this.#undelivered
    this.#undelivered = []
    for (const onDelivery of undelivered) onDelivery(isCertain)
  }
}

/**
 * Counts turns of the event loop while somebody wants to know. An end that was in the kernel before an answer is read by
 * the next poll at the latest, and looks as if it came after it.
 */
export class Polls {
  count = 0
  #until = 0
  readonly #turn = (): void => {
    this.count++
    if (this.count < this.#until) setImmediate(this.#turn)
  }

  /** The count at which a whole poll has passed from now on: the first turn may be in the middle of one. */
  after(): number {
    if (this.#until <= this.count) setImmediate(this.#turn)
    this.#until = this.count + 2
    return this.#until
  }
}

/**
 * Of this machine: what is written is in the reader's kernel at once, and who closes without having read it resets the
 * connection. A Unix socket has no addresses.
 */
function isNear({ remoteAddress, localAddress }: Socket): boolean {
  if (remoteAddress === undefined || remoteAddress === localAddress) return true
  return remoteAddress.startsWith('127.') || remoteAddress.startsWith('::ffff:127.')
}

/**
 * Where a sender asked for the connection to be closed after the answer, we end our side, and wait for its own: Node would
 * close at once, and nobody would learn whether the answer arrived.
 */
function closeLast(socket: Socket, connection: Connection): void {
  const destroySoon = socket.destroySoon.bind(socket)
  socket.destroySoon = () => {
    if (!connection.isWatched) return destroySoon()
    socket.end()
    const timer = setTimeout(() => socket.destroy(), closeMs)
    socket.once('close', () => clearTimeout(timer))
  }
}
