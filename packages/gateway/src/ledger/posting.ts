import type { Refusal } from '../refusal.ts'

/** Something to be decided, added and made durable in the next turn. */
export interface Posting {
  /**
   * Decides what of it counts and adds that. Runs within the turn, and nothing else beside it. Throws a Refusal where
   * nothing of it may count: nothing must have been added before. `later`: it cannot be decided yet, and posts itself again.
   */
  apply(): 'later' | undefined
  /** Told once, after the commit: undefined when it is durable, else why nothing of it was applied. */
  settle(refusal: Refusal | undefined): void
}
