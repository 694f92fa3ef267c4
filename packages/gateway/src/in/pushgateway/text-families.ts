import {
  familyTypes,
  takePart,
  type Family,
  type FamilyType,
  type Label,
  type Room,
  type Sample,
} from '../../ledger/pushed/family.ts'
import { Refusal } from '../../refusal.ts'
import { readHelp, readNumber, readSampleLine, type SampleLine } from './text-lines.ts'

const commentPattern = /^[ \t]*#[ \t]*(HELP|TYPE)[ \t]+([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*(.*)$/
const suffixes: Partial<Record<FamilyType, readonly string[]>> = {
  summary: ['_sum', '_count'],
  histogram: ['_bucket', '_sum', '_count'],
}

/** A family as far as it was read. */
interface Reading {
  family: Family
  /** Whether its type was said: what came without one is untyped. */
  isTyped: boolean
  hasHelp: boolean
  /** The samples of a summary or histogram by their own labels. */
  byLabels: Map<string, Sample>
}

/**
 * The families of a body in text 0.0.4, as Prometheus' own parser reads them. Throws BAD_PUSH with the number of the line
 * for anything else: nothing of a body counts that cannot be read whole.
 */
export function readTextFamilies(text: string, room: Room): Family[] {
  // Go's parser says the same: a body that was cut off may end within a number.
  if (text !== '' && !text.endsWith('\n'))
    throw new Refusal('BAD_PUSH', 'text 0.0.4 ends with a line feed, and this body does not: was it cut off?')
  const families = new Map<string, Reading>()
  let number = 0
  let end = 0
  for (let start = 0; start < text.length; start = end + 1) {
    end = text.indexOf('\n', start)
    const line = text.slice(start, end)
    number++
    if (line === '' || /^[ \t]*$/.test(line)) continue
    try {
      if (/^[ \t]*#/.test(line)) readComment(families, line)
      else addSample(families, readSampleLine(line, room), room)
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      throw new Refusal('BAD_PUSH', `text format parsing error in line ${number}: ${error.message}`, {
        cause: error,
      })
    }
  }
  return [...families.values()].map(({ family }) => family).filter(({ samples }) => samples.length > 0)
}

function readComment(families: Map<string, Reading>, line: string): void {
  const [, what, name, rest = ''] = commentPattern.exec(line) ?? []
  if (name === undefined) return // Any other comment.
  const reading = readingOf(families, name)
  if (what === 'HELP') {
    if (reading.hasHelp) throw new TypeError(`a second HELP line for ${name}`)
    reading.hasHelp = true
    reading.family.help = readHelp(rest)
    return
  }
  if (rest.trim() === '') return // As Prometheus' own parser has it.
  if (reading.isTyped || reading.family.samples.length > 0)
    throw new TypeError(`a second TYPE line for ${name}, or one behind its samples`)
  const type = familyTypes.find((known) => known === rest.trim().toLowerCase())
  if (type === undefined) throw new TypeError(`${JSON.stringify(rest.trim())} is no type of a metric`)
  reading.family.type = type
  reading.isTyped = true
}

function addSample(families: Map<string, Reading>, line: SampleLine, room: Room): void {
  takePart(room)
  const { name, labels, value, hasTimestamp } = line
  const distribution = distributionOf(families, name)
  if (distribution === undefined) {
    readingOf(families, name).family.samples.push({ labels, value, count: 0, parts: [], hasTimestamp })
    return
  }
  const { reading, suffix } = distribution
  const partLabel = reading.family.type === 'summary' ? 'quantile' : 'le'
  const isPart = suffix === '' || suffix === '_bucket'
  const own = labels.filter((label) => label.name !== partLabel)
  const sample = sampleOf(reading, own)
  if (hasTimestamp) sample.hasTimestamp = true
  if (suffix === '_sum') sample.value = value
  else if (suffix === '_count') sample.count = value
  else if (isPart) {
    const part = labels.find((label) => label.name === partLabel)
    if (part === undefined) throw new TypeError(`${name} has no label ${partLabel}`)
    sample.parts.push({ at: readNumber(part.value), value })
  }
}

/** Where a line belongs to a summary or a histogram: its own name, or that with a suffix. */
function distributionOf(
  families: Map<string, Reading>,
  name: string
): { reading: Reading; suffix: string } | undefined {
  const same = families.get(name)
  if (same?.family.type === 'summary') return { reading: same, suffix: '' }
  if (same !== undefined && same.family.type !== 'histogram') return undefined
  for (const [type, all] of Object.entries(suffixes)) {
    for (const suffix of all) {
      if (!name.endsWith(suffix)) continue
      const reading = families.get(name.slice(0, -suffix.length))
      if (reading?.family.type === type) return { reading, suffix }
    }
  }
  if (same?.family.type === 'histogram')
    throw new TypeError(
      `${name} is a histogram, whose lines are ${name}_bucket, ${name}_sum and ${name}_count`
    )
  return undefined
}

function sampleOf(reading: Reading, labels: Label[]): Sample {
  const key = JSON.stringify(
    labels.map(({ name, value }) => [name, value]).toSorted(([a = ''], [b = '']) => (a < b ? -1 : 1))
  )
  const known = reading.byLabels.get(key)
  if (known !== undefined) return known
  const sample: Sample = { labels, value: undefined, count: 0, parts: [], hasTimestamp: false }
  reading.byLabels.set(key, sample)
  reading.family.samples.push(sample)
  return sample
}

function readingOf(families: Map<string, Reading>, name: string): Reading {
  const known = families.get(name)
  if (known !== undefined) return known
  const family: Family = { name, help: '', type: 'untyped', samples: [] }
  const reading = { family, isTyped: false, hasHelp: false, byLabels: new Map<string, Sample>() }
  families.set(name, reading)
  return reading
}
