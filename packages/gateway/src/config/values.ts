import type { Address } from '../doors/server.ts'
import { nearest } from './nearest.ts'

/**
 * A kind of value: how it is written, in a file, a variable and a flag alike. Numbers are texts too until here, so that
 * `0660` and `off` mean the same wherever they stand.
 */
export interface ValueType<Value = unknown> {
  /** What the documentation calls it. */
  readonly name: string
  /** A list in the file; texts between commas elsewhere. */
  readonly isList?: true
  /** More than texts: only a file can say it, and `file-schema.ts` says how. */
  readonly isStructure?: true
  /** A relative one is taken from where the file stands. `read`: there must be a file, and it must be readable. */
  readonly path?: 'write' | 'read'
  /** Throws a TypeError that says what is wrong, and what to write instead. */
  parse(text: string): Value
  show(value: Value): string
}

/** Any text. */
export function text(name: string): ValueType<string> {
  return { name, parse: some, show: (value) => value }
}

export const directory: ValueType<string> = { ...text('directory'), path: 'write' }
export const socketPath: ValueType<string> = { ...text('path'), path: 'write' }
export const readableFile: ValueType<string> = { ...text('file'), path: 'read' }

/** Where a file for node_exporter is written: it reads no other names. */
export const promFile: ValueType<string> = {
  ...text('file'),
  path: 'write',
  parse(written) {
    if (/[^/]\.prom$/.test(written)) return written
    throw new TypeError(`node_exporter would not read ${quoted(written)}; write a name that ends in .prom`)
  },
}

/** Each `DIR`, or `JOB=DIR`. */
export const multiprocessDirs: ValueType<string> = {
  name: 'list of directories',
  isList: true,
  path: 'write',
  parse(written) {
    if (jobAndDirectory(some(written)).directory === '')
      throw new TypeError(`${quoted(written)} names no directory; write JOB=DIR, or DIR`)
    return written
  },
  show: (value) => String(value),
}

/** Of `JOB=DIR`; what has a slash before it is no job. */
export function jobAndDirectory(written: string): { job: string | undefined; directory: string } {
  const named = /^([^/=]+)=(.*)$/s.exec(written)
  return { job: named?.[1], directory: named?.[2] ?? written }
}

/** Each of them is parsed by itself. */
export function listOf<Value>(type: ValueType<Value>): ValueType<Value> {
  return { ...type, name: `list of ${type.name}`, isList: true }
}

/** Shown as the file would have it. */
export function structure(name: string): ValueType {
  return {
    name,
    isStructure: true,
    parse: () => {
      throw new TypeError(`${name} are written in a file; name it with --config`)
    },
    show: (value) => JSON.stringify(value),
  }
}

export function oneOf(name: string, choices: readonly string[]): ValueType<string> {
  const most = choices.slice(0, -1).join(', ')
  const all = most === '' ? String(choices[0]) : `${most} or ${choices.at(-1)}`
  return {
    name: choices.map((choice) => `\`${choice}\``).join(', '),
    parse(written) {
      if (choices.includes(written)) return written
      const meant = nearest(written, choices)
      const hint = meant === undefined ? `write ${all}` : `did you mean ${meant}?`
      const rest = meant === undefined || choices.length === 1 ? '' : ` Write ${all}`
      throw new TypeError(`${quoted(written)} is no ${name}; ${hint}${rest}`)
    },
    show: (value) => value,
  }
}

export const boolean: ValueType<boolean> = {
  name: '`true`, `false`',
  parse(written) {
    if (written === 'true' || written === 'false') return written === 'true'
    throw new TypeError(`${quoted(written)} is neither true nor false; write one of them`)
  },
  show: String,
}

/** A door's address; `off`, where it may stay shut. */
export const address: ValueType<Address> = { name: 'address', parse: parseAddress, show: showAddress }
export const addressOrOff: ValueType<Address | undefined> = {
  name: 'address or `off`',
  parse: (written) => (written === 'off' ? undefined : parseAddress(written, ', or off')),
  show: (value) => (value === undefined ? 'off' : showAddress(value)),
}

/** Where OTLP is posted to. Without a path it would be `/`, which is hardly ever meant. */
export const otlpUrl: ValueType<string> = {
  name: 'URL',
  parse(written) {
    const url = URL.parse(written)
    const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:'
    if (url === null || !isWeb)
      throw new TypeError(`${quoted(written)} is no URL; write one, as http://127.0.0.1:4318/v1/metrics`)
    if (url.username !== '' || url.password !== '')
      throw new TypeError(
        'the URL holds a name or a password; put the header Authorization into headers_file'
      )
    if (url.pathname === '/' && !written.endsWith('/'))
      throw new TypeError(`${quoted(written)} has no path; write ${url.origin}/v1/metrics`)
    return written
  },
  show: (value) => value,
}

/** Where remote write is posted to. */
export const remoteWriteUrl: ValueType<string> = {
  name: 'URL',
  parse(written) {
    const url = URL.parse(written)
    const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:'
    if (url === null || !isWeb)
      throw new TypeError(`${quoted(written)} is no URL; write one, as http://127.0.0.1:9090/api/v1/write`)
    if (url.username !== '' || url.password !== '')
      throw new TypeError('the URL holds a name or a password; use basic_auth in the file')
    if (url.pathname === '/' && !written.endsWith('/'))
      throw new TypeError(`${quoted(written)} has no path; write ${url.origin}/api/v1/write`)
    return written
  },
  show: (value) => value,
}
/** Receivers, by their URLs: what else there is to be said of one, the file says. */
export const remoteWrite: ValueType = {
  name: 'list of receivers',
  isList: true,
  parse: (written) => ({ url: remoteWriteUrl.parse(written) }),
  show: (value) =>
    [value]
      .flat()
      .map((each) => (each as { url: string }).url)
      .join(', '),
}

/** Milliseconds, written as Prometheus does. */
export const duration: ValueType<number> = {
  name: 'duration',
  parse: parseDuration,
  show: showDuration,
}
/** The same, or never: Infinity. */
export const durationOrNever: ValueType<number> = {
  name: 'duration or `never`',
  parse: (written) => (written === 'never' ? Infinity : parseDuration(written, ', or never')),
  show: showDuration,
}
/** The same, or off: 0, or auto. */
export const hold: ValueType<number | 'auto'> = {
  name: 'duration, `off` or `auto`',
  parse(written) {
    if (written === 'auto') return written
    return written === 'off' ? 0 : parseDuration(written, ', off or auto')
  },
  show: (value) => (value === 'auto' ? value : value === 0 ? 'off' : showDuration(value)),
}
/** The same in seconds, whole ones. */
export const seconds: ValueType<number> = {
  ...duration,
  parse(written) {
    const value = duration.parse(written) / 1000
    if (Number.isInteger(value)) return value
    throw new TypeError(`${written} is no whole number of seconds; write one, as 30s`)
  },
  show: (value) => duration.show(value * 1000),
}
/** Any finite number. */
export const decimal: ValueType<number> = {
  name: 'numbers',
  parse(written) {
    const value = Number(written)
    if (written.trim() !== '' && Number.isFinite(value)) return value
    throw new TypeError(`${quoted(written)} is no finite number; write one, as 0.5`)
  },
  show: String,
}
/** Bytes. */
export const size: ValueType<number> = { name: 'size', parse: parseSize, show: showSize }
export const count: ValueType<number> = { name: 'count', parse: parseCount, show: String }
/** The bits of a file's mode. */
export const fileMode: ValueType<number> = {
  name: 'file mode',
  parse(written) {
    const digits = /^(?:0o?)?([0-7]{3})$/.exec(written)?.[1]
    if (digits !== undefined) return Number.parseInt(digits, 8)
    throw new TypeError(`${quoted(written)} is no file mode; write three octal digits, as 0660`)
  },
  show: (value) => `0${value.toString(8)}`,
}

/** A type whose values are within bounds, both of them allowed. */
export function within(type: ValueType<number>, min: number, max: number): ValueType<number> {
  return {
    ...type,
    parse(written) {
      const value = type.parse(written)
      if (value >= min && value <= max) return value
      const bounds =
        max === Infinity ? `at least ${type.show(min)}` : `${type.show(min)} to ${type.show(max)}`
      throw new TypeError(`${written} is out of bounds; write ${bounds}`)
    },
  }
}

/** `HOST:PORT`, `:PORT`, `[::1]:PORT`. Throws a TypeError that says what is wrong with it. */
export function parseAddress(written: string, orElse = ''): Address {
  const match = /^(?:\[([\da-fA-F:.]+(?:%\w+)?)\]|([^:[\]\s/]*)):(\d{1,5})$/.exec(written)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    throw new TypeError(`${quoted(written)} is no address: write HOST:PORT, as 127.0.0.1:4318${orElse}`)
  }
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port }
}

export function showAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

const secondMs = 1000
const minuteMs = 60 * secondMs
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
/** From the largest, as they must follow each other. */
const durationUnits: readonly (readonly [string, number])[] = [
  ['y', 365 * dayMs],
  ['w', 7 * dayMs],
  ['d', dayMs],
  ['h', hourMs],
  ['m', minuteMs],
  ['s', secondMs],
  ['ms', 1],
]

function parseDuration(written: string, orElse = ''): number {
  const match = /^(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$/.exec(
    written
  )
  if (written === '0') return 0
  if (match === null || written === '') {
    const examples = `a number and its unit, as 90s, 10m, 1h30m or 35d${orElse}`
    throw new TypeError(`${quoted(written)} is no duration; write ${examples}`)
  }
  let ms = 0
  for (const [at, [, unitMs]] of durationUnits.entries()) ms += Number(match[at + 1] ?? 0) * unitMs
  if (Number.isSafeInteger(ms)) return ms
  throw new TypeError(`${quoted(written)} is longer than time is counted; write a shorter duration`)
}

/** Weeks and years are read, but days are what people compare. */
function showDuration(ms: number): string {
  if (ms === Infinity) return 'never'
  let rest = ms
  let shown = ''
  for (const [unit, unitMs] of durationUnits.slice(2)) {
    const whole = Math.floor(rest / unitMs)
    if (whole > 0) shown += `${whole}${unit}`
    rest -= whole * unitMs
  }
  return shown || '0s'
}

const sizeUnits: readonly (readonly [string, number])[] = [
  ['TiB', 2 ** 40],
  ['GiB', 2 ** 30],
  ['MiB', 2 ** 20],
  ['KiB', 2 ** 10],
  ['B', 1],
]

function parseSize(written: string): number {
  const [, digits, unit = 'B'] = /^(\d+) ?(\w+)?$/.exec(written) ?? []
  const bytes = Number(digits) * (sizeUnits.find(([name]) => name === unit)?.[1] ?? Number.NaN)
  if (Number.isSafeInteger(bytes)) return bytes
  throw new TypeError(`${quoted(written)} is no size; write bytes, or a number and KiB, MiB or GiB, as 64MiB`)
}

function showSize(bytes: number): string {
  const [unit, unitBytes] = sizeUnits.find(([, each]) => bytes >= each && bytes % each === 0) ?? ['B', 1]
  return `${bytes / unitBytes}${unit}`
}

function parseCount(written: string): number {
  const value = Number(written)
  if (/^\d+$/.test(written) && Number.isSafeInteger(value)) return value
  throw new TypeError(`${quoted(written)} is no count; write digits alone, as 1000000`)
}

function some(written: string): string {
  return written
}

function quoted(written: string): string {
  return JSON.stringify(written.length > 100 ? `${written.slice(0, 100)}…` : written)
}
