import type { WriterRow } from './store.ts'
import { decodeWriter, encodeWriter, type Writer } from './writers.ts'

/** What stands before the ids of writers that are no journals: nothing that a journal's id may contain. */
export const timedPrefix = 'otlp:'
/** The same of files of other kinds that are followed as journals are. */
export const followedPrefix = 'multiprocess:'

/**
 * The writers of running totals that are followed, and which of them the group has changed, so that it can be taken back.
 */
export class WriterBook {
  /** Cells of all records together. */
  cellCount = 0
  /** What began by then may have been told by a writer that was forgotten: Unix nanoseconds. */
  horizonUnixNano: number
  readonly #writers = new Map<string, Writer>()
  /** Those that are no journals, the one that was heard of last at the end. */
  readonly #timed = new Set<string>()
  readonly #before = new Map<string, Writer | undefined>()
  #committedHorizonUnixNano: number

  constructor(horizonUnixNano: number) {
    this.horizonUnixNano = horizonUnixNano
    this.#committedHorizonUnixNano = horizonUnixNano
  }

  get size(): number {
    return this.#writers.size
  }

  /** Journals among them. */
  get journalCount(): number {
    return this.#writers.size - this.#timed.size
  }

  get isChanged(): boolean {
    return this.#before.size > 0
  }

  /** Ids of those that are no journals, roughly the longest silent first. */
  get timed(): Iterable<string> {
    return this.#timed
  }

  /** What each of them told. */
  *records(): Generator<Float64Array> {
    for (const { records } of this.#writers.values()) yield records
  }

  /** Of the spool's journals, whose ids have no colon. */
  journalIds(): string[] {
    return [...this.#writers.keys()].filter((id) => !id.includes(':'))
  }

  /** Ids that begin so. */
  idsWith(prefix: string): string[] {
    return [...this.#writers.keys()].filter((id) => id.startsWith(prefix))
  }

  /** Each with its id, as they are now. */
  all(): [string, Writer][] {
    return [...this.#writers]
  }

  get(id: string): Writer | undefined {
    return this.#writers.get(id)
  }

  set(id: string, writer: Writer | undefined): void {
    if (!this.#before.has(id)) this.#before.set(id, this.#writers.get(id))
    this.#put(id, writer)
  }

  /** As it was stored. */
  restore(id: string, sequence: number, cells: Uint8Array): void {
    this.#put(id, decodeWriter(sequence, cells))
  }

  /** What the group has changed, for the store. */
  rows(): WriterRow[] {
    return [...this.#before.keys()].map((id) => {
      const writer = this.#writers.get(id)
      if (writer === undefined) return { id, state: undefined }
      return { id, state: { sequence: writer.sequence, totals: encodeWriter(writer) } }
    })
  }

  /** The horizon where the group has moved it. */
  get movedHorizonUnixNano(): number | undefined {
    return this.horizonUnixNano === this.#committedHorizonUnixNano ? undefined : this.horizonUnixNano
  }

  commit(): void {
    this.#before.clear()
    this.#committedHorizonUnixNano = this.horizonUnixNano
  }

  rollBack(): void {
    for (const [id, writer] of this.#before) this.#put(id, writer)
    this.#before.clear()
    this.horizonUnixNano = this.#committedHorizonUnixNano
  }

  #put(id: string, writer: Writer | undefined): void {
    this.cellCount += (writer?.records.length ?? 0) - (this.#writers.get(id)?.records.length ?? 0)
    const isTimed = id.startsWith(timedPrefix)
    if (isTimed) this.#timed.delete(id)
    if (writer === undefined) this.#writers.delete(id)
    else {
      this.#writers.set(id, writer)
      if (isTimed) this.#timed.add(id)
    }
  }
}
