import { readAttributes, readScope, readString, resourceAttributesField } from '@swansong/otlp'
import { claimedName, conflictOf } from '../../ledger/families.ts'
import { identityType, metricTypes, type MetricType } from '../../ledger/metric-types.ts'
import type { Metric } from '../../ledger/metrics.ts'
import type { Series } from '../../ledger/series.ts'
import { isHistogram } from '../lines.ts'
import { labelsOf, metricLabels } from '../names.ts'
import { namingOf, type Naming } from '../naming.ts'
import { Interned } from './interned.ts'
import { LineValues } from './line-values.ts'
import { Symbols } from './symbols.ts'

/** One name, and what is said of it. */
export interface Family {
  name: string
  type: MetricType
  description: string
  /** What metadata calls its type. */
  metadata: number
  /** Symbols: what is said of it, and its unit, -1 where it has none … */
  help: number
  unit: number
  /** … the name; of a histogram that of its buckets, of its sum and of its count. */
  plain: number
  bucket: number
  sum: number
  count: number
  /** How many lines it has. */
  lines: number
}

/** A line that is over: it is to be told once more, as stale. */
export interface EndedLine {
  line: number
  family: Family
  /** Of a histogram, as it was shown. */
  bounds: readonly number[]
}

interface MetricLabels {
  /** -1: it is not told, as a metric of another kind has its name (CONFORMANCE D9). */
  family: number
  labels: ReadonlyMap<string, string>
}

/**
 * The lines that are written to receivers: each a name and labels, with the series whose sum it is. Labels are kept as
 * numbers of symbols, sorted, the external ones among them; `__name__` and `le` are put in when they are written.
 * What is born is named in slices, when it is to be written (`nameSome`), so that no batch waits for it.
 */
export class RemoteLines {
  readonly symbols: Symbols = new Symbols()
  readonly values: LineValues
  readonly families: Family[] = []
  /** Line → its first series, -1 where it is over. */
  #first: Int32Array = new Int32Array(64)
  readonly #more = new Map<number, number[]>()
  readonly #lines = new Interned()
  readonly #ended: EndedLine[] = []
  readonly #series: Series
  readonly #naming: Naming
  readonly #external: readonly (readonly [string, string])[]
  readonly #metrics: (MetricLabels | undefined)[] = []
  readonly #familyOf = new Map<string, number>()
  #lineOf: Int32Array = new Int32Array(64) // Series → its line, -1 where it has none.
  #key: Uint32Array = new Uint32Array(64)
  #keyBytes: Uint8Array = new Uint8Array(this.#key.buffer)
  /** By line, how many of its ends are not told yet. */
  readonly #endsUntold = new Map<number, number>()
  #metricsChangeCount = 0
  /** Series up to here were named, those that were there at the start. */
  #named = 0
  readonly #atStart: number
  #born: number[] = []
  #bornNamed = 0

  constructor(series: Series, externalLabels: Readonly<Record<string, string>>) {
    this.#series = series
    this.#naming = namingOf(series.metrics.strategy, 'underscores') // All receivers know these characters (F3).
    this.#external = Object.entries(externalLabels)
    this.#atStart = series.idEnd
    this.values = new LineValues(series)
    this.#lineOf.fill(-1)
  }

  /** Lines are numbered below. */
  get end(): number {
    return this.#lines.end
  }

  /** These series were born. */
  keepUp(born: readonly number[]): void {
    for (const id of born) this.#born.push(id)
  }

  /** How many are not over. */
  count = 0
  /** How often one began or ended. */
  changeCount = 0

  hasFamily(name: string): boolean {
    return this.#familyOf.has(name)
  }

  /** Whether a line of a family that is not over has these labels, in the order of their names. Not while a request is written. */
  has(name: string, labels: readonly (readonly [string, string])[]): boolean {
    const family = this.#familyOf.get(name)
    if (family === undefined) return false
    const length = this.#holdKey(labels)
    const line = this.#lines.find(family, this.#keyBytes, length)
    this.#releaseSymbols(length / 4)
    return line >= 0 && this.isLive(line)
  }

  /** Whether those series were named that were there at the start. */
  get hasNamedKnown(): boolean {
    return this.#named >= this.#atStart
  }

  /** Names some of what was born; true where there is more. Not while a request is written. */
  nameSome(countMax: number): boolean {
    this.#describe()
    this.symbols.trim()
    let count = 0
    if (!this.hasNamedKnown) {
      while (!this.hasNamedKnown && count++ < countMax) this.#nameIfNew(this.#named++)
      return true
    }
    while (this.#bornNamed < this.#born.length && count++ < countMax)
      this.#nameIfNew(this.#born[this.#bornNamed++] as number)
    if (this.#bornNamed < this.#born.length) return true
    this.#born = []
    this.#bornNamed = 0
    return false
  }

  /** These series are over; their values can still be read. */
  endSeries(ended: readonly number[]): void {
    const over: number[] = []
    for (const series of ended) {
      const line = series < this.#lineOf.length ? (this.#lineOf[series] as number) : -1
      if (line < 0) continue
      this.#lineOf[series] = -1
      over.push(line)
    }
    const gone = new Set(ended)
    for (const line of new Set(over)) this.#leave(line, gone)
  }

  isLive(line: number): boolean {
    return (this.#first[line] as number) >= 0
  }

  firstOf(line: number): number {
    return this.#first[line] as number
  }

  moreOf(line: number): readonly number[] {
    return this.#more.get(line) ?? none
  }

  familyOf(line: number): Family {
    return this.families[this.#lines.parentOf(line)] as Family
  }

  /** Unix milliseconds: when the first of its series began. */
  startOf(line: number): number {
    const { lives } = this.#series
    let start = lives.startOf(this.firstOf(line))
    for (const series of this.moreOf(line)) start = Math.min(start, lives.startOf(series))
    return start
  }

  /** Copies the symbols of a line's labels, name by value; returns how many they are. */
  copyLabels(line: number, into: DataView): number {
    return this.#lines.copy(line, into, 0) / 4
  }

  /** How many symbols that is at most, with a name and a bound. */
  labelCountOf(line: number): number {
    return this.#lines.lengthOf(line) / 4 + 4
  }

  /** Lines that ended, oldest first, until it was told that they did. Some of them may have begun anew. */
  get ended(): readonly EndedLine[] {
    return this.#ended
  }

  /** It was told that the first so many of them ended. Not while a request is written. */
  forgetEnded(count: number): void {
    for (const { line } of this.#ended.splice(0, count)) {
      const untold = (this.#endsUntold.get(line) as number) - 1
      if (untold > 0) this.#endsUntold.set(line, untold)
      else this.#endsUntold.delete(line)
      if (untold === 0 && !this.isLive(line)) this.#release(line) // Otherwise it has begun anew.
    }
  }

  #leave(line: number, gone: ReadonlySet<number>): void {
    const members = [this.firstOf(line), ...this.moreOf(line)]
    const left = members.filter((series) => !gone.has(series))
    const family = this.familyOf(line)
    if (left.length === 0) {
      const bounds = this.#boundsOf(line, family.type)
      this.#ended.push({ line, family, bounds })
      this.count--
      family.lines--
      this.changeCount++
      this.#endsUntold.set(line, (this.#endsUntold.get(line) ?? 0) + 1)
    }
    this.#first[line] = left[0] ?? -1
    if (left.length > 1) this.#more.set(line, left.slice(1))
    else this.#more.delete(line)
  }

  #boundsOf(line: number, type: MetricType): number[] {
    const [first, more] = [this.firstOf(line), this.moreOf(line)]
    if (type === metricTypes.histogram) this.values.histogram(first, more)
    else if (type === metricTypes.exponentialHistogram) this.values.exponentialBuckets(first, more)
    else return []
    return [...this.values.bounds.subarray(0, this.values.boundCount)]
  }

  #nameIfNew(series: number): void {
    while (series >= this.#lineOf.length) {
      const before = this.#lineOf.length
      this.#lineOf = grown(this.#lineOf, series)
      this.#lineOf.fill(-1, before)
    }
    // It may be over by now, and its id another's, who is named in its place.
    if (series >= this.#series.idEnd || !this.#series.isLive(series) || this.#lineOf[series] !== -1) return
    const { family, labels } = this.#metric(this.#series.metricOf(series))
    if (family < 0) return
    const attributes = this.#series.attributesOf(series)
    const all = labelsOf(
      this.#naming,
      this.#series.typeOf(series),
      labels,
      readAttributes(attributes, 0, attributes.length)
    )
    const length = this.#holdKey(this.#withExternal(all))
    const known = this.#lines.find(family, this.#keyBytes, length)
    const line = known >= 0 ? known : this.#lines.hold(family, this.#keyBytes, length)
    this.#lineOf[series] = line
    if (known >= 0) this.#releaseSymbols(length / 4)
    if (line >= this.#first.length) this.#first = grown(this.#first, line)
    if (known >= 0 && this.isLive(line)) this.#more.set(line, [...this.moreOf(line), series])
    else {
      this.#first[line] = series
      this.count++
      ;(this.families[family] as Family).lines++
      this.changeCount++
    }
  }

  /** A label that is there already is not overwritten, as Prometheus has it. */
  #withExternal(labels: ReadonlyMap<string, string>): (readonly [string, string])[] {
    const external = this.#external.filter(([name]) => !labels.has(name))
    return [...labels, ...external].toSorted(([a], [b]) => (a < b ? -1 : 1))
  }

  /** Writes the key of a line; returns its bytes. Its symbols are held. */
  #holdKey(labels: readonly (readonly [string, string])[]): number {
    if (labels.length * 2 > this.#key.length) {
      this.#key = new Uint32Array(labels.length * 2)
      this.#keyBytes = new Uint8Array(this.#key.buffer)
    }
    let at = 0
    for (const [name, value] of labels) {
      this.#key[at++] = this.symbols.holdName(name)
      this.#key[at++] = this.symbols.hold(value)
    }
    return at * 4
  }

  #release(line: number): void {
    const length = this.#lines.lengthOf(line)
    if (length > this.#keyBytes.length) {
      this.#key = new Uint32Array(length / 4)
      this.#keyBytes = new Uint8Array(this.#key.buffer)
    }
    this.#lines.copy(line, new DataView(this.#key.buffer), 0)
    this.#releaseSymbols(length / 4)
    this.#lines.release(line)
  }

  #releaseSymbols(count: number): void {
    for (let at = 0; at < count; at++) this.symbols.release(this.#key[at] as number)
  }

  #metric(id: number): MetricLabels {
    const known = this.#metrics[id]
    if (known !== undefined && this.#isCurrent(known.family)) return known
    const { metrics } = this.#series
    const metric = metrics.metrics[id]
    const scopeRow = metrics.scopes[metric?.scope ?? -1]
    const resource = metrics.resources[scopeRow?.resource ?? -1]
    if (metric === undefined || scopeRow === undefined || resource === undefined)
      throw new Error(`BUG: metric ${id} has no scope or resource`)
    const labels = metricLabels(
      this.#naming,
      readAttributes(resource, 0, resource.length, resourceAttributesField),
      {
        ...readScope(scopeRow.scope, 0, scopeRow.scope.length),
        schemaUrl: readString(scopeRow.schemaUrl),
      }
    )
    const made = { family: this.#family(metric), labels }
    this.#metrics[id] = made
    return made
  }

  #family({ type, name, unit, description }: Metric): number {
    const shown = this.#naming.familyName(type, name, unit)
    const typeOf = (claimed: string): MetricType | undefined => this.#typeOf(claimed)
    if (conflictOf(identityType(type), claimedName(type, shown), typeOf) !== undefined) return -1
    const known = this.#familyOf.get(shown)
    const before = this.families[known ?? -1]
    if (known !== undefined && before !== undefined && (before.lines > 0 || before.type === type)) {
      this.#describeFamily(before, description)
      return known
    }
    const { symbols } = this
    const part = (suffix: string): number => (isHistogram(type) ? symbols.hold(shown + suffix) : -1)
    this.families.push({
      name: shown,
      type,
      description,
      metadata: metadataTypes[type],
      help: description === '' ? -1 : symbols.hold(description),
      unit: unit === '' ? -1 : symbols.hold(unit),
      plain: symbols.hold(shown),
      bucket: part('_bucket'),
      sum: part('_sum'),
      count: part('_count'),
      lines: 0,
    })
    this.#familyOf.set(shown, this.families.length - 1)
    return this.families.length - 1
  }

  /** Whether a family was not replaced: by one of another type, when all of its lines were over. */
  #isCurrent(family: number): boolean {
    return family < 0 || this.#familyOf.get(this.families[family]?.name ?? '') === family
  }

  #typeOf(claimed: string): MetricType | undefined {
    for (const name of [claimed, `${claimed}_total`]) {
      const { type, lines } = this.families[this.#familyOf.get(name) ?? -1] ?? noFamily
      if (lines > 0 && type !== undefined && claimedName(type, name) === claimed) return identityType(type)
    }
    return undefined
  }

  /** What is kept of gauges, and descriptions, may have changed. */
  #describe(): void {
    const { metrics, changeCount } = this.#series.metrics
    if (changeCount === this.#metricsChangeCount) return
    this.#metricsChangeCount = changeCount
    for (const [id, known] of this.#metrics.entries()) {
      const metric = metrics[id]
      const family = known === undefined ? undefined : this.families[known.family]
      if (family === undefined || metric === undefined || !this.#series.metrics.hasSeries(id)) continue
      family.type = metric.type
      this.#describeFamily(family, metric.description)
    }
  }

  /** Of several descriptions the longer is kept (CONFORMANCE B17). */
  #describeFamily(family: Family, description: string): void {
    if (description.length <= family.description.length) return
    if (family.help >= 0) this.symbols.release(family.help)
    family.description = description
    family.help = this.symbols.hold(description)
  }
}

const none: readonly number[] = []
const noFamily = { type: undefined, lines: 0 }

/** By io.prometheus.write.v2.Metadata. */
const metadataTypes: Readonly<Record<MetricType, number>> = {
  [metricTypes.counter]: 1,
  [metricTypes.upDownCounter]: 2,
  [metricTypes.gauge]: 2,
  [metricTypes.gaugeMin]: 2,
  [metricTypes.gaugeMax]: 2,
  [metricTypes.gaugeSum]: 2,
  [metricTypes.histogram]: 3,
  [metricTypes.exponentialHistogram]: 3,
}

function grown(numbers: Int32Array, index: number): Int32Array {
  const larger = new Int32Array(Math.ceil(Math.max(index + 1, numbers.length * 1.5)))
  larger.set(numbers)
  return larger
}
