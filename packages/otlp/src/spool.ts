import { adler32 } from './adler32.ts'
import { OtlpError } from './error.ts'

/*
 * The files that a worker leaves in a spool directory for the gateway, and the one that the gateway keeps there for the
 * workers. A worker writes each under a name that begins with a dot and renames it into place, so that a name without
 * one is always a whole file:
 *
 *   <instance id>.journal   running totals of one process: cumulative OTLP, replaced as a whole at each checkpoint
 *   <batch id>.batch        one frozen batch of deltas, whose id is the Idempotency-Key that it was or would be posted under
 *   heartbeat.json          a Heartbeat, by the gateway
 *
 * A spool file is a header of 96 bytes, little-endian, and an ExportMetricsServiceRequest:
 *
 *    0  8  magic "SWANSONG"         16  4  Adler-32 of the body    48  8  inode of the owner's pid namespace
 *    8  2  version, 1               20  4  owner's pid             56  8  owner's start, clock ticks since boot
 *   10  1  kind: 1 journal, 2 batch 24  8  sequence                64 28  zero
 *   11  1  state: 0 open, 1 ended   32 16  owner's boot id         92  4  Adler-32 of bytes 0 to 92
 *   12  4  length of the body
 */

export const spoolHeaderBytes = 96
export const heartbeatName = 'heartbeat.json'
export const journalSuffix = '.journal'
export const batchSuffix = '.batch'

/** The process that a spool file belongs to, told apart from any later one with the same pid. */
export interface Owner {
  /** The kernel's boot id as a UUID; empty where there is none. */
  bootId: string
  /** The inode of the pid namespace; 0 where there is none. */
  pidNamespace: number
  pid: number
  /** Clock ticks from boot to the process's start (field 22 of /proc/PID/stat); 0 where there is none. */
  startTicks: number
}

export interface SpoolHeader {
  kind: 'journal' | 'batch'
  /** Ended: no later sequence will come. A batch is always ended. */
  ended: boolean
  /** Grows with each checkpoint of a journal; 0 for a batch. */
  sequence: number
  owner: Owner
}

/** What a gateway says in its spool of itself, every few seconds. */
export interface Heartbeat {
  /** The id of the ledger that takes this spool up. */
  ledger: string
  /** When this was written, Unix milliseconds. */
  at: number
  pid: number
  host: string
  /** True when the gateway stopped as asked: another ledger may take over at once. */
  stopped: boolean
  /** The largest spool file that is taken, in bytes. */
  fileBytesMax: number
}

const magic = 'SWANSONG'
const version = 1

/** Writes the header for `body` into the first 96 bytes of `into`. */
export function writeSpoolHeader(into: Uint8Array, header: SpoolHeader, body: Uint8Array): void {
  const view = new DataView(into.buffer, into.byteOffset, spoolHeaderBytes)
  into.fill(0, 0, spoolHeaderBytes)
  for (let at = 0; at < magic.length; at++) into[at] = magic.charCodeAt(at)
  view.setUint16(8, version, true)
  view.setUint8(10, header.kind === 'journal' ? 1 : 2)
  view.setUint8(11, header.ended ? 1 : 0)
  view.setUint32(12, body.length, true)
  view.setUint32(16, adler32(body), true)
  view.setUint32(20, header.owner.pid, true)
  setUint64(view, 24, header.sequence)
  const bootId = header.owner.bootId.replaceAll('-', '')
  for (let at = 0; at < 16 && bootId.length === 32; at++) {
    into[32 + at] = Number.parseInt(bootId.slice(at * 2, at * 2 + 2), 16)
  }
  setUint64(view, 48, header.owner.pidNamespace)
  setUint64(view, 56, header.owner.startTicks)
  view.setUint32(92, adler32(into, 0, 92), true)
}

/** Reads a whole spool file. `body` is a view of `file`. Throws `BAD_SPOOL_FILE` for one that is torn or of another kind. */
export function readSpoolFile(file: Uint8Array): { header: SpoolHeader; body: Uint8Array } {
  if (file.length < spoolHeaderBytes) throw bad(file.length, `${file.length} bytes are less than a header`)
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  for (let at = 0; at < magic.length; at++) {
    if (file[at] !== magic.charCodeAt(at)) throw bad(at, 'no spool file: it does not begin with SWANSONG')
  }
  if (view.getUint32(92, true) !== adler32(file, 0, 92))
    throw bad(92, 'the header does not match its checksum')
  const fileVersion = view.getUint16(8, true)
  if (fileVersion !== version)
    throw bad(8, `version ${fileVersion}, but only ${version} is known: update the gateway`)
  const kind = view.getUint8(10)
  if (kind !== 1 && kind !== 2) throw bad(10, `kind ${kind} is not known`)
  const length = view.getUint32(12, true)
  if (file.length !== spoolHeaderBytes + length) {
    throw bad(12, `a body of ${length} bytes is announced, ${file.length - spoolHeaderBytes} are there`)
  }
  const body = file.subarray(spoolHeaderBytes)
  if (view.getUint32(16, true) !== adler32(body)) throw bad(16, 'the body does not match its checksum')
  const header: SpoolHeader = {
    kind: kind === 1 ? 'journal' : 'batch',
    ended: view.getUint8(11) === 1,
    sequence: getUint64(view, 24),
    owner: {
      bootId: readBootId(file),
      pidNamespace: getUint64(view, 48),
      pid: view.getUint32(20, true),
      startTicks: getUint64(view, 56),
    },
  }
  return { header, body }
}

function readBootId(file: Uint8Array): string {
  let hex = ''
  let any = 0
  for (let at = 32; at < 48; at++) {
    any |= file[at] as number
    hex += (file[at] as number).toString(16).padStart(2, '0')
  }
  if (any === 0) return ''
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

function setUint64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value % 0x1_0000_0000, true)
  view.setUint32(at + 4, Math.floor(value / 0x1_0000_0000), true)
}

function getUint64(view: DataView, at: number): number {
  return view.getUint32(at + 4, true) * 0x1_0000_0000 + view.getUint32(at, true)
}

function bad(offset: number, message: string): OtlpError {
  return new OtlpError('BAD_SPOOL_FILE', offset, message)
}
