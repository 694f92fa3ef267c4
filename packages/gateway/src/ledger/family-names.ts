import type { TranslationStrategy } from '../config/config.ts'
import { metricTypes, type MetricType } from './metric-types.ts'

/* Metrics as Prometheus names them, by each of its strategies (CONFORMANCE D1 to D4). */

/** UCUM units as the words that Prometheus uses. */
const unitWords: ReadonlyMap<string, string> = new Map(
  Object.entries({
    d: 'days',
    h: 'hours',
    min: 'minutes',
    s: 'seconds',
    ms: 'milliseconds',
    us: 'microseconds',
    ns: 'nanoseconds',
    By: 'bytes',
    KiBy: 'kibibytes',
    MiBy: 'mebibytes',
    GiBy: 'gibibytes',
    TiBy: 'tebibytes',
    KBy: 'kilobytes',
    MBy: 'megabytes',
    GBy: 'gigabytes',
    TBy: 'terabytes',
    m: 'meters',
    V: 'volts',
    A: 'amperes',
    J: 'joules',
    W: 'watts',
    g: 'grams',
    Cel: 'celsius',
    Hz: 'hertz',
    '%': 'percent',
  })
)

const perWords: ReadonlyMap<string, string> = new Map(
  Object.entries({
    s: 'second',
    m: 'minute',
    h: 'hour',
    d: 'day',
    w: 'week',
    mo: 'month',
    y: 'year',
  })
)

/** What the gateway calls its own metrics, and one that is about workers: a worker's of such a name is told apart. */
const ownNames = /^(?:swansong_.*|target_info)$/s

/** Whether names keep the characters that Prometheus did not always take. */
export function keepsCharacters(strategy: TranslationStrategy): boolean {
  return strategy === 'NoUTF8EscapingWithSuffixes' || strategy === 'NoTranslation'
}

/**
 * The name of a metric's family. By the default strategy, the counter `jobs.done` in `{job}` is `jobs_done_total`, `io` in
 * `By` is `io_bytes_total`, the gauge `temperature` in `Cel` is `temperature_celsius`.
 */
export function familyName(
  strategy: TranslationStrategy,
  type: MetricType,
  name: string,
  unit: string
): string {
  if (strategy === 'NoTranslation') return toldApart(name)
  const isKept = strategy === 'NoUTF8EscapingWithSuffixes'
  const base = isKept ? name : (readable(name) ?? valuesOf(name))
  const full = strategy === 'UnderscoreEscapingWithoutSuffixes' ? base : suffixed(type, base, unit)
  return toldApart(isKept ? full : full.replace(/^(?=\d)/, '_'))
}

function suffixed(type: MetricType, name: string, unit: string): string {
  const isCounter = type === metricTypes.counter
  let base = name
  if (isCounter && base.endsWith('_total')) base = base.slice(0, -'_total'.length)
  if (isCounter && base === 'total') base = ''
  const suffix = unitSuffix(unit)
  if (suffix !== '' && base !== suffix && !base.endsWith(`_${suffix}`))
    base = base === '' ? suffix : `${base}_${suffix}`
  if (!isCounter) return base
  return base === '' ? 'total' : `${base}_total`
}

function toldApart(name: string): string {
  return ownNames.test(name.replaceAll(/[^a-zA-Z0-9:]+/g, '_')) ? `exported_${name}` : name
}

/** `By` is `bytes`, `By/s` is `bytes_per_second`, `{request}` and `1` are nothing. */
export function unitSuffix(unit: string): string {
  const [main = '', per = ''] = unit
    .replaceAll(/\{[^}]*\}/g, '')
    .split('/', 2)
    .map((part) => part.trim())
  const mainWord = main === '1' ? '' : word(unitWords.get(main) ?? main)
  const perWord = word(perWords.get(per) ?? per)
  if (perWord === '') return mainWord
  return mainWord === '' ? `per_${perWord}` : `${mainWord}_per_${perWord}`
}

function word(unit: string): string {
  return (readable(unit) ?? '').replace(/^_/, '')
}

/**
 * Other characters become `_`, runs of them one; none at the ends but a leading one that was there. Undefined where no
 * letter and no digit would be left: such names would all be one.
 */
function readable(name: string): string | undefined {
  if (!/[a-zA-Z0-9:]/.test(name)) return undefined
  return name
    .replaceAll(/[^a-zA-Z0-9:]+/g, '_')
    .replace(/^_/, name.startsWith('_') ? '_' : '')
    .replace(/_$/, '')
}

/**
 * A name in the characters that Prometheus always took, each other one by its number: `日本` is `U___65e5__672c_`. It is the
 * scheme that Prometheus calls `values`, which can be undone. Names of labels have no colon.
 */
export function valuesOf(name: string, isLabel = false): string {
  if (isLegacyName(name, isLabel)) return name
  let text = 'U__'
  for (const character of name) {
    if (character === '_') text += '__'
    else if (isLegacy(character, text === 'U__', isLabel)) text += character
    else text += `_${(character.codePointAt(0) as number).toString(16)}_`
  }
  return text
}

const nameForm = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const labelForm = /^[a-zA-Z_][a-zA-Z0-9_]*$/

/** Whether Prometheus always took a name as it is. */
export function isLegacyName(name: string, isLabel = false): boolean {
  return (isLabel ? labelForm : nameForm).test(name)
}

/** The same of one character: a name does not begin with a digit. */
export function isLegacy(character: string, isFirst: boolean, isLabel: boolean): boolean {
  return (isLabel ? /[a-zA-Z0-9_]/ : /[a-zA-Z0-9_:]/).test(character) && !(isFirst && /\d/.test(character))
}
