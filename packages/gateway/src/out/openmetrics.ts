import type { Exemplar } from '../ledger/exemplars.ts'
import { isLegacyName } from '../ledger/family-names.ts'
import { metricTypes } from '../ledger/metric-types.ts'
import type { Dialect, Extras } from './line-renderer.ts'
import { isHistogram, sampleName, type Family, type Lines } from './lines.ts'
import { boundText, escapedValue, labelsText } from './names.ts'
import { namingOf } from './naming.ts'
import type { Shown } from './text.ts'
import type { TextWriter } from './text-writer.ts'

/** What a text of OpenMetrics ends with. */
export const openMetricsEnd = '# EOF\n'
/** Names and values of an exemplar's labels together, in code points (CONFORMANCE E9). */
const exemplarCharactersMax = 128

/** OpenMetrics 1.0 (CONFORMANCE E6 to E11), but for its end. `isTaken`: whether something pushed has that name. */
export function openMetrics(
  shown: Shown,
  hasCreated: () => boolean,
  isTaken: (name: string) => boolean
): Dialect {
  const isCounter = ({ name }: Family): boolean => isCounterName(name, isTaken)
  return {
    isCounter,
    headOf: (family) => headOf(family, family.type === metricTypes.counter && isCounter(family)),
    boundText: canonicalBound,
    extras: (lines) => new OpenMetricsExtras(shown, lines, { isCounter, hasCreated }),
  }
}

/** A counter's sample ends in _total, or it is none (CONFORMANCE E7); without that its family has its own name there. */
export function isCounterName(name: string, isTaken: (name: string) => boolean): boolean {
  const base = withoutTotal(name)
  return base !== name && !isTaken(base)
}

function headOf({ name, type, isUnknown, unit, description }: Family, isCounter: boolean): string {
  const base = isCounter ? withoutTotal(name) : name
  const shown = isLegacyName(base) ? base : `"${escapedValue(base)}"`
  const help = description === '' ? '' : `# HELP ${shown} ${escapedValue(description)}\n`
  const isNone = isUnknown || type === metricTypes.counter
  const word = isHistogram(type) ? 'histogram' : isCounter ? 'counter' : isNone ? 'unknown' : 'gauge'
  const isUnit = unit !== '' && base.endsWith(`_${unit}`)
  return `${help}# TYPE ${shown} ${word}\n${isUnit ? `# UNIT ${shown} ${unit}\n` : ''}`
}

/** The name of a counter's family, which its samples have and `_total` behind. */
export function withoutTotal(name: string): string {
  return name.endsWith('_total') && name !== '_total' ? name.slice(0, -'_total'.length) : name
}

/** Bounds are numbers with a point or an exponent (CONFORMANCE E8). */
export function canonicalBound(bound: number): string {
  const text = boundText(bound)
  return /^-?\d+$/.test(text) ? `${text}.0` : text
}

interface Choices {
  isCounter: (family: Family) => boolean
  hasCreated: () => boolean
}

/** Exemplars, and `_created` where it is wanted. */
class OpenMetricsExtras implements Extras {
  readonly #shown: Shown
  readonly #lines: Lines
  readonly #isCounter: (family: Family) => boolean
  readonly #hasCreated: () => boolean
  /** Those of the line that is being written, by their values; and the first that was not written yet. */
  #exemplars: readonly Exemplar[] = none
  #next = 0

  constructor(shown: Shown, lines: Lines, { isCounter, hasCreated }: Choices) {
    this.#shown = shown
    this.#lines = lines
    this.#isCounter = isCounter
    this.#hasCreated = hasCreated
  }

  marksCounters(family: Family): boolean {
    return (this.#shown.exemplars.count > 0 || this.#hasCreated()) && this.#isCounter(family)
  }

  counter(writer: TextWriter, family: Family, line: number, isHeld: boolean): void {
    if (this.#shown.exemplars.count > 0 && !isHeld) {
      const latest = this.#exemplarsOf(line).reduce<Exemplar | undefined>(later, undefined)
      if (latest !== undefined) writer.append(exemplarText(latest))
    }
    if (this.#hasCreated()) this.#created(writer, `${withoutTotal(family.name)}_created`, line)
  }

  /** It would go down with negative values (CONFORMANCE E10). */
  hidesSum(lowest: number): boolean {
    return lowest < 0
  }

  beginBuckets(line: number, isHeld: boolean): void {
    this.#exemplars = none
    this.#next = 0
    if (this.#shown.exemplars.count === 0 || isHeld) return
    this.#exemplars = this.#exemplarsOf(line).toSorted((one, other) => one.value - other.value)
  }

  bucket(writer: TextWriter, upper: number): void {
    const exemplars = this.#exemplars
    let latest: Exemplar | undefined
    for (; this.#next < exemplars.length; this.#next++) {
      const exemplar = exemplars[this.#next] as Exemplar
      if (exemplar.value > upper) break
      latest = later(latest, exemplar)
    }
    if (latest !== undefined) writer.append(exemplarText(latest))
  }

  histogram(writer: TextWriter, family: Family, line: number): void {
    if (this.#hasCreated()) this.#created(writer, `${family.name}_created`, line)
  }

  /** Directly behind its own samples, with the same labels: so it is read (trap 6). */
  #created(writer: TextWriter, name: string, line: number): void {
    const { series } = this.#shown
    let startUnixMs = Infinity
    for (const id of this.#seriesOf(line)) startUnixMs = Math.min(startUnixMs, series.startOf(id))
    const labels = labelsText(this.#lines.labelsOf(this.#lines.firstOf(line)))
    writer.text(`${sampleName(name, labels)}${startUnixMs / 1000}\n`)
  }

  #exemplarsOf(line: number): Exemplar[] {
    const found: Exemplar[] = []
    for (const id of this.#seriesOf(line)) {
      const byBucket = this.#shown.exemplars.of(id)
      if (byBucket.size > 0) found.push(...byBucket.values())
    }
    return found
  }

  #seriesOf(line: number): readonly number[] {
    const more = this.#lines.moreOf(line)
    return more === undefined ? [this.#lines.firstOf(line)] : [this.#lines.firstOf(line), ...more]
  }
}

const none: readonly Exemplar[] = []

function later(one: Exemplar | undefined, other: Exemplar): Exemplar {
  return one !== undefined && one.timeUnixNano > other.timeUnixNano ? one : other
}

const exemplarNaming = namingOf('UnderscoreEscapingWithSuffixes', 'underscores')

/** What stands behind a sample: as many of its labels as there may be, its value, its time where it has one. */
function exemplarText(exemplar: Exemplar): string {
  const { value, timeUnixNano } = exemplar
  const time = timeUnixNano > 0 ? ` ${timeUnixNano / 1e9}` : ''
  return ` # {${labelsText(exemplarLabels(exemplar))}} ${numberText(value)}${time}`
}

/** As many of its labels as there may be. */
export function exemplarLabels({ labels }: Exemplar): ReadonlyMap<string, string> {
  const told = new Map<string, string>()
  let characters = 0
  for (const [key, text] of labels) {
    const name = exemplarNaming.labelName(key)
    const length = characters + name.length + Array.from(text).length
    if (told.has(name) || length > exemplarCharactersMax) continue
    told.set(name, text)
    characters = length
  }
  return told
}

/** As Go reads it. */
function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value)
  return value > 0 ? '+Inf' : '-Inf'
}
