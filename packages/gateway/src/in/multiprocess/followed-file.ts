import type { FilePlace } from './directory.ts'
import type { FileContent, FileName } from './file-format.ts'
import type { OpenFile } from './writers.ts'

/** What is known of a file. Times are of the follower's clock. */
export interface FollowedFile {
  place: FilePlace
  readonly name: FileName
  /** Tells it from others of its name; empty until it was read. */
  identity: string
  open: OpenFile | undefined
  /** The id by which the ledger knows what it told. */
  writer: string
  /** Its bytes as they were taken last, and what they say. */
  read: Uint8Array | undefined
  content: FileContent | undefined
  changedMs: number
  /** Not read before this. */
  nextMs: number
  /** Whether its process lives is not asked before this, and what was seen before that does not count. */
  askedMs: number
  askedSinceMs: number
  /** Since when it could not be read, or a total in it has been lower than before. */
  wrongSinceMs: number | undefined
  lowerSinceMs: number | undefined
  /** Posted, and not told yet. */
  waits: boolean
  /** Refused for now. */
  isRefused: boolean
  /** Its process is dead, and its gauges are among those of the dead. */
  isBuried: boolean
  /** All of it is counted for good, only the file could not be removed. */
  isDone: boolean
}

export function newFile(place: FilePlace, name: FileName, now: number): FollowedFile {
  return {
    place,
    name,
    identity: '',
    open: undefined,
    writer: '',
    read: undefined,
    content: undefined,
    changedMs: now,
    nextMs: 0,
    askedMs: 0,
    askedSinceMs: now,
    wrongSinceMs: undefined,
    lowerSinceMs: undefined,
    waits: false,
    isRefused: false,
    isBuried: false,
    isDone: false,
  }
}
