import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../log.ts'
import type { ConfigStats } from '../stats.ts'
import type { Config } from './config.ts'
import { ConfigError } from './read.ts'
import { keys, valueOf, type Key } from './schema.ts'
import { placeOf, type Settings } from './settings.ts'

export interface ReloadOptions {
  /** What the gateway runs by. */
  config: Config
  /** Reads all sources again. Throws a ConfigError. */
  read: () => Settings
  /** Changes what a reload can change, in one synchronous step. Throws where something cannot be, and changes nothing. */
  apply: (next: Config) => void
  stats: ConfigStats
  log: Log
}

/** What came of a reload: the keys that are different now, or why nothing is. */
export type Reloaded = { changed: readonly string[] } | { problems: readonly string[] }

/**
 * Makes a function that reads the configuration again and changes all or nothing. It runs to its end between two turns of
 * the ledger, so that no batch is decided half by the old and half by the new.
 */
export function reloader(options: ReloadOptions): () => Reloaded {
  const { read, apply, stats, log } = options
  let current = options.config
  return () => {
    try {
      const next = read()
      const changed = changedKeys(current, next.config)
      const fixed = changed.filter((key) => !key.reload)
      if (fixed.length > 0) throw new ConfigError(fixed.map((key) => needsRestart(key, current, next)))
      apply(next.config)
      current = next.config
      stats.isReloaded = true
      stats.reloadedAtMs = Date.now()
      const paths = changed.map((key) => key.path)
      log.info({ changed: paths }, 'the configuration was read again')
      return { changed: paths }
    } catch (error) {
      const problems = error instanceof ConfigError ? error.problems : [String(error)]
      stats.isReloaded = false
      log.error({ problems }, 'the configuration was read again, and is wrong; nothing has changed')
      return { problems }
    }
  }
}

function changedKeys(from: Config, to: Config): Key[] {
  return keys.filter((key) => !isDeepStrictEqual(valueOf(from, key), valueOf(to, key)))
}

function needsRestart(key: Key, from: Config, next: Settings): string {
  const [before, after] = [valueOf(from, key), valueOf(next.config, key)].map((value) => {
    return value === undefined ? 'not set' : key.type.show(value)
  })
  const what = `it was ${before} and is ${after} now, which a reload cannot change`
  return `${placeOf(next, key.path)}: ${what}; restart the gateway, or put it back`
}
