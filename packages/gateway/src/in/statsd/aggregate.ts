import { numberOf, type Line, type LineRejection, type LineType } from './line.ts'

/** What lines of one name, type and tags say together. */
export interface Entry {
  type: LineType
  name: string
  /** As written. */
  tags: string
  /** Of a counter what is added; of a gauge its value, or where `isRelative` what it changes by; of others their sum. */
  value: number
  isRelative: boolean
  /** Of a gauge the time that was told last, Unix seconds; 0 where none was. */
  timeS: number
  /** Of timers and distributions: how often each bucket was met. */
  counts: number[]
}

export interface AggregateOptions {
  limits: { statsdEntryCountMax: number; statsdSetValueCountMax: number }
  /** Of timers, in seconds, and of distributions; ascending. */
  timerBounds: readonly number[]
  histogramBounds: readonly number[]
}

/** So many different sampling rates have what was rounded carried over. */
const carriedRatesMax = 100

/** Adds lines up until they are told: a batch has one point of each, however many lines there were. */
export class Aggregate {
  readonly #options: AggregateOptions
  #entries = new Map<string, Entry>()
  /** Values of sets in this window, by the same keys. */
  readonly #sets = new Map<string, { entry: Entry; values: Set<string> }>()
  #setValueCount = 0
  /** By sampling rate: what its weights were rounded by so far, so that counts stay right over many lines. */
  readonly #carried = new Map<number, number>()

  constructor(options: AggregateOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  /** Of many lines that would have entries of their own there is no room: they are to be told first. */
  get isFull(): boolean {
    return this.#entries.size >= this.#options.limits.statsdEntryCountMax
  }

  /** All of a line counts, or nothing. */
  add(line: Line): LineRejection | undefined {
    const { type, name, tags } = line
    const key = `${type}|${name}|${tags}`
    if (type === 's') return this.#addToSet(key, line)
    const values = line.values.includes(':') ? line.values.split(':') : [line.values]
    const numbers: number[] = []
    for (const text of values) {
      const number = numberOf(text)
      if (!Number.isFinite(number)) return 'bad_value'
      if (type === 'c' && number < 0) return 'negative_counter'
      numbers.push(number)
    }
    const entry = this.#entries.get(key) ?? this.#newEntry(key, line)
    if (entry === undefined) return 'entries_full'
    for (let at = 0; at < numbers.length; at++) {
      const number = numbers[at] as number
      if (type === 'c') entry.value += number / line.rate
      else if (type === 'g') addToGauge(entry, number, /^[+-]/.test(values[at] as string), line.timeS)
      else this.#addToHistogram(entry, type === 'ms' ? number / 1000 : number, line.rate)
    }
    return undefined
  }

  /** What there is, which is then no more. */
  take(): Entry[] {
    const entries = [...this.#entries.values()]
    this.#entries = new Map()
    return entries
  }

  /** Ends a window of sets: each tells how many different values it had, also none once. */
  takeSets(): Entry[] {
    const told: Entry[] = []
    for (const [key, { entry, values }] of this.#sets) {
      told.push({ ...entry, value: values.size })
      if (values.size === 0) this.#sets.delete(key)
      values.clear()
    }
    this.#setValueCount = 0
    return told
  }

  #newEntry(key: string, { type, name, tags }: Line): Entry | undefined {
    if (this.isFull) return undefined
    const bounds = type === 'ms' ? this.#options.timerBounds : this.#options.histogramBounds
    const counts = type === 'ms' || type === 'h' ? Array.from({ length: bounds.length + 1 }, () => 0) : []
    const entry = { type, name, tags, value: 0, isRelative: type === 'g', timeS: 0, counts }
    this.#entries.set(key, entry)
    return entry
  }

  #addToSet(key: string, { type, name, tags, values }: Line): LineRejection | undefined {
    const { statsdEntryCountMax, statsdSetValueCountMax } = this.#options.limits
    const known = this.#sets.get(key)
    if (known?.values.has(values) === true) return undefined
    if (this.#setValueCount >= statsdSetValueCountMax) return 'sets_full'
    if (known === undefined && this.#sets.size >= statsdEntryCountMax) return 'sets_full'
    this.#setValueCount++
    if (known !== undefined) known.values.add(values)
    else {
      const entry = { type, name, tags, value: 0, isRelative: false, timeS: 0, counts: [] }
      this.#sets.set(key, { entry, values: new Set([values]) })
    }
    return undefined
  }

  #addToHistogram(entry: Entry, value: number, rate: number): void {
    const bounds = entry.type === 'ms' ? this.#options.timerBounds : this.#options.histogramBounds
    let bucket = 0
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++
    const weight = rate === 1 ? 1 : this.#weightOf(rate)
    entry.counts[bucket] = (entry.counts[bucket] as number) + weight
    entry.value += value * weight
  }

  /** One of so many was told. Buckets count in whole numbers: what is left over goes to the next of that rate. */
  #weightOf(rate: number): number {
    const exact = 1 / rate + (this.#carried.get(rate) ?? 0)
    const weight = Math.round(exact)
    if (this.#carried.size >= carriedRatesMax) this.#carried.clear()
    this.#carried.set(rate, exact - weight)
    return weight
  }
}

/** A sign makes it relative, as in StatsD: who wants a gauge below 0 sets it to 0 first. */
function addToGauge(entry: Entry, number: number, isRelative: boolean, timeS: number): void {
  if (isRelative) entry.value += number
  else {
    entry.value = number
    entry.isRelative = false
  }
  entry.timeS = timeS
}
