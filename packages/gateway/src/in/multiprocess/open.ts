import { basename, resolve } from 'node:path'
import { jobAndDirectory } from '../../config/values.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Stats } from '../../stats.ts'
import type { Receiver } from '../receive.ts'
import { Follower, type FollowerOptions } from './follower.ts'
import { FileWriters, type ProcessView } from './writers.ts'

export interface FollowersOptions extends Pick<FollowerOptions, 'limits' | 'dataDir' | 'clock' | 'log'> {
  /** Each `DIR` or `JOB=DIR`. */
  dirs: readonly string[]
  processes: ProcessView
}

const lookMs = 500

/** Follows all directories; what it returns ends that. Throws a SpoolDirError where another gateway has one. */
export function openFollowers(
  receiver: Receiver,
  ledger: Ledger,
  stats: Stats,
  { dirs, processes: view, ...options }: FollowersOptions
): () => void {
  const writers = new FileWriters(options)
  const followers: Follower[] = []
  const close = (): void => {
    for (const follower of followers) follower.close()
  }
  try {
    for (const written of dirs) {
      const told = jobAndDirectory(written)
      const directory = resolve(told.directory)
      const job = told.job ?? basename(directory)
      followers.push(
        new Follower(receiver, ledger, stats, { directory, job, view, writers, lookMs, ...options })
      )
    }
  } catch (error) {
    close()
    throw error
  }
  return close
}
