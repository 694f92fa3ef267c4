import { rejectionText, type RejectionReason } from '../refusal.ts'

/** Points of one body that did not count, by reason, with the metric that was first. */
export class Rejects {
  count = 0
  readonly #limits: () => object
  #reasons = new Map<RejectionReason, { count: number; metric: string }>()

  /** The limits are quoted as they are set when the message is read. */
  constructor(limits: () => object) {
    this.#limits = limits
  }

  clear(): void {
    this.count = 0
    if (this.#reasons.size > 0) this.#reasons = new Map()
  }

  has(reason: RejectionReason): boolean {
    return this.#reasons.has(reason)
  }

  add(reason: RejectionReason, metric: string): void {
    this.count++
    const known = this.#reasons.get(reason)
    if (known === undefined) this.#reasons.set(reason, { count: 1, metric })
    else known.count++
  }

  /** What they were, to be kept: the next body gets others. */
  take(): ReadonlyMap<RejectionReason, { count: number; metric: string }> {
    const reasons = this.#reasons
    this.#reasons = new Map()
    return reasons
  }

  /** Why they did not count, in one sentence for the sender; empty where all did. */
  get message(): string {
    let text = ''
    for (const [reason, { count, metric }] of this.#reasons) {
      if (text !== '') text += '; '
      text += `${count} × ${reason} (first in ${JSON.stringify(metric)}): ${rejectionText(reason, this.#limits())}`
    }
    return text
  }
}
