import { takePart, type Label, type Room } from '../../ledger/pushed/family.ts'

/** A line of text 0.0.4 that is no comment. */
export interface SampleLine {
  name: string
  labels: Label[]
  value: number
  hasTimestamp: boolean
}

const namePattern = /[a-zA-Z_:][a-zA-Z0-9_:]*/y
const labelPattern = /[a-zA-Z_][a-zA-Z0-9_]*/y
const blankPattern = /[ \t]*/y
const tokenPattern = /[^ \t]+/y
const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** A sample. Throws a TypeError that says what is wrong with the line. */
export function readSampleLine(line: string, room: Room): SampleLine {
  const cursor = { line, at: 0 }
  blank(cursor)
  const name = taken(cursor, namePattern) ?? fail('no name of a metric where one should be')
  blank(cursor)
  const labels: Label[] = []
  if (line[cursor.at] === '{') {
    cursor.at++
    readLabels(cursor, labels, room)
  }
  blank(cursor)
  const value = readNumber(taken(cursor, tokenPattern) ?? fail('no value behind the name'))
  blank(cursor)
  const timestamp = taken(cursor, tokenPattern)
  if (timestamp !== undefined && !/^[+-]?\d+$/.test(timestamp))
    throw new TypeError(`${shortly(timestamp)} is no timestamp`)
  blank(cursor)
  if (cursor.at < line.length) throw new TypeError(`${shortly(line.slice(cursor.at))} after the timestamp`)
  return { name, labels, value, hasTimestamp: timestamp !== undefined }
}

interface Cursor {
  line: string
  at: number
}

function readLabels(cursor: Cursor, labels: Label[], room: Room): void {
  const { line } = cursor
  const names = new Set<string>()
  for (;;) {
    blank(cursor)
    if (line[cursor.at] === '}') {
      cursor.at++
      return
    }
    const name = taken(cursor, labelPattern) ?? fail('no name of a label where one should be')
    blank(cursor)
    if (line[cursor.at++] !== '=') throw new TypeError(`no = behind the label ${shortly(name)}`)
    blank(cursor)
    if (line[cursor.at++] !== '"') throw new TypeError(`no " before the value of ${shortly(name)}`)
    if (names.has(name)) throw new TypeError(`the label ${shortly(name)} stands twice`)
    names.add(name)
    takePart(room)
    labels.push({ name, value: readQuoted(cursor) })
    blank(cursor)
    const next = line[cursor.at]
    if (next === ',') cursor.at++
    else if (next !== '}') throw new TypeError(`neither , nor } behind the label ${shortly(name)}`)
  }
}

function readQuoted(cursor: Cursor): string {
  const { line } = cursor
  let value = ''
  for (let from = cursor.at; ;) {
    const sign = line[cursor.at]
    if (sign === undefined) throw new TypeError("a label's value has no end")
    if (sign !== '"' && sign !== '\\') {
      cursor.at++
      continue
    }
    value += line.slice(from, cursor.at)
    if (sign === '"') {
      cursor.at++
      return value
    }
    value += unescaped(line[cursor.at + 1], true)
    cursor.at += 2
    from = cursor.at
  }
}

/** The text of a HELP line. */
export function readHelp(text: string): string {
  return text.replaceAll(/\\(.?)/g, (_, sign: string) => unescaped(sign, false))
}

function unescaped(sign: string | undefined, isQuoted: boolean): string {
  if (sign === 'n') return '\n'
  if (sign === '\\' || (sign === '"' && isQuoted)) return sign
  throw new TypeError(`\\${sign ?? ''} is no escape; write \\\\ for a \\`)
}

/** A number as Go reads it. */
export function readNumber(text: string): number {
  if (numberPattern.test(text)) {
    const value = Number(text)
    if (!Number.isFinite(value)) throw new TypeError(`${shortly(text)} is more than a double can be`)
    return value
  }
  const word = /^([+-]?)(inf|infinity|nan)$/i.exec(text)
  if (word === null) throw new TypeError(`${shortly(text)} is no number`)
  if (word[2]?.toLowerCase() === 'nan') return Number.NaN
  return word[1] === '-' ? -Infinity : Infinity
}

function blank(cursor: Cursor): void {
  taken(cursor, blankPattern)
}

/** What the pattern finds where the cursor stands, which goes behind it. */
function taken(cursor: Cursor, pattern: RegExp): string | undefined {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.line)?.[0]
  if (found !== undefined) cursor.at += found.length
  return found
}

function shortly(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}

function fail(message: string): never {
  throw new TypeError(message)
}
