/*
 * The rules of style that no linter knows, each from sources to complaints: `path:line: what`. They read text, not syntax
 * trees: the sources are formatted, so an import begins its line.
 */
import { posix } from 'node:path'

export const linesPerFileMax = 400

export interface Source {
  /** From the root of the repository, with slashes. */
  path: string
  text: string
}

/** Which packages may import which: `sdk → otlp ← gateway`, never the other way. */
const packageMayImport: Record<string, string[]> = { otlp: [], sdk: ['otlp'], gateway: ['otlp'] }

/** What all the gateway's folders may use; none of these may use a folder. */
const shared = [
  'limits.ts',
  'refusal.ts',
  'stats.ts',
  'log.ts',
  'config',
  'doors',
  'version.ts',
  'make-directory.ts',
]
const folders = ['in', 'ledger', 'out']

/** Under packages/gateway/src: a folder, or a file at the top, and what it may import there. Imports follow the datum. */
const gatewayMayImport: Record<string, string[]> = {
  in: ['in', 'ledger', ...shared],
  ledger: ['ledger', ...shared],
  out: ['out', 'ledger', ...shared],
  'limits.ts': [],
  'refusal.ts': shared,
  'make-directory.ts': [],
  'stats.ts': shared,
  'log.ts': shared,
  'version.ts': [],
  config: [...shared],
  doors: [...shared],
  'open-doors.ts': [...folders, ...shared],
  'gateway.ts': [...folders, ...shared, 'open-doors.ts'],
  'index.ts': [...folders, ...shared, 'open-doors.ts', 'gateway.ts'],
  commands: ['commands', ...folders, ...shared, 'gateway.ts'],
  'main.ts': ['commands', ...shared],
  'shell.ts': ['commands'],
}

/**
 * Under packages/sdk/src, in the order of a count: what a job asks for (`options`), what it records, the bytes of that, and
 * the two ways out, of which POST falls back to the spool. `reader` and `capture` begin elsewhere, or end there.
 */
const sdkMayImport: Record<string, string[]> = {
  process: [],
  options: ['process'],
  record: ['options', 'process'],
  encode: ['record', 'options', 'process'],
  spool: ['encode', 'record', 'options', 'process'],
  post: ['spool', 'encode', 'record', 'options', 'process'],
  capture: ['record'],
  reader: ['post', 'spool', 'encode', 'record', 'options', 'process'],
  'worker.ts': ['capture', 'post', 'spool', 'encode', 'record', 'options', 'process'],
  'counted.ts': ['worker.ts', 'process'],
  'index.ts': ['worker.ts', 'counted.ts', 'record', 'options'],
  'register.ts': ['worker.ts', 'options', 'process'],
  'diagnosis.ts': ['post', 'spool', 'options', 'process'],
  'hand-over.ts': ['post', 'spool', 'encode', 'options', 'process'],
  'testing.ts': ['worker.ts', 'capture'],
  'reader.ts': ['reader', 'spool', 'options', 'process'],
}

/** The packages whose folders have an order; others are flat. */
const foldersMayImport: Record<string, Record<string, string[]>> = {
  gateway: gatewayMayImport,
  sdk: sdkMayImport,
}

/** Where bytes become counts and counts become text: no disk, no network, no clock but by arguments. */
const nodeFree = [
  /^packages\/otlp\/src\//,
  /^packages\/gateway\/src\/in\/(receive|admit|identity)\.ts$/,
  /^packages\/gateway\/src\/ledger\/(?!(store|adoption|sqlite|reserve|database|database-file|format-1|migrations|unused-names|pushed\/table)\.ts$)/, // All but the disk's side of it.
  /^packages\/gateway\/src\/out\/(text|names)\.ts$/,
]

/** What is Node's, or the process's, without an import. `Buffer` is only kept from where there may be no Node. */
const nodeGlobal = /(?<![.\w'])(process\.\w+|getBuiltinModule|require\()/
const nodeGlobalOfOtlp = /(?<![.\w'])(process\.\w+|Buffer\.\w+|getBuiltinModule|require\()/

/** Imports that the table of packages or a package's table of folders does not name. */
export function importsAgainstTheWay(sources: Source[]): string[] {
  const complaints: string[] = []
  for (const source of sources) {
    const [, from, place] = /^packages\/([^/]+)\/src\/([^/]+)/.exec(source.path) ?? []
    if (from === undefined || place === undefined) continue
    for (const { name, line } of importsOf(source.text)) {
      const why = name.startsWith('.')
        ? complaintOfRelative(source.path, from, place, name)
        : complaintOfPackage(from, place, name)
      if (why !== undefined) complaints.push(`${source.path}:${line}: ${why}`)
    }
  }
  return complaints
}

function complaintOfPackage(from: string, place: string, name: string): string | undefined {
  const other = /^@swansong\/([^/]+)/.exec(name)?.[1]
  if (other === undefined || packageMayImport[from]?.includes(other) === true) return undefined
  if (from === 'gateway' && place === 'commands' && other === 'sdk') return undefined // It counts its own commands.
  return `${from}/${place} may not import ${name}`
}

function complaintOfRelative(path: string, from: string, place: string, name: string): string | undefined {
  const target = posix.join(posix.dirname(path), name)
  const inside = `packages/${from}/src/`
  if (!target.startsWith(inside)) return `${name} reaches out of the package: import it by its name`
  if (!target.endsWith('.ts')) return `${name} does not end in .ts`
  const table = foldersMayImport[from]
  if (table === undefined) return undefined
  const to = target.slice(inside.length).split('/')[0] as string
  const may = table[place]
  if (may === undefined) return `${place} has no row in the table of test/tidy/rules.ts`
  return may.includes(to) || place === to ? undefined : `${place} may not import ${to}`
}

/** Imports of Node's modules on the hot path, where only `node:assert` and `crc32` of `node:zlib` may be. */
export function nodeOffTheEdges(sources: Source[]): string[] {
  const complaints: string[] = []
  for (const source of sources) {
    if (!nodeFree.some((where) => where.test(source.path))) continue
    const pure = source.path.startsWith('packages/otlp/') // Runs wherever JavaScript does.
    for (const { name, names, line } of importsOf(source.text)) {
      if (!name.startsWith('node:')) continue
      const allowed = /^node:assert(\/strict)?$/.test(name) || (name === 'node:zlib' && names === '{ crc32 }')
      if (pure || !allowed) complaints.push(`${source.path}:${line}: ${name} belongs to the edges`)
    }
    for (const [line, text] of codeLines(source.text)) {
      const global = (pure ? nodeGlobalOfOtlp : nodeGlobal).exec(text)
      if (global !== null) complaints.push(`${source.path}:${line}: ${global[0]} belongs to the edges`)
    }
  }
  return complaints
}

/** Files that no longer fit in a sitting. */
export function tooLong(sources: Source[]): string[] {
  return sources
    .map(({ path, text }) => ({ path, lines: text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > linesPerFileMax)
    .map(({ path, lines }) => `${path}:${linesPerFileMax + 1}: ${lines} lines, over ${linesPerFileMax}`)
}

/** Constructs that the project does without. (`any` is the linter's to find.) */
export function unwanted(sources: Source[]): string[] {
  const complaints: string[] = []
  for (const { path, text } of sources) {
    for (const [line, code] of codeLines(text)) {
      if (/^\s*(export )?(declare )?(const )?enum \w/.test(code)) complaints.push(`${path}:${line}: an enum`)
      if (/^export (type )?\*/.test(code))
        complaints.push(`${path}:${line}: export *: what is public is a list`)
      if (/^export default\b/.test(code)) complaints.push(`${path}:${line}: a default export`)
    }
    for (const [at, line] of text.split('\n').entries()) {
      const owed = /\b(TODO|FIXME|XXX|HACK)\b/.exec(line)
      if (owed === null || /https?:\/\/\S+\/issues\/\d+/.test(line)) continue
      complaints.push(`${path}:${at + 1}: ${owed[0]} without the link of an issue`)
    }
  }
  return complaints
}

/** Names of files and folders that are not in kebab-case. */
export function notKebabCase(paths: string[]): string[] {
  const kebab = /^\.?[a-z0-9]+([-.][a-z0-9]+)*$/
  return paths
    .filter((path) => !path.split('/').every((name) => kebab.test(name)))
    .map((path) => `${path}: not kebab-case`)
}

interface Import {
  name: string
  /** What is imported, as written, in one line: `{ crc32 }`, or empty. */
  names: string
  line: number
}

/** Every module that a file imports or passes on, also by `import()`, and the line that does. */
export function importsOf(text: string): Import[] {
  const found: Import[] = []
  const clause =
    /^(?:import\s+(?=['"])|(?:import|export)\s+(?:type\s+)?([^'"`;=]*?)\s+from\s+)['"]([^'"]+)['"]/gm
  for (const match of text.matchAll(clause)) {
    const names = (match[1] ?? '').replaceAll(/\s+/g, ' ')
    found.push({ name: match[2] as string, names, line: lineOf(text, match.index) })
  }
  for (const match of text.matchAll(/(?<![\w.])import\(\s*['"`]([^'"`]+)['"`]/g)) {
    found.push({ name: match[1] as string, names: '', line: lineOf(text, match.index) })
  }
  return found
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split('\n').length
}

/** The lines that are code, numbered from 1, without what follows `//`. */
function codeLines(text: string): [number, string][] {
  const lines: [number, string][] = []
  for (const [at, line] of text.split('\n').entries()) {
    if (/^\s*(\/\/|\/\*|\*)/.test(line)) continue
    lines.push([at + 1, line.replace(/ \/\/ .*$/, '')])
  }
  return lines
}
