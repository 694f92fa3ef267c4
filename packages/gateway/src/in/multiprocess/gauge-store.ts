import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { DataDirError } from '../../ledger/database.ts'
import { makeDirectory } from '../../make-directory.ts'
import { isMissing } from '../spool-directory.ts'
import { parseKey } from './file-format.ts'
import type { DeadGauge } from './gauges.ts'

/** What must outlive the gateway of a directory's gauges. */
export interface GaugeState {
  /** What dead processes left. */
  dead: DeadGauge[]
  /** Names aside of files whose values are among those: they are not to be taken again should they still stand there. */
  buried: string[]
  /** The lines that were shown: key and pid. Those that are not there any more are to be ended. */
  shown: [key: string, pid: string | undefined][]
}

const version = 1

/** A file in the data directory, replaced as a whole. */
export class GaugeStore {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** Throws a DataDirError where it cannot be read. */
  load(): GaugeState {
    try {
      return this.#load()
    } catch (error) {
      if (isMissing(error)) return { dead: [], buried: [], shown: [] }
      const why = error instanceof Error ? error.message : String(error)
      const hint = 'repair it, or remove it: what dead processes left of their gauges is then forgotten'
      throw new DataDirError(`${this.#path} cannot be read: ${why}; ${hint}`, { cause: error })
    }
  }

  #load(): GaugeState {
    const stored = JSON.parse(readFileSync(this.#path, 'utf8')) as Stored
    if (stored.version !== version) throw new SyntaxError(`version ${String(stored.version)} is not known`)
    return {
      dead: stored.dead.map(([mode, key, pid, value, time]) => {
        return { mode, key: parseKey(key), pid: pid ?? undefined, value: Number(value), time }
      }),
      buried: stored.buried,
      shown: stored.shown.map(([key, pid]) => [key, pid ?? undefined]),
    }
  }

  /** Durable when it returns. Throws what the file system says. */
  save({ dead, buried, shown }: GaugeState): void {
    const stored: Stored = {
      version,
      // Values as texts: JSON has no infinities.
      dead: dead.map(({ mode, key, pid, value, time }) => [mode, key.text, pid, String(value), time]),
      buried,
      shown,
    }
    makeDirectory(dirname(this.#path))
    const unfinished = `${this.#path}.unfinished`
    const file = openSync(unfinished, 'w', 0o600)
    try {
      writeFileSync(file, JSON.stringify(stored))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(unfinished, this.#path)
    syncDirectory(dirname(this.#path))
  }
}

interface Stored {
  version: number
  dead: [mode: DeadGauge['mode'], key: string, pid: string | undefined | null, value: string, time: number][]
  buried: string[]
  shown: [key: string, pid: string | undefined | null][]
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r')
  try {
    fsyncSync(directory)
  } finally {
    closeSync(directory)
  }
}
