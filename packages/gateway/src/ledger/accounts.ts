import type { RejectionReason } from '../refusal.ts'
import { partLead, startLead, timedFlag, timeLead, type Entries } from './entries.ts'
import { isLevel, metricTypes } from './metric-types.ts'
import type { Series } from './series.ts'
import { changesGauge } from './values/gauge.ts'
import { bucketsPerSideMax } from './values/buckets.ts'
import {
  addExponential,
  combineExponentials,
  exponentialCells,
  tellExponential,
} from './values/exponential.ts'
import {
  addHistogram,
  combineHistograms,
  histogramToldCells,
  tellHistogram,
  type Outcome,
} from './values/histogram.ts'
import { eachRecord, recordAfter, Records, timedLeadCells, type Writer } from './writers.ts'

const typeMask = timedFlag - 1
/* What is told of a level: its value, and what it began at, which does not stand in the sum. */
const levelCells = 2
const baseCell = 1
/** Above it two of them might be more than a double can have. */
const hugeMin = 1e300

/** How a checkpoint of a journal is taken. */
export interface Telling {
  /** False where it is only noted, as where counting begins. */
  counts: boolean
  /** The writer is gone: what it held of levels is taken out. */
  final: boolean
  /** False where there is no room to remember more of it: series that it had not told of are rejected. */
  mayGrow: boolean
  /** Something that it told was forgotten: totals that it is not known to have told begin at what they are. */
  hasForgotten: boolean
}

/** Adds what a body's entries say to the series, and keeps what their writers told beside it. */
export class Accounts {
  /** Of the body that was added last: points that counted, and running totals that were no news. */
  points = 0
  old = 0
  /** Points that were added to overflow series in this group, by series. */
  readonly overflowed: Map<number, number> = new Map()
  readonly #series: Series
  readonly #records: Records

  constructor(series: Series) {
    this.#series = series
    this.#records = new Records((id) => series.streamOf(id))
  }

  /** Adds all entries but running totals. `reject` is told of those that turn out not to fit. */
  post(entries: Entries, reject: (reason: RejectionReason, series: number) => void): void {
    const { count, series, kinds, values } = entries
    const { pages } = this.#series
    const mayOverflow = this.#series.overflows.size > 0
    this.points = 0
    this.old = 0
    for (let at = 0; at < count; at++) {
      const id = series[at] as number
      const kind = kinds[at] as number
      if (kind <= metricTypes.upDownCounter) {
        pages.add(this.#series.slotOf(id), values[at] as number)
        this.points++
        if (mayOverflow) this.#noteOverflow(id)
      } else if (kind < timedFlag) {
        const outcome = this.#addOther(id, kind, entries.cells, values[at] as number)
        if (outcome === 'added' || outcome === 'same') {
          this.points++
          if (mayOverflow) this.#noteOverflow(id)
        } else reject(outcome, id)
      }
    }
  }

  /** Adds what a journal tells more than before; returns its records as they are now. */
  tellJournal(
    entries: Entries,
    before: Writer | undefined,
    telling: Telling,
    reject: (reason: RejectionReason, series: number) => void
  ): Float64Array {
    return this.#tellJournal(entries, before, telling, false, reject)
  }

  /** Notes what a journal begins at, and adds nothing. */
  noteJournal(entries: Entries, reject: (reason: RejectionReason, series: number) => void): Float64Array {
    const telling = { counts: false, final: false, mayGrow: true, hasForgotten: false }
    return this.#tellJournal(entries, undefined, telling, true, reject)
  }

  #tellJournal(
    entries: Entries,
    before: Writer | undefined,
    telling: Telling,
    onlyNoted: boolean,
    reject: (reason: RejectionReason, series: number) => void
  ): Float64Array {
    const records = this.#records
    this.points = 0
    this.old = 0
    if (before === undefined || !tellsInOrder(entries, before.records)) this.#combine(entries, reject)
    records.open(before)
    const { count, series, kinds, values, cells } = entries
    for (let at = 0; at < count; at++) {
      const id = series[at] as number
      const kind = kinds[at] as number
      if (kind === 0) continue
      const part = entries.partOf(at)
      let outcome: Outcome
      if (isGauge(kind)) {
        if (onlyNoted) continue
        outcome = this.#addOther(id, kind, cells, values[at] as number)
      } else {
        if (telling.final && isLevel(kind)) continue
        const record = this.#recordOf(id, part, kind)
        if (record < 0 && !telling.mayGrow) outcome = 'TOTALS_FULL'
        else if (isLevel(kind)) {
          const to = record < 0 ? records.append(id, part, levelCells) : record
          outcome = this.#tellLevel(id, to, values[at] as number, onlyNoted)
        } else outcome = this.#tellTotal(id, part, record, kind, cells, values[at] as number, telling)
      }
      this.#count(outcome, id, reject)
    }
    if (telling.final && before !== undefined) this.takeOut(before.records, 0)
    return records.finish()
  }

  /** The same for the running totals of a writer that is no journal, by its number in `entries`. */
  tellTimed(
    entries: Entries,
    writer: number,
    before: Writer | undefined,
    horizonUnixNano: number,
    mayGrow: boolean,
    reject: (reason: RejectionReason, series: number) => void
  ): Float64Array {
    const records = this.#records
    this.points = 0
    this.old = 0
    records.open(before)
    const { series, kinds, values, next } = entries
    for (let at = entries.first[writer] as number; at >= 0; at = next[at] as number) {
      const id = series[at] as number
      const kind = (kinds[at] as number) & typeMask
      const outcome = this.#tellTimed(id, kind, entries.cells, values[at] as number, horizonUnixNano, mayGrow)
      this.#count(outcome, id, reject)
    }
    return records.finish()
  }

  /** Takes what a writer holds of levels out of their series. `lead`: what stands before the value in a record. */
  takeOut(records: Float64Array, lead: number): void {
    const { metrics, pages } = this.#series
    eachRecord(records, (series, at) => {
      const metric = metrics.metrics[this.#series.metricOf(series)]
      const value = (records[at + lead] as number) - (records[at + lead + baseCell] as number)
      if (metric !== undefined && isLevel(metric.type) && value !== 0)
        pages.add(this.#series.slotOf(series), -value)
    })
  }

  /** The records of a writer that fell silent: it holds nothing of levels. */
  silenced(records: Float64Array): Float64Array {
    const { metrics } = this.#series
    const silent = records.slice()
    eachRecord(records, (series, at) => {
      const metric = metrics.metrics[this.#series.metricOf(series)]
      if (metric !== undefined && isLevel(metric.type))
        silent.fill(0, at + timedLeadCells, at + timedLeadCells + levelCells)
    })
    return silent
  }

  #addOther(id: number, kind: number, cells: Float64Array, at: number): Outcome {
    const { pages, bounds } = this.#series
    const slot = this.#series.slotOf(id)
    if (kind === metricTypes.histogram) return addHistogram(pages, bounds, slot, cells, at)
    if (kind === metricTypes.exponentialHistogram) {
      if (!this.#series.hasRoom(2 * bucketsPerSideMax)) return 'BUCKETS_FULL'
      return addExponential(pages, slot, cells, at)
    }
    const value = cells[at] as number
    const timeUnixNano = cells[at + 1] as number
    if (!changesGauge(kind, pages.slotsOf(slot), pages.offsetOf(slot), value, timeUnixNano)) return 'same'
    const slots = pages.touch(slot)
    const offset = pages.offsetOf(slot)
    if (timeUnixNano > 0) slots[offset] = value
    slots[offset + 1] = timeUnixNano
    return 'added'
  }

  #tellTotal(
    id: number,
    part: number,
    at: number,
    kind: number,
    cells: Float64Array,
    value: number,
    telling: Telling
  ): Outcome {
    const records = this.#records
    const fresh = at < 0
    const counts = telling.counts && !(fresh && telling.hasForgotten)
    if (kind === metricTypes.counter) {
      if (fresh) at = records.append(id, part, 1)
      return this.#tellCounter(id, at, value, fresh, counts)
    }
    const cellCount = this.#toldCells(kind, cells, value)
    at = fresh ? records.append(id, part, cellCount) : records.enlarged(id, part, at, cellCount)
    const outcome = this.#tellDistribution(id, kind, cells, value, at, fresh, counts)
    if (fresh && outcome !== 'added' && outcome !== 'same') records.drop(id, part, at)
    return outcome
  }

  /** What a point of a histogram of either kind tells, beside what was told at `to` in the records. */
  #tellDistribution(
    id: number,
    kind: number,
    cells: Float64Array,
    at: number,
    to: number,
    fresh: boolean,
    counts: boolean
  ): Outcome {
    const { bounds, pages } = this.#series
    const told = this.#records.cells
    const slot = this.#series.slotOf(id)
    if (kind === metricTypes.histogram)
      return tellHistogram(pages, bounds, slot, cells, at, told, to, fresh, counts)
    if (!this.#series.hasRoom(2 * bucketsPerSideMax)) return 'BUCKETS_FULL'
    const outcome = tellExponential(pages, slot, cells, at, told, to, fresh, counts)
    if (outcome === 'added' || outcome === 'same') {
      const end = at + exponentialCells(cells, at)
      for (let from = at, into = to; from < end;) told[into++] = cells[from++] as number
    }
    return outcome
  }

  #tellTimed(
    id: number,
    kind: number,
    cells: Float64Array,
    at: number,
    horizonUnixNano: number,
    mayGrow: boolean
  ): Outcome {
    const records = this.#records
    const startUnixNano = cells[at - startLead] as number
    const timeUnixNano = cells[at - timeLead] as number
    const part = cells[at - partLead] as number
    const cellCount = timedLeadCells + this.#toldCells(kind, cells, at)
    let record = records.find(id, part)
    const isNew = record < 0
    if (records.movedFrom >= 0 && isLevel(kind))
      this.#moveLevel(records.movedFrom, id, record + timedLeadCells)
    if (isNew && !mayGrow) return 'TOTALS_FULL'
    record = isNew ? records.append(id, part, cellCount) : records.enlarged(id, part, record, cellCount)
    const told = records.cells
    const isLate = !isNew && timeUnixNano <= (told[record + 1] as number)
    const isEarlier = !isLevel(kind) && startUnixNano < (told[record] as number)
    if (isLate || (!isNew && isEarlier)) {
      this.old++
      return 'same'
    }
    const fresh = isNew || startUnixNano > (told[record] as number)
    const counts = !fresh || startUnixNano > horizonUnixNano
    const value = record + timedLeadCells
    let outcome: Outcome
    if (isLevel(kind)) outcome = this.#tellLevel(id, value, cells[at] as number, false)
    else if (kind === metricTypes.counter)
      outcome = this.#tellCounter(id, value, cells[at] as number, fresh, counts)
    else outcome = this.#tellDistribution(id, kind, cells, at, value, fresh, counts)
    if (outcome === 'added' || outcome === 'same') {
      told[record] = startUnixNano
      told[record + 1] = timeUnixNano
    } else if (isNew) records.drop(id, part, record)
    return outcome
  }

  #tellCounter(id: number, at: number, value: number, fresh: boolean, counts: boolean): Outcome {
    const told = this.#records.cells
    const before = fresh ? 0 : (told[at] as number)
    if (value < before) return 'TOTAL_WENT_DOWN' // What was counted stays what the next total is compared with.
    told[at] = value
    if (!counts || value === before) return 'same'
    this.#replace(id, before, value)
    return 'added'
  }

  #tellLevel(id: number, at: number, value: number, onlyNoted: boolean): Outcome {
    const told = this.#records.cells
    if (onlyNoted) {
      told[at] = told[at + baseCell] = value
      return 'same'
    }
    const base = told[at + baseCell] as number
    const before = (told[at] as number) - base
    told[at] = value
    if (value - base === before) return 'same'
    this.#replace(id, before, value - base)
    return 'added'
  }

  /** Takes out what a writer has had in a sum and puts in what it has. Of fractions a difference would not be exact. */
  #replace(id: number, before: number, value: number): void {
    const { pages } = this.#series
    const slot = this.#series.slotOf(id)
    const isExact = Number.isSafeInteger(value) && Number.isSafeInteger(before)
    if (before === 0 || isExact || Math.abs(value) > hugeMin) return pages.add(slot, value - before)
    pages.add(slot, value)
    pages.add(slot, -before)
  }

  /** Where a journal's record of a stream is, or -1. What it holds of a level comes along from the series it was told for. */
  #recordOf(id: number, part: number, kind: number): number {
    const records = this.#records
    const at = records.find(id, part)
    if (at >= 0 && records.movedFrom >= 0 && isLevel(kind)) this.#moveLevel(records.movedFrom, id, at)
    return at
  }

  /** What a writer holds of a level goes with its stream to another series: rules have changed. */
  #moveLevel(from: number, to: number, at: number): void {
    const told = this.#records.cells
    const { pages } = this.#series
    const value = (told[at] as number) - (told[at + baseCell] as number)
    if (value === 0) return
    pages.add(this.#series.slotOf(from), -value)
    pages.add(this.#series.slotOf(to), value)
  }

  /** How many cells are told of a point whose own begin at `at`. */
  #toldCells(kind: number, cells: Float64Array, at: number): number {
    if (kind === metricTypes.counter) return 1
    if (isLevel(kind)) return levelCells
    if (kind === metricTypes.exponentialHistogram) return exponentialCells(cells, at)
    return histogramToldCells((this.#series.bounds.sets[cells[at] as number] as Float64Array).length + 1)
  }

  #count(outcome: Outcome, id: number, reject: (reason: RejectionReason, series: number) => void): void {
    if (outcome === 'added') {
      this.points++
      this.#noteOverflow(id)
    } else if (outcome !== 'same') reject(outcome, id)
  }

  #noteOverflow(id: number): void {
    if (this.#series.overflows.has(id)) this.overflowed.set(id, (this.overflowed.get(id) ?? 0) + 1)
  }

  /** Points of one stream (two orders of the same attributes) become one, their sum. */
  #combine(entries: Entries, reject: (reason: RejectionReason, series: number) => void): void {
    const { count, series, kinds, values } = entries
    const first = new Map<number, number>() // By the part where there is one: it is no series' id.
    for (let at = 0; at < count; at++) {
      const id = series[at] as number
      const kind = kinds[at] as number
      if (isGauge(kind)) continue
      const stream = entries.partOf(at) || id
      const known = first.get(stream)
      if (known === undefined) {
        first.set(stream, at)
        continue
      }
      kinds[at] = 0
      if (kind === metricTypes.histogram) {
        if (
          !combineHistograms(
            entries.cells,
            values[known] as number,
            values[at] as number,
            this.#series.bounds
          )
        )
          reject('BOUNDS_DIFFER', id)
      } else if (kind === metricTypes.exponentialHistogram)
        values[known] = combineExponentials(entries, values[known] as number, values[at] as number)
      else values[known] = (values[known] as number) + (values[at] as number)
    }
  }
}

/** Whether a journal tells what it told before, in the same order: then no stream is told twice. */
function tellsInOrder(entries: Entries, told: Float64Array): boolean {
  const { count, series, kinds } = entries
  let next = 0
  for (let at = 0; at < count && next >= 0; at++)
    if (!isGauge(kinds[at] as number))
      next = recordAfter(told, next, series[at] as number, entries.partOf(at))
  return next >= 0
}

function isGauge(kind: number): boolean {
  return kind === metricTypes.gauge || kind === metricTypes.gaugeMin || kind === metricTypes.gaugeMax
}
