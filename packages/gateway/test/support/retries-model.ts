import assert from 'node:assert/strict'
import type { Retries } from '../../src/config/config.ts'
import type { Connection } from '../../src/in/delivery.ts'
import type { Answer } from './ledgers.ts'

/** The points of each body: few bodies, so that many send the same. -1 is to be rejected. */
export const bodies: readonly (readonly number[])[] = [[1], [10, -1], [-1], []]

export interface Batch {
  /** By what it is known. 'unseen': anonymous, by a door that cannot know what becomes of its answers. */
  way: 'id' | 'instance' | 'anonymous' | 'unseen'
  /** The number of its id or instance. */
  whose: number
  body: number
  once: { unit: number; attempt: number } | undefined
}

export interface Rules {
  retries: Retries
  /** The same body waits for as long as it takes, or not at all. */
  isPatient: boolean
}

/** One time that a batch is sent. */
export interface Send {
  batch: Batch
  connection: Connection | undefined
  peer: { isNear: boolean; isReset: () => boolean }
  answer: Answer | undefined
  hasWaited: boolean
}

interface Known {
  /** What its bytes say. */
  text: string
  rejected: number
  isDelivered: boolean
}

interface Durable {
  told: Map<string, Known>
  /** The attempt of each unit of work. */
  units: Map<number, number>
  /** How often each body counted, by its text, and the sum of what it adds. */
  times: Map<string, number>
  sums: Map<number, number>
}

export function textOf({ way, whose, body, once }: Batch): string {
  return JSON.stringify([way === 'instance' ? whose : '', body, once])
}

/** What should be, as simply as it can be told. */
export class Model {
  durable: Durable = { told: new Map(), units: new Map(), times: new Map(), sums: new Map() }
  /** Sent, answered, and nothing heard of it since. */
  underWay: Send[] = []
  /** In the order they came. */
  waiting: Send[] = []
  /** They have waited for long enough, and come again with the next group. */
  released: Send[] = []
  readonly #rules: Rules

  constructor(rules: Rules) {
    this.#rules = rules
  }

  decide(send: Send): 'later' | { refused: string | undefined; rejected: number } {
    const { batch } = send
    const text = textOf(batch)
    const key = batch.way === 'id' ? `id ${batch.whose}` : text
    const known = this.durable.told.get(key)
    const isWatched = batch.way === 'anonymous' && this.#rules.retries === 'auto'
    if (known !== undefined) {
      if (known.text !== text) return { refused: 'BATCH_ID_REUSED', rejected: 0 }
      if (!isWatched || !known.isDelivered) {
        if (isWatched && this.#rules.isPatient && this.#isUnderWay(text)) {
          this.waiting.push(send)
          send.hasWaited = true
          return 'later'
        }
        if (isWatched) this.underWay.push(send)
        return { refused: undefined, rejected: known.rejected }
      }
    }
    const { added, rejected } = this.#count(batch)
    if (batch.way === 'id' || added + rejected > 0) {
      this.durable.told.set(key, { text, rejected, isDelivered: false })
      if (isWatched) this.underWay.push(send)
    }
    return { refused: undefined, rejected }
  }

  /** It is known what became of an answer, if it was under way; the first that waits for that is decided anew. */
  land(send: Send, isCertain: boolean): boolean {
    const at = this.underWay.indexOf(send)
    if (at < 0) return false
    this.underWay.splice(at, 1)
    const text = textOf(send.batch)
    const known = this.durable.told.get(text)
    if (isCertain && known !== undefined) known.isDelivered = true
    this.#release(text)
    return true
  }

  /** It was decided; where it had waited, and there is no answer under way to wait for, the next one need not wait. */
  pass(send: Send): void {
    const text = textOf(send.batch)
    if (send.hasWaited && !this.#isUnderWay(text)) this.#release(text)
  }

  #release(text: string): void {
    const first = this.waiting.find(({ batch }) => textOf(batch) === text)
    if (first === undefined) return
    this.waiting.splice(this.waiting.indexOf(first), 1)
    this.released.push(first)
  }

  /** Nothing is known after a restart of what arrived. */
  restarted(): void {
    for (const known of this.durable.told.values()) known.isDelivered = false
    assert.deepEqual([this.underWay, this.waiting, this.released], [[], [], []])
  }

  #isUnderWay(text: string): boolean {
    return this.underWay.some(({ batch }) => textOf(batch) === text)
  }

  #count(batch: Batch): { added: number; rejected: number } {
    const points = bodies[batch.body] as readonly number[]
    const good = points.filter((value) => value >= 0)
    const { units, times, sums } = this.durable
    if (batch.once !== undefined) {
      const { unit, attempt } = batch.once
      if ((units.get(unit) ?? attempt) !== attempt) return { added: 0, rejected: 0 }
      if (good.length > 0 || points.length === 0) units.set(unit, attempt)
    }
    const text = textOf(batch)
    if (points.length > 0) times.set(text, (times.get(text) ?? 0) + 1)
    for (const value of good) sums.set(batch.body, (sums.get(batch.body) ?? 0) + value)
    return { added: good.length, rejected: points.length - good.length }
  }
}
