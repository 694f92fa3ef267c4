import * as v from 'valibot'
import { gaugePolicies, keys, type Key } from './schema.ts'
import { oneOf } from './values.ts'

interface Section {
  [name: string]: Section | Key
}

/**
 * The whole file, every scalar a text. Its output has what each key's type makes of that. An issue of type `never` is a
 * key that there is not; its message then names those that there are.
 */
export const fileSchema: v.GenericSchema = sectionSchema(sectionsOf(keys))

function sectionsOf(all: readonly Key[]): Section {
  const sections: Section = {}
  for (const key of all) {
    const names = key.path.split('.')
    const last = names.pop() as string
    const section = names.reduce((of, name) => (of[name] ??= {}) as Section, sections)
    section[last] = key
  }
  return sections
}

function sectionSchema(section: Section): v.GenericSchema {
  const entries = Object.entries(section).map(([name, under]): [string, v.GenericSchema] => {
    return [name, isKey(under) ? keySchema(under) : sectionSchema(under)]
  })
  return mapping(Object.fromEntries(entries))
}

function isKey(under: Section | Key): under is Key {
  return typeof under['path'] === 'string'
}

function keySchema({ type }: Key): v.GenericSchema {
  if (type.isStructure === true)
    return v.pipe(wanted('a list of rules', Array.isArray), v.array(ruleSchema()))
  if (type.isList === true) return texts((text) => type.parse(text))
  return scalar(type.name, (text) => type.parse(text))
}

/** `Rule` of rules.ts, in the words of the file. */
function ruleSchema(): v.GenericSchema {
  const patterns = texts((text) => text)
  const gauge = oneOf('gauge policy', gaugePolicies)
  const rule = mapping({
    metrics: patterns,
    scopes: patterns,
    drop: scalar('true or false', parseBoolean),
    attributes: mapping({ keep: patterns, drop: patterns }),
    gauge: scalar('a gauge policy', (text) => gauge.parse(text)),
    histogram_bounds: v.pipe(
      texts(parseNumber),
      v.check(ascend, 'bounds ascend; write them from the least to the greatest')
    ),
  })
  return v.pipe(
    rule,
    v.transform((value) => {
      const { histogram_bounds: histogramBounds, ...rest } = value as Record<string, unknown>
      return histogramBounds === undefined ? rest : { ...rest, histogramBounds }
    })
  )
}

/** Nothing under a name is as no name at all: people comment out all that a section has. */
function mapping(entries: Record<string, v.GenericSchema>): v.GenericSchema {
  const names = Object.keys(entries).join(', ')
  const optional = Object.entries(entries).map(([name, schema]) => [name, v.optional(schema)])
  return v.pipe(
    v.unknown(),
    v.transform((value) => (value === '' ? {} : value)),
    parsed((value) => {
      if (isMapping(value)) return value
      const slip =
        typeof value === 'string' && 'listen' in entries ? `; did you mean { listen: ${value} }?` : ''
      throw new TypeError(`write keys here, each with its value: ${names}${slip}`)
    }),
    v.objectWithRest(Object.fromEntries(optional) as Record<string, v.GenericSchema>, v.never(names))
  )
}

function isMapping(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Only what is of the right shape is looked at further: one problem, not one and what follows from it. */
function wanted(what: string, isRight: (value: unknown) => boolean): v.GenericSchema {
  return parsed((value) => {
    if (isRight(value)) return value
    throw new TypeError(`write ${what} here`)
  })
}

function scalar(what: string, parse: (text: string) => unknown): v.GenericSchema {
  return parsed((value) => {
    if (value === '') throw new TypeError('it has no value; write one, or leave the line out')
    if (typeof value !== 'string') throw new TypeError(`write one value here: ${what}`)
    return parse(value)
  })
}

/** One text is a list of one. */
function texts(parse: (text: string) => unknown): v.GenericSchema {
  const list = v.pipe(
    v.unknown(),
    v.transform((value) => (typeof value === 'string' && value !== '' ? [value] : value)),
    wanted('a list, as [a, b],', Array.isArray)
  )
  return v.pipe(list, v.array(scalar('a text', parse)))
}

/** What a function makes of a value; where it throws a TypeError, that is the issue. */
function parsed(parse: (value: unknown) => unknown): v.GenericSchema {
  return v.pipe(
    v.unknown(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      try {
        return parse(dataset.value)
      } catch (error) {
        if (!(error instanceof TypeError)) throw error
        addIssue({ message: error.message })
        return NEVER
      }
    })
  )
}

function parseBoolean(text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true'
  throw new TypeError(`${JSON.stringify(text)} is neither true nor false; write one of them`)
}

function parseNumber(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value)) return value
  throw new TypeError(`${JSON.stringify(text)} is no finite number; write one, as 0.5`)
}

function ascend(bounds: unknown): boolean {
  const numbers = bounds as readonly number[]
  return numbers.every((bound, at) => at === 0 || bound > (numbers[at - 1] as number))
}
