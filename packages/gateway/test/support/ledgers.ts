import { setImmediate as turn } from 'node:timers/promises'
import {
  completeConfig,
  type ConfigInput,
  type Retries,
  type TranslationStrategy,
} from '../../src/config/config.ts'
import type { GaugePolicy, RuleSettings } from '../../src/config/rules.ts'
import { batchKey, digestOf } from '../../src/in/body.ts'
import { Connection, Polls } from '../../src/in/delivery.ts'
import { Receiver } from '../../src/in/receive.ts'
import type { Receipt } from '../../src/ledger/dedup.ts'
import type { TimesToLive } from '../../src/ledger/expiry.ts'
import { Ledger } from '../../src/ledger/ledger.ts'
import type { Store, StoreError } from '../../src/ledger/store.ts'
import type { Format } from '../../src/out/negotiation.ts'
import { TextExposition } from '../../src/out/text.ts'
import type { Refusal, RefusalCode } from '../../src/refusal.ts'
import { newStats, type Stats } from '../../src/stats.ts'

/** A ledger with its way in and its way out, without doors. */
export interface Opened {
  ledger: Ledger
  receiver: Receiver
  exposition: TextExposition
  stats: Stats
  failures: StoreError[]
  /** Metrics that are not shown, as another kind of metric has their name. */
  hidden: string[]
}

export interface OpenOptions {
  limits?: NonNullable<ConfigInput['limits']>
  gaugePolicy?: GaugePolicy
  rules?: Partial<RuleSettings>
  retries?: Retries
  clock?: () => number
  now?: () => number
  ttl?: Partial<TimesToLive>
  translationStrategy?: TranslationStrategy
  openMetricsCreated?: boolean
  /** None unless given. */
  holdMs?: () => number
  /** The longest interval of a scraper; 0 unless given: none is known. */
  scrapeIntervalMs?: () => number
}

export function open(store: Store, options: OpenOptions = {}): Opened {
  const { limits: given = {}, gaugePolicy = 'last', retries = 'auto' } = options
  const config = completeConfig({ limits: given, gaugePolicy, retries, ...options.rules })
  const { limits } = config
  const stats = newStats()
  const failures: StoreError[] = []
  const hidden: string[] = []
  const clock = options.clock ?? (() => performance.now())
  const now = options.now ?? (() => Date.now())
  const ttl = { ...config, ...options.ttl }
  const ledger = new Ledger(store, {
    limits,
    stats,
    clock,
    now,
    ttl,
    translationStrategy: options.translationStrategy ?? config.translationStrategy,
    hold: () => ({ ms: options.holdMs?.() ?? 0, scrapeIntervalMs: options.scrapeIntervalMs?.() ?? 0 }),
    onFailed: (error) => failures.push(error),
  })
  const exposition = new TextExposition(ledger, {
    openMetricsCreated: () => options.openMetricsCreated ?? false,
    onHidden: (metric) => hidden.push(metric),
  })
  ledger.shownBy(exposition)
  const receiver = new Receiver(ledger, stats, config)
  return { ledger, receiver, exposition, stats, failures, hidden }
}

export interface Answer {
  refused: RefusalCode | undefined
  receipt: Receipt
}

/** A connection of this machine on which a request was begun. */
export function newConnection(): Connection {
  const connection = new Connection(new Polls(), { isNear: true, isReset: () => false })
  connection.requested()
  return connection
}

/**
 * Posts a batch as the doors do; the answer comes after the turn's commit. On a connection of its own, unless given, on
 * which every answer arrives; undefined is that of a door which cannot know.
 */
export function postBatch(
  { receiver }: Opened,
  body: Uint8Array,
  batchId?: string,
  ...given: (Connection | undefined)[]
): Promise<Answer> {
  const connection = given.length === 0 ? newConnection() : given[0]
  return new Promise((resolve) => {
    receiver.batch({
      body,
      key: batchId === undefined ? undefined : batchKey(batchId, body),
      digest: digestOf(body),
      connection,
      settle(refusal, receipt) {
        resolve({ refused: refusal?.code, receipt })
        if (given.length > 0) return
        connection?.flushed()
        connection?.requested()
      },
    })
  })
}

export interface Checkpoint {
  writer: string
  sequence: number
  final: boolean
  body: Uint8Array
  baseline?: Uint8Array
}

/** Posts a journal as the spool does. */
export function postJournal({ receiver }: Opened, checkpoint: Checkpoint): Promise<RefusalCode | undefined> {
  const key = { id: digestOf(`journal ${checkpoint.writer}`).subarray(0, 16), digest: new Uint8Array(8) }
  return new Promise((resolve) => {
    const settle = (refusal: Refusal | undefined): void => resolve(refusal?.code)
    const baseline = checkpoint.baseline ?? new Uint8Array(0)
    receiver.journal({ ...checkpoint, ended: checkpoint.final, key, baseline, settle })
  })
}

/** Lets the group that waits be committed. */
export async function committed(): Promise<void> {
  await turn()
}

/** What a scrape would show, line by line, without comments: name and labels → value. */
export function shown({ exposition }: Pick<Opened, 'exposition'>): Map<string, number> {
  return valuesOf(rendered(exposition))
}

/** What a scrape would answer, without the gateway's own metrics. */
export function rendered(exposition: TextExposition): string {
  return Buffer.from(exposition.render().finish()).toString()
}

/** What a scrape that is no scraper's would answer in a format, without the gateway's own metrics and without an end. */
export function written({ exposition }: Pick<Opened, 'exposition'>, format: Format): Buffer {
  const options = { escaping: 'underscores', room: 0, bytesMax: Infinity, forScraper: false } as const
  const steps = exposition.steps({ format, ...options })
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return Buffer.from(value.finish())
  }
}

/** The samples of an exposition in text 0.0.4. Throws where one stands twice. */
export function valuesOf(text: string): Map<string, number> {
  const values = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue
    const space = line.lastIndexOf(' ')
    const name = line.slice(0, space)
    if (values.has(name)) throw new Error(`${name} stands twice`)
    values.set(name, Number(line.slice(space + 1)))
  }
  return values
}
