import {
  journalSuffix,
  patchFrameBytes,
  spoolFileBytesMin,
  spoolHeaderBytes,
  writePatch,
  writeSpoolHeader,
} from '@swansong/otlp/spool'
import { NanoClock } from '../encode/clock.ts'
import {
  type Instrument,
  isRecorded,
  type Kind,
  nowMs,
  type Recorder,
  type Series,
} from '../record/recorder.ts'
import { warn } from '../process/say.ts'
import { closeQuietly, isThere, placeSpoolFile, readFileBytesMax, type Spool } from './spool.ts'
import { cumulative, Template, type TemplateShape } from '../encode/template.ts'

const fs = process.getBuiltinModule('node:fs')

/** Patches are written until they are this long together, or as long as the body: then all is written anew. */
const patchesBytesMin: number = 256 * 1024
/**
 * A journal that was not written for so long may have been taken up for good, if its file is gone. The gateway waits for
 * six hours at least, and for one minute where a journal says that it ended.
 */
const goneMs: number = 60 * 60 * 1000
const goneAfterEndMs: number = 30 * 1000
/** How long it holds what a gateway said of the largest file that it takes. */
const limitMs: number = 60 * 1000

/** Whose journal it is: the name of its file, and the encoded resource of its points. */
export interface Identity {
  instanceId: string
  resource: Uint8Array
}

/** One file that holds this process's running totals, and what of it is known to stand there. */
export class JournalFile {
  #recorder: Recorder
  #spool: Spool
  #identify: () => Identity
  #identity: Identity
  #clock: NanoClock
  #template: Template | undefined
  #revision = -1
  #sequence = 0
  #ended = false
  #baseline: Uint8Array = new Uint8Array(0)
  /** The body as it stands in the file, and room for more of it. */
  #written: Uint8Array = new Uint8Array(0)
  #writtenBytes = 0
  /** Series that were appended since the file was last written whole, and where in the body. */
  #appended = new Map<number, { template: Template; at: number }>()
  #writtenAt = 0
  #writtenAtDate = 0
  /** Series from this slot on do not fit into the largest file that the gateway takes. */
  #slotEnd = Infinity
  #limit = { bytes: Infinity, at: -Infinity }
  #descriptor: number | undefined
  #patch: Uint8Array = new Uint8Array(64)
  #patchesBytes = 0

  constructor(recorder: Recorder, spool: Spool, identify: () => Identity) {
    this.#recorder = recorder
    this.#spool = spool
    this.#identify = identify
    this.#identity = identify()
    this.#clock = new NanoClock(recorder.startMs)
  }

  /** Whether anything of it was ever written. */
  get wasWritten(): boolean {
    return this.#writtenBytes > 0
  }

  /** Series that have something to show: those in the file, and those that it has no room for. */
  get points(): { held: number; leftOut: number } {
    const held = (this.#template?.pointCount ?? 0) + this.#appended.size
    return { held, leftOut: this.#slotEnd === Infinity ? 0 : this.#recordedSlots().length - held }
  }

  /** Whether there are series that it has no room for. */
  get leavesOut(): boolean {
    return this.#slotEnd < Infinity
  }

  /** The largest file that the gateway takes, in bytes, as far as that was asked for. */
  get bytesMax(): number {
    return this.#limit.bytes
  }

  /** Whether the file stands where it was written. */
  isThere(): boolean {
    return isThere(this.#spool, this.#name)
  }

  /** Replaces the whole file. `patched`: patches are to follow. Throws what the file system says. */
  write(ended: boolean, patched: boolean): void {
    if (this.#mayBeTaken() && !this.isThere()) this.#carryOn()
    const template = this.#newTemplate()
    template.fill(this.#clock.next(), this.#recorder.cells)
    const header = { kind: 'journal', ended, sequence: this.#sequence + 1, owner: this.#spool.owner } as const
    const baseline = this.#baseline
    writeSpoolHeader(template.bytes, header, template.body, baseline)
    const head = template.bytes.subarray(0, spoolHeaderBytes)
    const parts = baseline.length === 0 ? [template.bytes] : [head, baseline, template.body]
    closeQuietly(this.#descriptor)
    this.#descriptor = undefined // Should this fail, then what follows in the old file would not be all there is.
    const descriptor = placeSpoolFile(this.#spool, this.#name, parts)
    if (patched) this.#descriptor = descriptor
    else closeQuietly(descriptor)
    this.#patchesBytes = 0
    this.#sequence++
    this.#ended = ended
    this.#writtenBytes = 0
    this.#wasWritten(template.body, 0)
  }

  /**
   * Appends what a series has come to, also one that was just born. False where that takes a whole new file: too much was
   * appended, or there is none that it could follow. Throws what the file system says; then too.
   */
  append(slot: number): boolean {
    const template = this.#template
    if (this.#descriptor === undefined || template === undefined) return false
    if (this.#revision !== this.#recorder.revision) return this.#appendSeries(slot, template)
    const appended = this.#appended.get(slot)
    const holder = appended?.template ?? template
    const range = holder.update(slot, this.#clock.last, this.#recorder.cells)
    if (range === undefined) return slot >= this.#slotEnd // There is no room for it.
    return this.#appendPatch(holder.body, range.start, range.end, appended?.at ?? 0)
  }

  /**
   * A series of its own behind the body: what a job that has thousands of them, each met once, would else have to write anew
   * each time.
   */
  #appendSeries(slot: number, template: Template): boolean {
    if (this.#slotEnd < Infinity || this.#revision + 1 !== this.#recorder.revision) return false
    // This record is all that is new if it is of a series that the file does not have.
    if (this.#appended.has(slot) || template.has(slot)) return false
    const instrument = instrumentOf(this.#recorder, slot)
    if (instrument === undefined) return false
    const { startMs } = this.#recorder
    const born = this.#templateOf({ instruments: [instrument], startMs }, 0, () => true)
    born.fill(this.#clock.last, this.#recorder.cells)
    const at = this.#writtenBytes
    if (!this.#appendPatch(born.body, 0, born.body.length, at)) return false
    this.#appended.set(slot, { template: born, at })
    this.#revision++
    return true
  }

  /** Puts [start, end) of these bytes, which begin at `at` in the body, into it. */
  #appendPatch(bytes: Uint8Array, start: number, end: number, at: number): boolean {
    if (this.#descriptor === undefined) return false
    const length = end - start + patchFrameBytes
    if (!this.#hasRoom(length)) return false
    if (length > this.#patch.length) this.#patch = new Uint8Array(length * 2)
    writePatch(this.#patch, at + start, bytes, start, end)
    const written = fs.writeSync(this.#descriptor, this.#patch, 0, length)
    if (written < length) throw new Error('the disk is full') // What follows would stand behind half a patch.
    if (this.#spool.sync) fs.fdatasyncSync(this.#descriptor)
    this.#patchesBytes += length
    this.#sequence++
    this.#wasWritten(bytes.subarray(start, end), at + start)
    return true
  }

  get #name(): string {
    return `${this.#identity.instanceId}${journalSuffix}`
  }

  #wasWritten(bytes: Uint8Array, at: number): void {
    const end = at + bytes.length
    if (end > this.#written.length) {
      const longer = new Uint8Array(at === 0 ? end : end * 2)
      longer.set(this.#written.subarray(0, this.#writtenBytes))
      this.#written = longer
    }
    this.#written.set(bytes, at)
    this.#writtenBytes = Math.max(this.#writtenBytes, end)
    this.#writtenAt = nowMs()
    this.#writtenAtDate = Date.now()
  }

  /** By either clock: one stands still while the machine sleeps, the other can be set. */
  #mayBeTaken(): boolean {
    if (this.#sequence === 0) return false
    const elapsedMs = Math.max(nowMs() - this.#writtenAt, Date.now() - this.#writtenAtDate)
    return elapsedMs > (this.#ended ? goneAfterEndMs : goneMs)
  }

  /**
   * Who took the file has counted all that stood in it. So what comes goes into a journal of another name, which begins
   * where that one ended; were it the same, a gateway that had forgotten it would count the whole of it again.
   */
  #carryOn(): void {
    warn(`the journal ${this.#name} is gone from ${this.#spool.directory}: another one carries on from it`)
    this.#baseline = this.#written.slice(0, this.#writtenBytes)
    this.#identity = this.#identify()
    this.#sequence = 0
    this.#template = undefined
  }

  /** Whether so many bytes may follow in the file. */
  #hasRoom(length: number): boolean {
    const bodyBytes = this.#template?.body.length ?? 0
    const patchesBytes = this.#patchesBytes + length
    if (patchesBytes > Math.max(patchesBytesMin, bodyBytes)) return false
    return this.#isTaken(spoolHeaderBytes + this.#baseline.length + bodyBytes + patchesBytes)
  }

  /** With all series that have something to show, or as many of the first as there is room for. */
  #newTemplate(): Template {
    const { revision } = this.#recorder
    const isSame = this.#revision === revision && this.#appended.size === 0
    if (this.#template !== undefined && isSame) return this.#template
    let template = this.#templateUpTo(this.#slotEnd)
    if (!this.#fits(template)) template = this.#fittingTemplate()
    this.#template = template
    this.#appended.clear()
    this.#revision = revision
    return template
  }

  #fittingTemplate(): Template {
    const slots = this.#recordedSlots()
    let fitting = 0 // The first so many fit; all do not.
    for (let tooMany = slots.length; tooMany - fitting > 1;) {
      const middle = (fitting + tooMany) >>> 1
      if (this.#fits(this.#templateUpTo(slots[middle] as number))) fitting = middle
      else tooMany = middle
    }
    this.#slotEnd = slots[fitting] as number
    return this.#templateUpTo(this.#slotEnd)
  }

  #templateUpTo(slotEnd: number): Template {
    const recorder = this.#recorder
    const includes = ({ slot }: Series, kind: Kind): boolean =>
      slot < slotEnd && isRecorded(kind, recorder.cells, slot)
    return this.#templateOf(recorder, spoolHeaderBytes, includes)
  }

  #templateOf(
    recorded: Pick<Recorder, 'instruments' | 'startMs'>,
    reserved: number,
    includes: TemplateShape['includes']
  ): Template {
    const start = BigInt(recorded.startMs) * 1_000_000n
    const shape = { temporality: cumulative, start, reserved, includes } as const
    return new Template(recorded, this.#identity.resource, shape)
  }

  /** In the order in which they were born. */
  #recordedSlots(): number[] {
    const { cells, instruments } = this.#recorder
    const slots = instruments.flatMap(({ kind, series }) =>
      series.filter(({ slot }) => isRecorded(kind, cells, slot)).map(({ slot }) => slot)
    )
    return slots.sort((a, b) => a - b)
  }

  #fits({ bytes }: Template): boolean {
    return this.#isTaken(bytes.length + this.#baseline.length)
  }

  /** Whether the gateway takes a file of this length. It is asked only for what it may refuse: most journals are small. */
  #isTaken(length: number): boolean {
    if (length <= spoolFileBytesMin) return true
    if (nowMs() - this.#limit.at > limitMs) {
      this.#limit = { bytes: readFileBytesMax(this.#spool.directory), at: nowMs() }
    }
    return length <= this.#limit.bytes
  }
}

/** The instrument of this slot, with no other series. They are in the order in which they were born, in each. */
function instrumentOf({ instruments }: Recorder, slot: number): Instrument | undefined {
  for (const instrument of instruments) {
    const { series } = instrument
    let low = 0
    for (let high = series.length; low < high;) {
      const middle = (low + high) >>> 1
      if ((series[middle] as Series).slot < slot) low = middle + 1
      else high = middle
    }
    const found = series[low]
    if (found?.slot === slot) return { ...instrument, series: [found] }
  }
  return undefined
}
