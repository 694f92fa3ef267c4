import { createServer, type Server, type Socket } from 'node:net'
import { countUp, type StatsdStats } from '../../stats.ts'
import type { Teller } from './teller.ts'

const lineFeed = 0x0a

/** StatsD over TCP: lines, each with its line feed. While there is no room, nothing is read. It is not listening yet. */
export function streamDoor(
  teller: Teller,
  statsd: StatsdStats,
  { statsdLineBytesMax }: { statsdLineBytesMax: number }
): Server {
  return createServer((socket) => {
    new Lines(socket, teller, statsd, statsdLineBytesMax).follow()
  })
}

/** The lines of one connection. */
class Lines {
  readonly #socket: Socket
  readonly #teller: Teller
  readonly #statsd: StatsdStats
  readonly #lineBytesMax: number
  /** What came behind the last line feed. */
  #rest: Buffer = Buffer.alloc(0)
  #isSkipping = false

  constructor(socket: Socket, teller: Teller, statsd: StatsdStats, lineBytesMax: number) {
    this.#socket = socket
    this.#teller = teller
    this.#statsd = statsd
    this.#lineBytesMax = lineBytesMax
  }

  follow(): void {
    const socket = this.#socket
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => socket.destroy())
    socket.on('end', () => this.#tell(this.#rest)) // The last line may have none.
  }

  #take(chunk: Buffer): void {
    const end = chunk.lastIndexOf(lineFeed)
    if (end < 0) return this.#keep(chunk)
    const whole =
      this.#rest.length === 0 ? chunk.subarray(0, end) : Buffer.concat([this.#rest, chunk.subarray(0, end)])
    this.#rest = Buffer.alloc(0)
    const from = this.#isSkipping ? whole.indexOf(lineFeed) + 1 || whole.length : 0
    this.#isSkipping = false
    this.#tell(whole.subarray(from))
    if (end + 1 < chunk.length) this.#keep(chunk.subarray(end + 1))
  }

  /** A line that has no end may not take all memory: its beginning goes, and the rest when that comes. */
  #keep(part: Buffer): void {
    if (this.#isSkipping) return
    if (this.#rest.length + part.length <= this.#lineBytesMax) {
      this.#rest = Buffer.concat([this.#rest, part])
      return
    }
    countUp(this.#statsd.rejected, 'too_long')
    this.#rest = Buffer.alloc(0)
    this.#isSkipping = true
  }

  #tell(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#teller.take(bytes)
    if (!this.#teller.isFull) return
    this.#socket.pause()
    this.#teller.whenTold(() => this.#socket.resume())
  }
}
