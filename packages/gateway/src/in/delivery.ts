import type { Socket } from 'node:net'

/** A round trip to another machine takes no longer, for all that is assumed here. */
const farRoundTripMs = 50
/** How long a sender that asked for the connection to be closed may take to close its side. */
const closeMs = 1000

/** What a connection is asked of its socket. */
export interface Peer {
  /** On this machine: what is written is in the reader's kernel at once, which resets where nobody is left to read it. */
  isNear: boolean
  /** The other side has reset the connection, though its orderly end may be what was read of it. */
  isReset(): boolean
}

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
    const peer = peerOf(socket)
    const connection = new Connection(this.#polls, peer)
    this.#bySocket.set(socket, connection)
    socket.prependOnceListener('end', () => connection.ended()) // Before Node ends our side.
    socket.once('close', () => connection.closed())
    closeLast(socket, connection, peer)
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
  readonly #peer: Peer
  #unanswered = 0
  /** It sends without waiting for answers: what comes says nothing of them. */
  #isPipelined = false
  /** Its side ended, or all of it is gone. */
  #hasEnded = false
  #isOver = false
  /** From when on, and from which poll, an end from another machine was not under way before the answer. */
  #settledAtMs = 0
  #settledPoll = 0
  #undelivered: OnDelivery[] = []

  constructor(polls: Polls, peer: Peer) {
    this.#polls = polls
    this.#peer = peer
  }

  /** Some answers may still turn out to have arrived. */
  get isWatched(): boolean {
    return this.#undelivered.length > 0 && !this.#hasEnded
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
    if (this.#peer.isNear || this.#undelivered.length === 0) return
    this.#settledAtMs = performance.now() + farRoundTripMs
    this.#settledPoll = this.#polls.after()
  }

  /** The sender's side ended in order. */
  ended(): void {
    this.#hasEnded = true
    const isAfter = this.#unanswered === 0 && !this.#isPipelined
    const isSettled =
      this.#peer.isNear || (this.#polls.count >= this.#settledPoll && performance.now() >= this.#settledAtMs)
    if (isAfter && isSettled && !this.#peer.isReset()) this.#tell(true)
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

/** Counts turns of the event loop while somebody wants to know. */
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

/** A Unix socket has no addresses; it says itself when the other side went without reading. */
function peerOf(socket: Socket): Peer {
  const { localAddress } = socket
  if (localAddress === undefined) return { isNear: true, isReset: () => false }
  const isNear = localAddress === '::1' || /^(::ffff:)?127\./.test(localAddress)
  // A reset after an end cannot be read. But the kernel has no address of the other side any more; asked for once, Node
  // remembers it: so nobody may ask before.
  return { isNear, isReset: () => socket.remoteAddress === undefined }
}

/**
 * Where the connection is to be closed after an answer, the sender may close it first, and then we end our side and wait
 * for its own: Node would close at once, and nobody would learn whether the answer arrived.
 */
function closeLast(socket: Socket, connection: Connection, peer: Peer): void {
  const destroySoon = socket.destroySoon.bind(socket)
  socket.destroySoon = () => {
    if (!connection.isWatched) return destroySoon()
    const timer = setTimeout(() => socket.destroy(), closeMs)
    socket.once('close', () => clearTimeout(timer))
    // Once our side has ended it cannot be told any more who reset and who ended.
    setImmediate(() => setImmediate(() => (peer.isReset() ? socket.destroy() : socket.end())))
  }
}
