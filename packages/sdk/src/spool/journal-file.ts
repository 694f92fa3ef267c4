import {
  journalSuffix,
  patchFrameBytes,
  spoolFileBytesMin,
  spoolHeaderBytes,
  writePatch,
  writeSpoolHeader,
} from '@swansong/otlp/spool'
import { NanoClock } from '../encode/clock.ts'
import { isRecorded, nowMs, type Recorder } from '../record/recorder.ts'
import { warn } from '../process/say.ts'
import { closeQuietly, isThere, placeSpoolFile, readFileBytesMax, type Spool } from './spool.ts'
import { cumulative, Template } from '../encode/template.ts'

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
  /** The body as it stands in the file. */
  #written: Uint8Array = new Uint8Array(0)
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
    return this.#written.length > 0
  }

  /** Series that have something to show: those in the file, and those that it has no room for. */
  get points(): { held: number; leftOut: number } {
    const held = this.#template?.pointCount ?? 0
    return { held, leftOut: this.#slotEnd === Infinity ? 0 : this.#recordedSlots().length - held }
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
    if (this.#written.length !== template.body.length) this.#written = template.body.slice()
    else this.#written.set(template.body)
    this.#wasWritten()
  }

  /**
   * Appends what a series has come to. False where that takes a whole new file: another series, too many patches, or
   * none that they could follow. Throws what the file system says; then too.
   */
  append(slot: number): boolean {
    const template = this.#template
    if (this.#descriptor === undefined || template === undefined) return false
    if (this.#revision !== this.#recorder.revision) return false
    const range = template.update(slot, this.#clock.last, this.#recorder.cells)
    if (range === undefined) return slot >= this.#slotEnd // There is no room for it.
    const start = range.start - spoolHeaderBytes
    const end = range.end - spoolHeaderBytes
    const length = end - start + patchFrameBytes
    if (this.#patchesBytes + length > this.#patchesBytesMax()) return false
    if (length > this.#patch.length) this.#patch = new Uint8Array(length * 2)
    writePatch(this.#patch, template.body, start, end)
    const written = fs.writeSync(this.#descriptor, this.#patch, 0, length)
    if (written < length) throw new Error('the disk is full') // What follows would stand behind half a patch.
    if (this.#spool.sync) fs.fdatasyncSync(this.#descriptor)
    this.#patchesBytes += length
    this.#sequence++
    this.#written.set(template.body.subarray(start, end), start)
    this.#wasWritten()
    return true
  }

  get #name(): string {
    return `${this.#identity.instanceId}${journalSuffix}`
  }

  #wasWritten(): void {
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
    this.#baseline = this.#written.slice()
    this.#identity = this.#identify()
    this.#sequence = 0
    this.#template = undefined
  }

  #patchesBytesMax(): number {
    const body = this.#written.length
    const room = this.#limit.bytes - spoolHeaderBytes - this.#baseline.length - body
    return Math.min(Math.max(patchesBytesMin, body), room)
  }

  /** With all series that have something to show, or as many of the first as there is room for. */
  #newTemplate(): Template {
    const { revision } = this.#recorder
    if (this.#template !== undefined && this.#revision === revision) return this.#template
    let template = this.#templateUpTo(this.#slotEnd)
    if (!this.#fits(template)) {
      const slots = this.#recordedSlots()
      let fitting = 0 // The first so many fit; all do not.
      for (let tooMany = slots.length; tooMany - fitting > 1;) {
        const middle = (fitting + tooMany) >>> 1
        if (this.#fits(this.#templateUpTo(slots[middle] as number))) fitting = middle
        else tooMany = middle
      }
      this.#slotEnd = slots[fitting] as number
      template = this.#templateUpTo(this.#slotEnd)
    }
    this.#template = template
    this.#revision = revision
    return template
  }

  #templateUpTo(slotEnd: number): Template {
    const recorder = this.#recorder
    return new Template(recorder, this.#identity.resource, {
      temporality: cumulative,
      start: BigInt(recorder.startMs) * 1_000_000n,
      reserved: spoolHeaderBytes,
      includes: ({ slot }, kind) => slot < slotEnd && isRecorded(kind, recorder.cells, slot),
    })
  }

  /** In the order in which they were born. */
  #recordedSlots(): number[] {
    const { cells, instruments } = this.#recorder
    const slots = instruments.flatMap(({ kind, series }) =>
      series.filter(({ slot }) => isRecorded(kind, cells, slot)).map(({ slot }) => slot)
    )
    return slots.sort((a, b) => a - b)
  }

  /** Asked of the gateway only for what it may refuse: most journals are small. */
  #fits({ bytes }: Template): boolean {
    const length = bytes.length + this.#baseline.length
    if (length <= spoolFileBytesMin) return true
    if (nowMs() - this.#limit.at > limitMs) {
      this.#limit = { bytes: readFileBytesMax(this.#spool.directory), at: nowMs() }
    }
    return length <= this.#limit.bytes
  }
}
