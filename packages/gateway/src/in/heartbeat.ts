import { randomUUID } from 'node:crypto'
import { chmodSync, closeSync, constants, openSync, readFileSync } from 'node:fs'
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { heartbeatName, type Heartbeat } from '@swansong/otlp/spool'
import { makeDirectory } from '../make-directory.ts'

/** Anyone may put files in, nobody may list or take away another's; files belong to the gateway's group. */
const spoolMode = 0o3733
/** How often a gateway says that it lives. */
export const heartbeatMs = 5000
/** A heartbeat of another ledger that is older than this is a gateway that is gone. */
const otherLedgerFreshMs = 60_000
/** By then one that lives has beaten again, however busy it is. */
const beatenAgainMs: number = 2.5 * heartbeatMs
const lookMs = 200

/** A spool directory that cannot be used, and why: exit 2. */
export class SpoolDirError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'SpoolDirError'
  }
}

/** Makes the directory where there is none, and claims it for a ledger. Throws a SpoolDirError where another has it. */
export function claimSpool(directory: string, ledger: string, fileBytesMax: number): void {
  try {
    makeSpoolDirectory(directory)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const hint = 'let this user make it, or give another --spool-dir'
    const message = `the spool directory ${directory} cannot be used: ${why}; ${hint}`
    throw new SpoolDirError(message, { cause: error })
  }
  const other = otherGatewayOf(directory, ledger)
  if (other !== undefined) {
    throw new SpoolDirError(
      `the spool directory ${directory} is taken up by another gateway, ${other}, ` +
        `with another ledger; give this one a --spool-dir of its own, or start again in ${otherLedgerFreshMs / 1000} s if that is gone`
    )
  }
  beat(directory, ledger, fileBytesMax, false)
}

/** The gateway of another ledger that lives and beats in a directory, in words. */
export function otherGatewayOf(directory: string, ledger: string): string | undefined {
  const other = readHeartbeat(directory)
  if (other === undefined || other.ledger === ledger || other.stopped) return undefined
  return Date.now() - other.at < otherLedgerFreshMs ? `pid ${other.pid} on ${other.host}` : undefined
}

/**
 * Waits until it is known whether a gateway beats in one of these directories, whichever ledger it has: then throws a SpoolDirError.
 * A heartbeat of one that is gone, or that was copied along, is removed.
 */
export async function requireQuiet(
  directories: readonly string[],
  say: (notice: string) => void,
  withinMs: number = beatenAgainMs
): Promise<void> {
  const found = directories.flatMap((directory) => {
    const heartbeat = readHeartbeat(directory)
    const isFresh = heartbeat?.stopped === false && Date.now() - heartbeat.at < otherLedgerFreshMs
    return isFresh ? [{ directory, heartbeat }] : []
  })
  for (const { directory, heartbeat } of found)
    say(`${directory} is of pid ${heartbeat.pid} on ${heartbeat.host}: waiting for a sign that it lives`)
  for (const end = performance.now() + withinMs; found.length > 0 && performance.now() < end;) {
    await sleep(lookMs)
    for (const { directory, heartbeat } of found) {
      const now = readHeartbeat(directory)
      if (now === undefined || now.at === heartbeat.at || now.stopped) continue
      throw new SpoolDirError(
        `${directory} is taken up by another gateway, pid ${now.pid} on ${now.host}; nothing was adopted: ` +
          'stop that one, or give this one a directory of its own'
      )
    }
  }
  for (const { directory } of found) {
    try {
      rmSync(join(directory, heartbeatName))
    } catch {
      // Then it is found fresh, and said.
    }
  }
}

/** Makes the directory where there is none, with its mode. Throws what the file system says. */
export function makeSpoolDirectory(directory: string): void {
  makeDirectory(directory)
  if ((statSync(directory).mode & 0o7777) !== spoolMode) chmodSync(directory, spoolMode)
}

/** Says that the gateway lives, or that it stopped as asked. Best effort: a full disk must not stop it. */
export function beat(directory: string, ledger: string, fileBytesMax: number, stopped: boolean): void {
  const heartbeat: Heartbeat = {
    ledger,
    at: Date.now(),
    pid: process.pid,
    host: hostname(),
    stopped,
    fileBytesMax,
  }
  try {
    const temporary = join(directory, `.${heartbeatName}.${randomUUID()}`)
    writeFileSync(temporary, `${JSON.stringify(heartbeat)}\n`, { mode: 0o644, flag: 'wx' }) // Follows no link.
    renameSync(temporary, join(directory, heartbeatName))
  } catch {
    // Workers then see an old one, and post: what they should do when this disk is full.
  }
}

function readHeartbeat(directory: string): Heartbeat | undefined {
  let file: number | undefined
  try {
    // Anyone may have put it there: a pipe would be waited for.
    file = openSync(
      join(directory, heartbeatName),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    )
    return (JSON.parse(readFileSync(file, 'utf8')) as Heartbeat | null) ?? undefined
  } catch {
    return undefined // None yet, or one that nobody can read.
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
