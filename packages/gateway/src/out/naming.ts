import type { TranslationStrategy } from '../config/config.ts'
import { familyName, isLegacy, isLegacyName, keepsCharacters, valuesOf } from '../ledger/family-names.ts'
import type { MetricType } from '../ledger/metric-types.ts'
import type { Escaping } from './negotiation.ts'

/** What metrics and labels are called: by the strategy, then by what a scraper asked to be made of it (CONFORMANCE E4). */
export interface Naming {
  familyName(type: MetricType, name: string, unit: string): string
  /** Of an attribute's key, or of a part of the label's name before it: `otel_scope_`. */
  labelName(key: string, before?: string): string
}

export function namingOf(strategy: TranslationStrategy, escaping: Escaping): Naming {
  const isKept = keepsCharacters(strategy)
  return {
    familyName: (type, name, unit) => escaped(familyName(strategy, type, name, unit), escaping),
    labelName(key, before = '') {
      const name = escaped(before + (isKept && key !== '' ? key : labelName(key)), escaping, true)
      return name.startsWith('__') ? `key${name}` : name // These are Prometheus' own.
    },
  }
}

/** Which escapings give the same names as this: all but `dots`, where the strategy leaves nothing to escape. */
export function sameNames(strategy: TranslationStrategy, escaping: Escaping): Escaping {
  return keepsCharacters(strategy) || escaping === 'dots' ? escaping : 'underscores'
}

/** A label's name: like a metric's, without colons. */
function labelName(key: string): string {
  if (key !== '' && !/[a-zA-Z0-9]/.test(key)) return valuesOf(key, true)
  const name = key.replaceAll(/[^a-zA-Z0-9]+/g, '_')
  if (name === '') return '_'
  return /^\d/.test(name) ? `key_${name}` : name
}

/**
 * A name in the characters that Prometheus always took, as its client libraries escape it. Of `dots` they make two
 * underscores of any other character, so that it can be undone; its document says one.
 */
export function escaped(name: string, escaping: Escaping, isLabel = false): string {
  if (escaping === 'allow-utf-8') return name
  if (escaping === 'values') return valuesOf(name, isLabel)
  if (escaping === 'underscores' && isLegacyName(name, isLabel)) return name
  let text = ''
  for (const character of name) {
    const isFirst = text === ''
    if (escaping === 'dots' && character === '_') text += '__'
    else if (isLegacy(character, isFirst, isLabel)) text += character
    else if (escaping === 'underscores') text += '_'
    else text += character === '.' ? '_dot_' : '__'
  }
  return text
}
