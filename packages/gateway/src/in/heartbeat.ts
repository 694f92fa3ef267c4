import { randomUUID } from 'node:crypto'
import { chmodSync, closeSync, constants, mkdirSync, openSync, readFileSync } from 'node:fs'
import { renameSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { heartbeatName, type Heartbeat } from '@swansong/otlp/spool'

/** Anyone may put files in, nobody may list or take away another's; files belong to the gateway's group. */
const spoolMode = 0o3733
/** How often a gateway says that it lives. */
export const heartbeatMs = 5000
/** A heartbeat of another ledger that is older than this is a gateway that is gone. */
const otherLedgerFreshMs = 60_000

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
        'with another ledger; give this one a --spool-dir of its own'
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

/** Makes the directory where there is none, with its mode. Throws what the file system says. */
export function makeSpoolDirectory(directory: string): void {
  mkdirSync(directory, { recursive: true })
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
