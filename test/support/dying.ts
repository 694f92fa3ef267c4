import { writeSync } from 'node:fs'

/** What test/jobs/dies.ts and test/jobs/dies-in-threads.ts are told, as JSON. */
export interface Dying {
  ending: string
  /** Where it ends: in the process that was started, as that or as process 1, in a child of that, or in one of its threads. */
  place: 'main' | 'first' | 'forked' | 'cluster' | 'thread'
  /** Without: the same, and nothing of the SDK is loaded. */
  counts: boolean
  /** Where one that counts in a busy loop keeps its own record of it. */
  record: string
}

/** Written to stdout when the ending begins, and before what the parent saw of a child. */
export const endsNow = 'ends now'
export const childEnded = 'child ended '
/** A job that counts no more has its checkpoint by then, however long they are apart. */
export const momentMs = 250

/** By a plain write: nothing of it may wait for a turn of the event loop. */
export function sayEndsNow(): void {
  writeSync(1, `${endsNow}\n`)
}
