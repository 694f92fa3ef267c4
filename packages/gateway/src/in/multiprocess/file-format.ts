/*
 * The files of prometheus_client's multiprocess mode (its mmap_dict.py): four bytes say how much of the file is used, four
 * are padding; then entries: the length of the key, the key (JSON), spaces up to a multiple of eight, the value, and its
 * time, which versions before 0.18 do not have. The writer puts an entry there first and says after that it is used.
 */

export const fileTypes = ['counter', 'gauge', 'histogram', 'summary'] as const
export type FileType = (typeof fileTypes)[number]

/** Of the values that the processes of a gauge have, which is shown. */
export type GaugeMode = 'all' | 'min' | 'max' | 'sum' | 'mostrecent'
const gaugeModes: readonly string[] = ['all', 'min', 'max', 'sum', 'mostrecent'] satisfies GaugeMode[]

/** What the name of a file says. */
export interface FileName {
  type: FileType
  /** Of gauges. */
  mode: GaugeMode
  /** A gauge whose value goes with its process. */
  isLive: boolean
  /** The pid of the process, unless the application has another way to tell its processes apart. */
  process: string
}

/** `counter_123.db`, `gauge_livesum_123.db`; undefined for what no such file is called. */
export function parseFileName(name: string): FileName | undefined {
  if (!name.endsWith('.db')) return undefined
  const [type = '', ...rest] = name.slice(0, -'.db'.length).split('_')
  if (!(fileTypes as readonly string[]).includes(type)) return undefined
  let mode = 'all'
  let isLive = false
  if (type === 'gauge') {
    const written = rest.shift() ?? ''
    isLive = written.startsWith('live')
    mode = isLive ? written.slice('live'.length) : written
    if (!gaugeModes.includes(mode)) return undefined
  }
  const process = rest.join('_')
  if (process === '') return undefined
  return { type: type as FileType, mode: mode as GaugeMode, isLive, process }
}

/** Whose value an entry is. Shared by the entries of all files that have it. */
export interface EntryKey {
  /** As it stands in the file. */
  text: string
  /** The metric's name: a counter's is without its `_total`. */
  metric: string
  /** The sample's: `jobs_total`, `seconds_bucket`. */
  name: string
  labels: Readonly<Record<string, string>>
  help: string
}

/** What stands in a file, in its order. */
export interface FileContent {
  keys: EntryKey[]
  values: Float64Array
  /** Unix seconds; 0 where none was set. */
  times: Float64Array
}

/** Why a file cannot be read. */
export class FileFormatError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'FileFormatError'
  }
}

const headBytes = 8
/** Keys that are remembered at most: then it is begun anew. */
const keysMax = 200_000

/** Reads files, and remembers keys: those of one application are the same in all. */
export class FileReader {
  readonly #keys = new Map<string, EntryKey>()

  /** How much of a file is used, by its beginning; 0 where nothing is yet. */
  usedOf(head: Uint8Array): number {
    if (head.length === 0) return 0 // Made, and not filled yet.
    if (head.length < headBytes) throw new FileFormatError(`${head.length} bytes are less than a head`)
    const used = viewOf(head).getInt32(0, true)
    if (used !== 0 && used < headBytes) throw new FileFormatError(`${used} bytes cannot be in use`)
    return used
  }

  /** What stands in the used part of a file. Throws a FileFormatError. */
  read(used: Uint8Array): FileContent {
    const [bounds, valueBytes] = boundsOf(used)
    const view = viewOf(used)
    const count = bounds.length / 2
    const content = { keys: [], values: new Float64Array(count), times: new Float64Array(count) }
    const keys: EntryKey[] = content.keys
    for (let at = 0; at < count; at++) {
      const start = bounds[at * 2] as number
      const end = bounds[at * 2 + 1] as number
      keys.push(this.#keyOf(used, start, end))
      const value = start + paddedLength(end - start)
      content.values[at] = view.getFloat64(value, true)
      if (valueBytes > 8) content.times[at] = view.getFloat64(value + 8, true)
    }
    return content
  }

  #keyOf(bytes: Uint8Array, start: number, end: number): EntryKey {
    // As the bytes are: it is decoded once, when it is new.
    const raw = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start)
    const text = raw.toString('latin1')
    const known = this.#keys.get(text)
    if (known !== undefined) return known
    const key = parseKey(raw.toString())
    if (this.#keys.size >= keysMax) this.#keys.clear()
    this.#keys.set(text, key)
    return key
  }
}

/** Of a key as it stands in a file: JSON of the metric, the sample, the labels, and the help. */
export function parseKey(text: string): EntryKey {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw new FileFormatError(`a key is not JSON: ${text.slice(0, 60)}`)
  }
  const [metric, name, labels, help = ''] = Array.isArray(parsed) ? (parsed as unknown[]) : []
  const isWhole = typeof metric === 'string' && typeof name === 'string' && typeof help === 'string'
  if (!isWhole || !isTexts(labels))
    throw new FileFormatError(`a key is of another kind: ${text.slice(0, 60)}`)
  return { text, metric, name, labels, help }
}

function isTexts(labels: unknown): labels is Record<string, string> {
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels)) return false
  return Object.values(labels).every((value) => typeof value === 'string')
}

/** Where keys begin and end, and how many bytes stand behind each. */
function boundsOf(used: Uint8Array): [bounds: number[], valueBytes: number] {
  const bounds: number[] = []
  if (used.length === 0) return [bounds, 8]
  for (const valueBytes of [16, 8]) {
    bounds.length = 0
    if (findKeys(used, valueBytes, bounds)) return [bounds, valueBytes]
  }
  throw new FileFormatError('its entries are not whole')
}

function findKeys(used: Uint8Array, valueBytes: number, bounds: number[]): boolean {
  const view = viewOf(used)
  let at = headBytes
  while (at < used.length) {
    if (at + 4 > used.length) return false
    const length = view.getInt32(at, true)
    const start = at + 4
    if (length < 2 || start + length > used.length || used[start] !== openingBracket) return false
    bounds.push(start, start + length)
    at = start + paddedLength(length) + valueBytes
  }
  return at === used.length
}

const openingBracket = 0x5b

/** With the spaces behind it: never none, as the writer has it. */
function paddedLength(length: number): number {
  return length + 8 - ((length + 4) % 8)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
