import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import * as v from 'valibot'
import { LineCounter, parseDocument } from 'yaml'
import { fileSchema } from './file-schema.ts'
import { type FilePath, offsetOf } from './positions.ts'
import type { RemoteWriteInput } from './remote-write.ts'
import { remoteWriteFrom } from './remote-write-schema.ts'
import { keys, type Key } from './schema.ts'
import type { FileTold, Told } from './settings.ts'
import { jobAndDirectory } from './values.ts'
import { pathText, unknownKey } from './unknown-key.ts'

/**
 * What a configuration file says, and all that is wrong with it: `file:line:column: key: what; what instead`. YAML 1.2,
 * anchors and merge keys included; every scalar is a text, until its key says what it is.
 */
export function readConfigFile(file: string, text: string): FileTold {
  const lineCounter = new LineCounter()
  const document = parseDocument(text, { lineCounter, schema: 'failsafe', merge: true, prettyErrors: false })
  const at = (offset: number): string => {
    const { line, col } = lineCounter.linePos(offset)
    return `${file}:${line}:${col}`
  }
  if (document.errors.length > 0) {
    const slips = document.errors.filter(({ code }) => code in yamlProblems)
    // Where a line cannot be read, what is said of those that follow it only follows from that.
    const errors = slips.length > 0 ? slips : document.errors.slice(0, 1)
    const problems = errors.map((error) => `${at(error.pos[0])}: ${yamlProblem(error, text)}`)
    return { told: new Map(), problems }
  }
  let content: unknown
  try {
    content = document.toJS() ?? {}
  } catch (error) {
    return { told: new Map(), problems: [`${file}:1:1: ${String(error)}; write it without so many aliases`] }
  }
  const { issues = [], output } = v.safeParse(fileSchema, content)
  const found = issues.map(({ type, message, path: items = [] }) => {
    const path: FilePath = items.map((item) => item.key as string | number)
    const isUnknown = type === 'never'
    const what = isUnknown ? unknownKey(path, message) : message
    const key = path.length === 0 ? '' : `${pathText(path)}: `
    return { offset: offsetOf(document, path, isUnknown ? 'key' : 'value'), says: key + what }
  })
  const problems = found
    .toSorted((a, b) => a.offset - b.offset)
    .map(({ offset, says }) => `${at(offset)}: ${says}`)
  if (problems.length > 0) return { told: new Map(), problems }
  const told = new Map<string, Told>()
  for (const key of keys) {
    const path = key.path.split('.')
    const section = sectionAt(output, path.slice(0, -1))
    const name = path.at(-1) as string
    if (section === undefined || !Object.hasOwn(section, name)) continue
    const value = section[name] // `off` is undefined, and told.
    told.set(key.path, { value: fromFile(file, key, value), where: at(offsetOf(document, path, 'value')) })
  }
  return { told, problems }
}

/** The same of a file on the disk. One that cannot be read is a problem too. */
export function openConfigFile(path: string): FileTold {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { told: new Map(), problems: [`${path}: it cannot be read: ${why}; name another file`] }
  }
  return readConfigFile(path, text)
}

function sectionAt(output: unknown, path: readonly string[]): Record<string, unknown> | undefined {
  const top = output as Record<string, unknown> | undefined
  return path.reduce((of, name) => of?.[name] as Record<string, unknown> | undefined, top)
}

/** A relative path is taken from where the file stands, wherever the gateway is started. */
function fromFile(file: string, key: Key, value: unknown): unknown {
  if (key.path === 'remote_write') return remoteWriteFrom(file, value as readonly RemoteWriteInput[])
  if (key.type.path === undefined) return value
  if (Array.isArray(value)) return value.map((one: string) => fromFile(file, key, one))
  const { directory } = jobAndDirectory(value as string)
  if (key.type.isList !== true)
    return isAbsolute(value as string) ? value : join(dirname(file), value as string)
  const before = (value as string).slice(0, -directory.length)
  return isAbsolute(directory) ? value : before + join(dirname(file), directory)
}

const yamlProblems: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key stands above already; leave one of them out',
  TAB_AS_INDENT: 'a tab indents this line; use spaces',
  MULTIPLE_DOCS: 'a second document begins here; a configuration is one',
}

function yamlProblem(error: { code: string; message: string; pos: [number, number] }, text: string): string {
  const known = yamlProblems[error.code]
  const key = error.code === 'DUPLICATE_KEY' ? /^[\w.-]+/.exec(text.slice(error.pos[0])) : null
  if (known !== undefined) return key === null ? known : `${key[0]}: ${known}`
  const said = error.message.replace(/\.?\s*$/, '')
  return `not YAML: ${said}; quote texts that have : # [ ] { } or , in them`
}
