import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { spoolHeaderBytes, writeSpoolHeader, type SpoolHeader } from '@swansong/otlp/spool'
import { ownerWatch } from '../../src/in/owner.ts'
import { Spool, type SpoolOptions } from '../../src/in/spool.ts'
import { journalSilenceMs, journalSilenceUptimeMs } from '../../src/limits.ts'
import { openLog } from '../../src/log.ts'
import { temporaryDirectory } from './directories.ts'
import { ownerOf } from './jobs.ts'
import type { Opened } from './ledgers.ts'

/** What a worker leaves; where nothing is said, an open journal of this process, which lives. */
export function spoolFile(
  body: Uint8Array,
  header: Partial<SpoolHeader> = {},
  baseline: Uint8Array = new Uint8Array(0)
): Uint8Array {
  const file = new Uint8Array(spoolHeaderBytes + baseline.length + body.length)
  file.set(baseline, spoolHeaderBytes)
  file.set(body, spoolHeaderBytes + baseline.length)
  const whole = {
    kind: 'journal',
    ended: false,
    sequence: 1,
    owner: ownerOf(process.pid),
    ...header,
  } as const
  writeSpoolHeader(file, whole, body, baseline)
  return file
}

/** A header of a process that is gone. */
export const dead: Partial<SpoolHeader> = { owner: { ...ownerOf(process.pid), startTicks: 1 } }

/** Puts a file there as workers do: whole, by a rename. */
export function put(directory: string, name: string, file: Uint8Array): void {
  mkdirSync(directory, { recursive: true })
  const unfinished = join(directory, `.${name}.unfinished`)
  writeFileSync(unfinished, file, { mode: 0o640 })
  renameSync(unfinished, join(directory, name))
}

/** A spool before a ledger without doors, closed after the test. */
export function startSpool(
  context: TestContext,
  opened: Opened,
  directory: string = temporaryDirectory(context)
): string {
  const spool = openSpool(opened, directory)
  context.after(() => spool.close())
  return directory
}

export function openSpool(
  { receiver, ledger, stats }: Opened,
  directory: string,
  more: Partial<SpoolOptions> = {}
): Spool {
  const options: SpoolOptions = {
    directory,
    limits: { spoolFileBytesMax: 100_000, journalSilenceMs, journalSilenceUptimeMs },
    lifeOf: ownerWatch(),
    clock: () => performance.now(),
    log: openLog('silent'),
    ...more,
  }
  return new Spool(receiver, ledger, stats, options)
}

/** What stands in a spool, without the heartbeat. */
export function filesIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => name !== 'heartbeat.json' && name !== 'rejected')
}

export function isThere(directory: string, name: string): boolean {
  return existsSync(join(directory, name))
}

const waitedMsMax = 60_000

/** Waits until something holds, asking again and again; fails as it failed last. */
export async function eventually(check: () => void | Promise<void>): Promise<void> {
  const until = performance.now() + waitedMsMax
  for (;;) {
    try {
      await check()
      return
    } catch (error) {
      if (performance.now() > until) throw error
      await wait(10)
    }
  }
}
