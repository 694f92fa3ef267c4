import * as v from 'valibot'
import { mapping, scalar, texts, wanted } from './file-shapes.ts'
import { remoteWriteSchema } from './remote-write-schema.ts'
import { keys, type Key } from './schema.ts'
import { gaugePolicies } from './series-keys.ts'
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

function keySchema({ path, type }: Key): v.GenericSchema {
  if (path === 'remote_write') return remoteWriteSchema()
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
