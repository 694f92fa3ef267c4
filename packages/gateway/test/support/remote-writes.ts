import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { pino } from 'pino'
import { completeRemoteWrite, type RemoteWriteInput } from '../../src/config/remote-write.ts'
import { openEndpoint } from '../../src/out/remote-write/open.ts'
import type { Endpoint } from '../../src/out/remote-write/endpoint.ts'
import { temporaryDirectory } from './directories.ts'
import { open, type OpenOptions, type Opened } from './ledgers.ts'
import type { RemoteWriteStats } from '../../src/stats.ts'
import type { RemoteWriteReceiver } from './remote-write-receiver.ts'
import { SimStore } from './sim-store.ts'

export const begun = 1_700_000_000_000
/** Back-offs pass so much faster than they would. */
export const speed = 50
const never: AbortSignal = new AbortController().signal

/** A ledger and what writes it to a receiver, with clocks that are turned by hand. */
export class RemoteWrites {
  store: SimStore = new SimStore()
  opened: Opened
  endpoint: Endpoint
  /** Of the clock on the wall; `ms` goes on steadily. */
  wallMs = 0
  ms = 0
  /** Of back-offs, and of how often the same is said. */
  clock: () => number = () => performance.now() * speed
  /** Of the disk that its queue is on. */
  space = { free: 1e12, total: 1e12 }
  /** What was logged, a line each. */
  readonly lines: string[] = []
  readonly directory: string
  readonly #input: RemoteWriteInput
  readonly #options: OpenOptions

  constructor(
    context: TestContext,
    receiver: Pick<RemoteWriteReceiver, 'url'>,
    input: Partial<RemoteWriteInput> = {},
    options: OpenOptions = {},
    /** Whose ledger it goes on with. */
    before?: RemoteWrites
  ) {
    if (before !== undefined) {
      this.store = before.store.restarted(new Map())
      this.ms = before.ms + 1000
    }
    this.directory = temporaryDirectory(context)
    this.#input = { url: receiver.url, name: 'test', externalLabels: { instance: 'here' }, ...input }
    this.#options = { ...options, clock: () => this.ms, now: () => this.unixMs }
    this.opened = open(this.store, this.#options)
    this.endpoint = this.#newEndpoint()
    context.after(() => this.endpoint.close(1))
  }

  get unixMs(): number {
    return begun + this.ms + this.wallMs
  }

  get stats(): RemoteWriteStats {
    return this.opened.stats.remoteWrite.at(-1) as RemoteWriteStats
  }

  pass(ms: number): void {
    this.ms += ms
    this.opened.ledger.tick()
  }

  /** An interval passes and all is collected; what was queued before and now is sent, unless the receiver is away. */
  async interval({ sends = true, ms = 15_000 }: { sends?: boolean; ms?: number } = {}): Promise<void> {
    this.pass(ms)
    await this.endpoint.collect(never)
    if (sends) await this.endpoint.sendAll(never)
  }

  async send(stop: AbortSignal = never): Promise<void> {
    await this.endpoint.sendAll(stop)
  }

  /** Begins again from what the disks hold, as after kill -9. */
  async restart(awayMs = 1000): Promise<void> {
    this.ms += awayMs
    await this.endpoint.close(1) // It was not started: so nothing is told a last time.
    this.store = this.store.restarted(new Map())
    this.opened = open(this.store, this.#options)
    this.opened.ledger.holdExpiry(false)
    this.endpoint = this.#newEndpoint()
  }

  #newEndpoint(): Endpoint {
    this.opened.ledger.holdExpiry(false)
    const log = pino({ level: 'info' }, { write: (line: string) => void this.lines.push(line) })
    return openEndpoint(this.opened.ledger, completeRemoteWrite(this.#input), this.directory, {
      stats: this.opened.stats,
      log,
      clock: () => this.clock(),
      sleep: (ms, stop) => sleep(ms / speed, undefined, { signal: stop }).catch(() => {}),
      now: () => this.unixMs,
      random: () => 0.5,
      space: () => Promise.resolve(this.space),
    })
  }
}
