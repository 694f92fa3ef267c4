/**
 * What was told by files that are not there: they may come again, as with a volume that was not mounted for a while, and
 * then only what is new in them counts. By what tells a file from others; an id is that, a slash, and how often it began anew.
 */
export class LostWriters {
  readonly #writers = new Map<string, { id: string; sinceMs: number }>()

  constructor(ids: readonly string[], now: number) {
    for (const id of ids) this.add(id, now)
  }

  add(id: string, now: number): void {
    if (id !== '') this.#writers.set(id.slice(0, id.lastIndexOf('/')), { id, sinceMs: now })
  }

  /** The id of a file that has come again. */
  take(base: string): string | undefined {
    const found = this.#writers.get(base)
    this.#writers.delete(base)
    return found?.id
  }

  /** Those that are lost for so long are given up. */
  since(ms: number): string[] {
    const ids: string[] = []
    for (const [base, { id, sinceMs }] of this.#writers) {
      if (sinceMs > ms) continue
      this.#writers.delete(base)
      ids.push(id)
    }
    return ids
  }
}
