import { adler32 } from './adler32.ts'
import { OtlpError } from './error.ts'

/*
 * The files that a worker leaves in a spool directory for the gateway, and the one that the gateway keeps there for the
 * workers. A worker writes each under a name that begins with a dot and renames it into place, so that a name without
 * one is always a whole file:
 *
 *   <instance id>.journal   running totals of one process: cumulative OTLP, replaced as a whole at each checkpoint
 *   <instance id>.silent    a journal that the gateway has set aside, as nobody touched it for long
 *   <batch id>.batch        one frozen batch of deltas, whose id is the Idempotency-Key that it was or would be posted under
 *   heartbeat.json          a Heartbeat, by the gateway
 *
 * A spool file is a header of 96 bytes, a baseline and a body, each an ExportMetricsServiceRequest, and patches. Numbers
 * are little-endian.
 *
 *    0  8  magic "SWANSONG"         16  4  Adler-32 of the body    48  8  inode of the owner's pid namespace
 *    8  2  version, 1               20  4  owner's pid             56  8  owner's start, clock ticks since boot
 *   10  1  kind: 1 journal, 2 batch 24  8  sequence                64  4  length of the baseline
 *   11  1  state: 0 open, 1 ended   32 16  owner's boot id         68  4  Adler-32 of the baseline
 *   12  4  length of the body                                      72 20  zero
 *                                                                  92  4  Adler-32 of bytes 0 to 92
 *
 * The baseline is empty but in a journal that carries on where an earlier one of the same process was, or may have been,
 * taken up for good: then it is what the earlier one said last, and what the body says beyond it counts.
 *
 * Patches are what a journal says between two checkpoints: bytes to be put into the body, appended to the file one by one.
 *
 *    0  4  where, in the body       8  n  the bytes
 *    4  4  how many, n            8+n  4  Adler-32 of all before it
 *
 * One that stands at the body's end makes it longer: that is how a journal gains a series, as protobuf takes messages that
 * follow each other for one. Each counts as one more in the sequence. A file only grows once the bytes are in it, so the last patch may be cut short
 * but never torn: who reads takes the patches up to the first that is not whole.
 */

export const spoolHeaderBytes = 96
export const heartbeatName = 'heartbeat.json'
export const journalSuffix = '.journal'
export const silentSuffix = '.silent'
export const batchSuffix = '.batch'
/** Every gateway takes files up to this. */
export const spoolFileBytesMin = 4096
/** What a patch takes beside its bytes. */
export const patchFrameBytes = 12

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
  /** Grows with each checkpoint and each patch of a journal; 0 for a batch. */
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
  /** The largest spool file that is taken, in bytes: `spoolFileBytesMin` at least. */
  fileBytesMax: number
}

const magic = 'SWANSONG'
const version = 1

export interface SpoolFile {
  /** Its sequence counts the patches in. */
  header: SpoolHeader
  /** The body, patched. */
  body: Uint8Array
  /** What a journal begins at; empty where that is nothing. */
  baseline: Uint8Array
}

const empty: Uint8Array = new Uint8Array(0)

/** Writes the header for `body`, and for a `baseline` that stands before it, into the first 96 bytes of `into`. */
export function writeSpoolHeader(
  into: Uint8Array,
  header: SpoolHeader,
  body: Uint8Array,
  baseline: Uint8Array = empty
): void {
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
  view.setUint32(64, baseline.length, true)
  view.setUint32(68, adler32(baseline), true)
  view.setUint32(92, adler32(into, 0, 92), true)
}

/**
 * Writes the patch that puts [start, end) of `bytes` at `where` in a body into the beginning of `into`, and tells its length:
 * `end - start + patchFrameBytes`. For each `add` of some jobs, so it makes no object.
 */
export function writePatch(
  into: Uint8Array,
  where: number,
  bytes: Uint8Array,
  start: number,
  end: number
): number {
  setUint32(into, 0, where)
  setUint32(into, 4, end - start)
  let at = 8
  for (let from = start; from < end; from++) into[at++] = bytes[from] as number
  setUint32(into, at, adler32(into, 0, at))
  return at + 4
}

/**
 * Reads a whole spool file, and patches it in place: `body` and `baseline` are views of `file`, but for a body that patches
 * have made longer. Throws `BAD_SPOOL_FILE`
 * for one that is torn or of another kind.
 */
export function readSpoolFile(file: Uint8Array): SpoolFile {
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
  const bodyAt = spoolHeaderBytes + view.getUint32(64, true)
  const end = bodyAt + view.getUint32(12, true)
  if (file.length < end || (kind === 2 && file.length > end)) {
    throw bad(
      12,
      `${end - spoolHeaderBytes} bytes are announced, ${file.length - spoolHeaderBytes} are there`
    )
  }
  const baseline = file.subarray(spoolHeaderBytes, bodyAt)
  if (view.getUint32(68, true) !== adler32(baseline))
    throw bad(68, 'the baseline does not match its checksum')
  const whole = file.subarray(bodyAt, end)
  if (view.getUint32(16, true) !== adler32(whole)) throw bad(16, 'the body does not match its checksum')
  const { body, count } = applyPatches(whole, file, end)
  const header: SpoolHeader = {
    kind: kind === 1 ? 'journal' : 'batch',
    ended: view.getUint8(11) === 1,
    sequence: getUint64(view, 24) + count,
    owner: {
      bootId: readBootId(file),
      pidNamespace: getUint64(view, 48),
      pid: view.getUint32(20, true),
      startTicks: getUint64(view, 56),
    },
  }
  return { header, body, baseline }
}

/** Puts the patches that stand in `file` from `at` on into the body, up to the first that is not whole. */
function applyPatches(whole: Uint8Array, file: Uint8Array, at: number): { body: Uint8Array; count: number } {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const bytesMax = whole.length + file.length - at
  let body = whole
  let length = whole.length
  let count = 0
  while (file.length - at >= patchFrameBytes) {
    const where = view.getUint32(at, true)
    const end = at + 8 + view.getUint32(at + 4, true)
    const after = where + (end - at - 8)
    if (end + 4 > file.length || where > length || (where < length && after > length)) break
    if (view.getUint32(end, true) !== adler32(file, at, end)) break
    if (after > body.length) {
      body = new Uint8Array(bytesMax) // Once, for all that may follow.
      body.set(whole)
    }
    body.set(file.subarray(at + 8, end), where)
    length = Math.max(length, after)
    count++
    at = end + 4
  }
  return { body: body.subarray(0, length), count }
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

function setUint32(into: Uint8Array, at: number, value: number): void {
  into[at] = value
  into[at + 1] = value >>> 8
  into[at + 2] = value >>> 16
  into[at + 3] = value >>> 24
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
