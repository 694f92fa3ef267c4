import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { after } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { deltas } from './deltas.ts'
import { post } from './http.ts'

export interface Storm {
  /** What was answered 200, as the sum of their values. */
  readonly acknowledged: number
  /** Batches that were answered 200, and how often one was sent again. */
  readonly batches: number
  readonly resent: number
  /** What had no answer and was not sent again. */
  readonly unknown: number
  /** No new batches; resolves when each has its answer. */
  end(): Promise<void>
}

export interface StormOptions {
  url: string
  /** The counter that all add to. */
  name: string
  connections: number
  /** Each batch has one. */
  ids: boolean
  /** What has no answer is sent again; as `ids`, unless given. */
  again?: boolean
  /** Whether batches are told apart by their bytes: each is another one unless given; 'alike': all are the same. */
  bodies?: 'alike'
}

/** Posts batch after batch over many connections. Throws at the end what no gateway may answer. */
export function startStorm(options: StormOptions): Storm {
  const { url, name, connections, ids, again = ids, bodies } = options
  const begunMs = Date.now() - 3_600_000
  const until = { ended: false }
  let acknowledged = 0
  let batches = 0
  let resent = 0
  let unknown = 0
  const sender = async (at: number): Promise<void> => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    for (let batch = 0; !until.ended; batch++) {
      const value = bodies === 'alike' ? 1 : 1 + ((at + batch) % 9)
      // No other batch of this storm began in that millisecond.
      const startMs = bodies === 'alike' ? begunMs : begunMs + at + batch * connections
      const body = deltas([{ name, value }], { startMs, timeMs: begunMs + 3_600_000 })
      const id = ids ? randomUUID() : undefined
      for (let tries = 0; ; tries++) {
        if (tries > 0) resent++
        const status = await post(url, body, id, agent).then(
          (answer) => answer.status,
          () => undefined // The connection broke off: whether it was counted, nobody knows.
        )
        if (status === 200) {
          acknowledged += value
          batches++
          break
        }
        if (status !== undefined && status !== 503) throw new Error(`a batch was answered ${status}`)
        await sleep(20)
        if (again) continue
        if (status === undefined) unknown += value
        break
      }
    }
    agent.destroy()
  }
  const senders = Promise.all(Array.from({ length: connections }, (_, at) => sender(at)))
  senders.catch(() => {}) // It is thrown at the end.
  after(() => (until.ended = true)) // Also of a test that failed before.
  return {
    get acknowledged() {
      return acknowledged
    },
    get batches() {
      return batches
    },
    get resent() {
      return resent
    },
    get unknown() {
      return unknown
    },
    async end() {
      until.ended = true
      await senders
    },
  }
}
