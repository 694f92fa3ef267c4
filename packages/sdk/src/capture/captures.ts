import { type AttributesGiven, canonicalPairs, encodeAttributes } from '../record/attributes.ts'
import {
  emptyCells,
  emptyRun,
  type HistogramValue,
  lengthened,
  mergeColumns,
  mergeSeries,
  valueOf,
} from './captured-cells.ts'
import type { Observers } from '../record/observers.ts'
import { attributesField, type Instrument, type Recorder } from '../record/recorder.ts'

/** What was recorded since `capture()`, or since the last `reset()` of this capture. */
export interface Capture {
  /**
   * Of a counter and an up-down counter the sum, 0 where there is none; of a gauge the last value, `undefined` where there
   * is none; of a histogram its count, sum, min, max and buckets. With attributes: of that set, as a whole, in any order;
   * `{}` is the set without any. Without attributes: of all sets together. Callbacks of observable instruments are called
   * first. Throws if there is no instrument of this name, and names those that there are.
   */
  value: (name: string, attributes?: AttributesGiven) => number | HistogramValue | undefined
  /** The same of a histogram; throws if it is none. */
  histogram: (name: string, attributes?: AttributesGiven) => HistogramValue
  /** From here on this capture counts from nothing; others, around it or within it, do not notice. */
  reset: () => void
  /** Ends it. After the last one what is recorded leaves the process again; what was captured never does. */
  restore: () => void
}

/** Everything behind this function is loaded when it is called (bundle.js). */
export function openCaptures(recorder: Recorder, observers: Observers): Captures {
  return new Captures(recorder, observers)
}

/** A stretch of time in which no capture began: what was recorded in it, in the recorder's cells. */
interface Segment {
  cells: Float64Array
}

/**
 * The captures of a recorder. While there is any, its cells are those of the last segment; those of before the first
 * capture are kept aside, and are put back as they were.
 */
export class Captures {
  #recorder: Recorder
  #observers: Observers
  #aside: Float64Array | undefined
  #segments: Segment[] = []
  /** Of each capture the segment that it begins with. */
  #starts = new Map<Capture, Segment>()

  constructor(recorder: Recorder, observers: Observers) {
    this.#recorder = recorder
    this.#observers = observers
  }

  begin(): Capture {
    const start = (): Segment => {
      const segment = this.#starts.get(capture)
      if (segment === undefined) throw new Error('swansong: this capture was restored: ask it before that')
      return segment
    }
    const capture: Capture = {
      value: (name, attributes) => this.#read(start(), name, attributes),
      histogram: (name, attributes) => {
        const value = this.#read(start(), name, attributes)
        if (typeof value === 'object') return value
        throw new Error(`swansong: '${name}' is no histogram: value('${name}') is a number`)
      },
      reset: () => {
        start()
        this.#start(capture)
      },
      restore: () => {
        if (this.#starts.delete(capture)) this.#join()
      },
    }
    this.#start(capture)
    return capture
  }

  #start(capture: Capture): void {
    const recorder = this.#recorder
    recorder.isCaptured = true
    void this.#observers.observe() // What an observed counter had come to belongs to the time before.
    if (this.#aside === undefined) this.#aside = recorder.cells
    else this.#keep()
    const segment = { cells: emptyCells(recorder.instruments, recorder.cells.length) }
    this.#segments.push(segment)
    recorder.cells = segment.cells
    this.#starts.set(capture, segment)
    this.#join()
  }

  /** Drops what no capture asks for any more, and joins what none tells apart. */
  #join(): void {
    if (this.#starts.size === 0) return this.#putBack()
    const recorder = this.#recorder
    this.#keep()
    const begun = new Set(this.#starts.values())
    const kept: Segment[] = []
    for (const segment of this.#segments) {
      const last = kept.at(-1)
      if (begun.has(segment)) kept.push(segment)
      else if (last !== undefined) {
        last.cells = lengthened(recorder.instruments, last.cells, segment.cells.length)
        mergeColumns(recorder.instruments, last.cells, segment.cells)
      }
    }
    this.#segments = kept
    recorder.cells = lengthened(recorder.instruments, (kept.at(-1) as Segment).cells, recorder.cells.length)
  }

  #putBack(): void {
    const recorder = this.#recorder
    recorder.cells = lengthened(
      recorder.instruments,
      this.#aside ?? new Float64Array(0),
      recorder.cells.length
    )
    recorder.isCaptured = false
    recorder.countdown = 1
    recorder.revision++
    this.#aside = undefined
    this.#segments = []
  }

  /** The recorder has another column after it has grown. */
  #keep(): void {
    ;(this.#segments.at(-1) as Segment).cells = this.#recorder.cells
  }

  #read(start: Segment, name: string, attributes?: AttributesGiven): number | HistogramValue | undefined {
    const instruments = this.#find(name)
    void this.#observers.observe()
    this.#keep()
    const segments = this.#segments.slice(this.#segments.indexOf(start))
    const [first] = instruments
    const total = emptyRun(first)
    for (const instrument of instruments) {
      for (const series of instrument.series) {
        if (attributes !== undefined && !isSame(series.attributes, instrument, attributes)) continue
        const run = emptyRun(instrument)
        for (const { cells } of segments) mergeSeries(instrument, run, 0, cells, series.slot)
        if (instrument.kind === 'gauge') {
          // The one that was set last; of two in one millisecond, either.
          if ((run[1] as number) >= (total[1] as number)) total.set(run)
        } else mergeSeries({ ...instrument, isObserved: false }, total, 0, run, 0)
      }
    }
    return valueOf(first, total)
  }

  /** Libraries may have instruments of one name: together they are one, if they record alike. */
  #find(name: string): [Instrument, ...Instrument[]] {
    const known = this.#recorder.instruments
    const [first, ...others] = known.filter((each) => each.name === name)
    if (first === undefined) {
      const names = [...new Set(known.map((each) => each.name))].sort().join(', ')
      throw new Error(
        `swansong: there is no instrument '${name}': ${names === '' ? 'none was made yet' : `there are ${names}`}`
      )
    }
    const unlike = others.find(
      ({ kind, bounds }) => kind !== first.kind || String(bounds) !== String(first.bounds)
    )
    if (unlike === undefined) return [first, ...others]
    throw new Error(
      `swansong: '${name}' is a ${first.kind} and a ${unlike.kind}, of other scopes or units: their values do not add`
    )
  }
}

function isSame(encoded: Uint8Array, { kind }: Instrument, attributes: AttributesGiven): boolean {
  const wanted = encodeAttributes(attributesField(kind), canonicalPairs(attributes))
  return wanted.length === encoded.length && wanted.every((byte, at) => byte === encoded[at])
}
