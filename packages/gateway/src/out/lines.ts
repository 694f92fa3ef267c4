import {
  readAttributes,
  readScope,
  readString,
  resourceAttributesField,
  type Attribute,
} from '@swansong/otlp'
import { ByteIndex } from '../ledger/byte-index.ts'
import { claimedName, conflictOf, shownType } from '../ledger/families.ts'
import { isLegacyName, unitSuffix } from '../ledger/family-names.ts'
import { identityType, isGaugeType, isLevel, metricTypes, type MetricType } from '../ledger/metric-types.ts'
import type { Metric } from '../ledger/metrics.ts'
import type { FamilyType } from '../ledger/pushed/family.ts'
import type { Series } from '../ledger/series.ts'
import { changesGauge } from '../ledger/values/gauge.ts'
import { escapedValue, labelsOf, labelsText, metricLabels } from './names.ts'
import { namingOf, type Naming } from './naming.ts'
import type { Escaping } from './negotiation.ts'

/** One exposed name with its lines. */
export interface Family {
  /** Counts up from 1. Under it the lines of a histogram are in the index, whose key is the labels alone. */
  number: number
  type: MetricType
  /** A gauge whose sender says that nobody knows what kind it is (CONFORMANCE D15). */
  isUnknown: boolean
  name: string
  description: string
  /** Its unit in words, as `bytes_per_second`; empty where it has none. */
  unit: string
  /** Its lines, by number: the first `count`. */
  lines: Int32Array
  count: number
}

/** What the series of a metric share. */
interface Shared {
  /** undefined: it is not shown, as a metric of another kind has its name. */
  family: Family | undefined
  resource: number
  labels: ReadonlyMap<string, string>
}

/**
 * Which lines the series are, in every format that has the same names. What a line is called is rendered once, when its
 * series is born. Series whose names and labels are equal after translation are one line, their sum (CONFORMANCE D8).
 */
export class Lines {
  readonly series: Series
  /**
   * Name, labels in braces and a space → line, under 0; of histograms the labels under their family's number. The entries
   * are the lines: both count up together.
   */
  readonly index: ByteIndex = new ByteIndex()
  /** How often lines were taken out: their numbers, and places in families, may be others since. */
  endCount = 0
  readonly #shared: (Shared | undefined)[] = [] // By the metric's id.
  readonly #families = new Map<string, Family>()
  /** Those that were replaced included. */
  #familyCount = 0
  #first: Int32Array = new Int32Array(64) // Line → its first series, -1 where it is over.
  readonly #more = new Map<number, number[]>() // Line → its further series.
  #lineOf: Int32Array = new Int32Array(64) // Series → its line, -1 where it has none.
  #changeCount = 0
  readonly #naming: Naming
  readonly #onHidden: OnHidden
  /** Series below have their lines. */
  #builtEnd = 0
  /** How many series there are of a resource. */
  readonly #seriesOfResource: number[] = []

  /** Has no lines until `build` was called. */
  constructor(series: Series, escaping: Escaping, onHidden: OnHidden) {
    this.series = series
    this.#naming = namingOf(series.metrics.strategy, escaping)
    this.#onHidden = onHidden
  }

  /** Names up to so many series that were there before; true when all are named. */
  build(countMax: number): boolean {
    const { series } = this
    const end = Math.min(this.#builtEnd + countMax, series.idEnd)
    for (; this.#builtEnd < end; this.#builtEnd++)
      if (series.isLive(this.#builtEnd)) this.#name(this.#builtEnd)
    if (end < series.idEnd) return false
    this.#builtEnd = Infinity
    this.keepUp([])
    return true
  }

  /** The labels of a series, by name. */
  labelsOf(series: number): ReadonlyMap<string, string> {
    const attributes = this.series.attributesOf(series)
    const shared = this.#sharedOf(this.series.metricOf(series)).labels
    return labelsOf(
      this.#naming,
      this.series.typeOf(series),
      shared,
      readAttributes(attributes, 0, attributes.length)
    )
  }

  /** Of each resource that has series: `job`, and what else is kept of it, by the names of labels. */
  resources(): ReadonlyMap<string, string>[] {
    const found: ReadonlyMap<string, string>[] = []
    for (const [id, count] of this.#seriesOfResource.entries()) {
      const resource = this.series.metrics.resources[id]
      if (count > 0 && resource !== undefined)
        found.push(metricLabels(this.#naming, attributesOf(resource), noScope))
    }
    return found
  }

  families(): IterableIterator<Family> {
    return this.#families.values()
  }

  /** Whether a line of a name has these labels, as `labelsText` writes them; of histograms, whether one has. */
  has(name: string, inner: string): boolean {
    const family = this.#families.get(name)
    if (family === undefined || family.count === 0) return false
    const { parent, text } = keyOf(family, inner)
    return this.index.find(parent, text, 0, text.length) >= 0
  }

  /** As which type a name is shown; undefined where it has no lines. */
  shownTypeOf(name: string): FamilyType | undefined {
    const type = this.#typeOfShown(name)
    return type === undefined ? undefined : shownType(type)
  }

  #typeOfShown(name: string): MetricType | undefined {
    const family = this.#families.get(name)
    return family === undefined || family.count === 0 ? undefined : family.type
  }

  /** The first series of a line. */
  firstOf(line: number): number {
    return this.#first[line] as number
  }

  /** The others that are one line with it; undefined where it is the only one. */
  moreOf(line: number): readonly number[] | undefined {
    return this.#more.get(line)
  }

  /** Whether some lines are of several series. */
  get hasMerged(): boolean {
    return this.#more.size > 0
  }

  /** Whether scrapers are shown it at 0: all of its series are held. What joins a line that they know is an increase of it. */
  isHeld(line: number): boolean {
    const { held } = this.series
    if (!held.has(this.firstOf(line))) return false
    return (this.#more.get(line) ?? []).every((series) => held.has(series))
  }

  /** Renders the names of what was born. To be called after each commit, so that no scrape pays for it. */
  keepUp(born: readonly number[]): void {
    for (const series of born) if (series < this.#builtEnd) this.#name(series)
    const { metrics, changeCount } = this.series.metrics
    if (changeCount === this.#changeCount) return
    this.#changeCount = changeCount
    for (const [id, shared] of this.#shared.entries()) {
      const metric = metrics[id]
      if (shared?.family === undefined || metric === undefined || !this.series.metrics.hasSeries(id)) continue
      shared.family.type = metric.type
      if (metric.isUnknown === true) shared.family.isUnknown = true
      describe(shared.family, metric.description)
    }
  }

  /** Of idle series (1 at their id) those of whose line all are idle: whole lines, until there are so many. */
  endable(idle: Uint8Array, countMax: number): number[] {
    const isBusy = new Uint8Array(this.index.count)
    for (let id = 0; id < this.series.idEnd; id++)
      if (idle[id] === 0 && this.series.isLive(id)) isBusy[this.#lineOf[id] as number] = 1
    const isChosen = new Uint8Array(this.index.count)
    const chosen: number[] = []
    for (let id = 0; id < idle.length; id++) {
      const line = this.#lineOf[id] as number
      const isOneMore = line < 0 || isChosen[line] === 0
      if (idle[id] === 0 || isBusy[line] === 1 || (chosen.length >= countMax && isOneMore)) continue
      isChosen[line] = 1
      chosen.push(id)
    }
    return chosen
  }

  /** Takes out the lines of series that are over. */
  end(ended: readonly number[]): void {
    for (const series of ended) {
      if (series >= this.#builtEnd) continue
      const { resource } = this.#sharedOf(this.series.metricOf(series))
      this.#seriesOfResource[resource] = (this.#seriesOfResource[resource] ?? 0) - 1
      const line = this.#lineOf[series] as number
      this.#lineOf[series] = -1
      if (line < 0 || this.#first[line] === -1) continue // Not shown; or another one of its series came before.
      this.#first[line] = -1
      this.#more.delete(line)
      this.index.remove(line)
    }
    const isOver = (line: number): boolean => this.#first[line] === -1
    for (const family of this.#families.values()) family.count = without(family.lines, family.count, isOver)
    if (this.index.removed > this.index.count / 2) this.#compact()
    this.endCount++
  }

  /** The value of a line of several numbers: their sum, or what the gauge's policy says of them. */
  merged(type: MetricType, line: number): number {
    const { pages } = this.series
    const isGauge = isKeptGauge(type)
    let kept = this.series.slotOf(this.firstOf(line))
    let value = pages.value(kept)
    for (const series of this.#more.get(line) ?? []) {
      const slot = this.series.slotOf(series)
      const other = pages.value(slot)
      const slots = pages.slotsOf(kept)
      if (!isGauge) value += other
      else if (pages.value(slot + 1) < 0) continue
      else if (
        pages.value(kept + 1) < 0 ||
        changesGauge(type, slots, pages.offsetOf(kept), other, pages.value(slot + 1))
      ) {
        kept = slot
        value = other
      }
    }
    return value
  }

  /** Whether all gauges of a line were ended by their senders (CONFORMANCE B16). */
  isGone(line: number): boolean {
    if (!this.#isEnded(this.firstOf(line))) return false
    return (this.#more.get(line) ?? []).every((series) => this.#isEnded(series))
  }

  #isEnded(series: number): boolean {
    return this.series.pages.value(this.series.slotOf(series) + 1) < 0
  }

  /** Gives back what lines took that are over: the others get other numbers. */
  #compact(): void {
    const places = this.index.compact(true)
    const first = new Int32Array(Math.max(64, this.index.count))
    const more = [...this.#more]
    this.#more.clear()
    for (const [line, place] of places.entries()) if (place >= 0) first[place] = this.#first[line] as number
    for (const [line, others] of more) this.#more.set(places[line] as number, others)
    for (const { lines, count } of this.#families.values())
      for (let at = 0; at < count; at++) lines[at] = places[lines[at] as number] as number
    for (let id = 0; id < this.series.idEnd; id++)
      if ((this.#lineOf[id] as number) >= 0) this.#lineOf[id] = places[this.#lineOf[id] as number] as number
    this.#first = first
  }

  #name(series: number): void {
    const { family, resource } = this.#sharedOf(this.series.metricOf(series))
    while (series >= this.#lineOf.length) this.#lineOf = grown(this.#lineOf)
    this.#lineOf[series] = -1
    this.#seriesOfResource[resource] = (this.#seriesOfResource[resource] ?? 0) + 1
    if (family === undefined) return
    const inner = labelsText(this.labelsOf(series))
    const { parent, text } = keyOf(family, inner)
    const known = this.index.find(parent, text, 0, text.length)
    if (known === -1) this.#addLine(family, parent, text, series)
    else this.#more.set(known, [...(this.#more.get(known) ?? []), series])
    this.#lineOf[series] = known === -1 ? this.index.count - 1 : known
  }

  /** What the series of a metric share, rendered once. */
  #sharedOf(id: number): Shared {
    const known = this.#shared[id]
    if (known !== undefined && this.#isCurrent(known.family)) return known
    const { metrics } = this.series
    const metric = metrics.metrics[id]
    const scopeRow = metrics.scopes[metric?.scope ?? -1]
    const resource = metrics.resources[scopeRow?.resource ?? -1]
    if (metric === undefined || scopeRow === undefined || resource === undefined) {
      throw new Error(`BUG: metric ${id} has no scope or resource`)
    }
    const labels = metricLabels(this.#naming, attributesOf(resource), {
      ...readScope(scopeRow.scope, 0, scopeRow.scope.length),
      schemaUrl: readString(scopeRow.schemaUrl),
    })
    const shared = { family: this.#family(metric), resource: scopeRow.resource, labels }
    this.#shared[id] = shared
    return shared
  }

  /** Whether a family was not replaced: by one of another type, when all of its lines were over. */
  #isCurrent(family: Family | undefined): boolean {
    return family === undefined || this.#families.get(family.name) === family
  }

  #addLine(family: Family, parent: number, text: Uint8Array, series: number): void {
    const line = this.index.count
    this.index.insert(parent, text, 0, text.length, line)
    if (line === this.#first.length) this.#first = grown(this.#first)
    this.#first[line] = series
    if (family.count === family.lines.length) family.lines = grown(family.lines)
    family.lines[family.count++] = line
  }

  /**
   * The family that a metric is of; undefined where it is of another kind than what has its name (CONFORMANCE D9). Of several
   * descriptions the longer is kept (B17).
   */
  #family({ type, name, unit, description, isUnknown = false }: Metric): Family | undefined {
    const shown = this.#naming.familyName(type, name, unit)
    const other = conflictOf(identityType(type), claimedName(type, shown), (claimed) => this.#typeOf(claimed))
    if (other !== undefined) {
      this.#onHidden(name, other)
      return undefined
    }
    let family = this.#families.get(shown)
    if (family === undefined || (family.count === 0 && family.type !== type)) {
      const number = ++this.#familyCount
      const lines = new Int32Array(4)
      family = { number, type, isUnknown, name: shown, description, unit: '', lines, count: 0 }
      this.#families.set(shown, family)
    } else describe(family, description)
    if (isUnknown) family.isUnknown = true
    if (family.unit === '') family.unit = unitSuffix(unit)
    return family
  }

  #typeOf(claimed: string): MetricType | undefined {
    for (const name of [claimed, `${claimed}_total`]) {
      const type = this.#typeOfShown(name)
      if (type !== undefined && claimedName(type, name) === claimed) return identityType(type)
    }
    return undefined
  }
}

/** Where a line is in the index. */
function keyOf({ type, number, name }: Family, inner: string): { parent: number; text: Uint8Array } {
  if (isHistogram(type)) return { parent: number, text: encoder.encode(inner) }
  return { parent: 0, text: encoder.encode(sampleName(name, inner)) }
}

/** Told of a metric that is not shown, by its own name, and what has its name. */
export type OnHidden = (metric: string, other: string) => void

/** What a line begins with, in front of its value. A name that Prometheus did not always take stands in the braces. */
export function sampleName(name: string, labels: string): string {
  if (!isLegacyName(name)) return `{"${escapedValue(name)}"${labels === '' ? '' : `,${labels}`}} `
  return labels === '' ? `${name} ` : `${name}{${labels}} `
}

function attributesOf(resource: Uint8Array): Attribute[] {
  return readAttributes(resource, 0, resource.length, resourceAttributesField)
}

const noScope = { name: '', version: '', schemaUrl: '', attributes: [] }

export function isHistogram(type: MetricType): boolean {
  return type === metricTypes.histogram || type === metricTypes.exponentialHistogram
}

/** A gauge of which one value is kept, with its time. */
export function isKeptGauge(type: MetricType): boolean {
  return isGaugeType(type) && !isLevel(type)
}

/** Moves together those of the first `count` numbers that are not to go; returns how many they are. */
function without(numbers: Int32Array, count: number, goes: (number: number) => boolean): number {
  let kept = 0
  for (let at = 0; at < count; at++) if (!goes(numbers[at] as number)) numbers[kept++] = numbers[at] as number
  return kept
}

function describe(family: Family, description: string): void {
  if (description.length > family.description.length) family.description = description
}

function grown(numbers: Int32Array): Int32Array {
  const larger = new Int32Array(Math.ceil(numbers.length * 1.5))
  larger.set(numbers)
  return larger
}

const encoder = new TextEncoder()
