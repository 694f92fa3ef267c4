import { realpathSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { jobAndDirectory } from '../../config/values.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import type { Stats } from '../../stats.ts'
import type { Receiver } from '../receive.ts'
import { SpoolDirError } from '../heartbeat.ts'
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
  const taken = new Set<string>()
  const close = (): void => {
    for (const follower of followers) follower.close()
  }
  try {
    for (const written of dirs) {
      const told = jobAndDirectory(written)
      const directory = realPath(told.directory)
      if (taken.has(directory))
        throw new SpoolDirError(`the multiprocess directory ${directory} is named twice; name it once`)
      taken.add(directory)
      const job = told.job ?? basename(resolve(told.directory))
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

/** Where links lead to: what is told of a directory must be known again by whatever name it has. */
function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path) // It is not there yet.
  }
}
