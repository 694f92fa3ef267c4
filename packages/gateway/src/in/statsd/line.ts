/** What a line is of: a counter, a gauge, a timer in milliseconds, a distribution of numbers, a set. */
export type LineType = 'c' | 'g' | 'ms' | 'h' | 's'

/** Why a line is not counted. */
export type LineRejection =
  | 'no_value'
  | 'bad_value'
  | 'unknown_type'
  | 'bad_rate'
  | 'negative_counter'
  | 'not_utf8'
  | 'too_long'
  | 'not_a_metric'
  | 'entries_full'
  | 'sets_full'
  | 'gauges_full'

/** A line of StatsD or DogStatsD (CONFORMANCE H5, H6). One object, used for one line after the other. */
export interface Line {
  type: LineType
  name: string
  /** As written: several of them with `:` between. */
  values: string
  /** The share of what happened that was told; 1 where nothing is said. */
  rate: number
  /** As written, behind the `#`. */
  tags: string
  /** Unix seconds; 0 where nothing is said. */
  timeS: number
}

const types: ReadonlyMap<string, LineType> = new Map<string, LineType>([
  ['c', 'c'],
  ['m', 'c'], // A meter, as some clients call their counters.
  ['g', 'g'],
  ['ms', 'ms'],
  ['h', 'h'],
  ['d', 'h'], // A distribution is a histogram that is added up elsewhere: here.
  ['s', 's'],
])

/** Reads `name:value|type|@rate|#tags…`. What it does not know behind the type is passed over. */
export function readLine(text: string, line: Line): LineRejection | undefined {
  if (text.startsWith('_e{') || text.startsWith('_sc|')) return 'not_a_metric' // An event, or a check of a service.
  const bar = text.indexOf('|')
  const colon = text.indexOf(':')
  if (colon <= 0 || bar < colon || bar === colon + 1) return 'no_value'
  line.name = text.slice(0, colon)
  line.values = text.slice(colon + 1, bar)
  line.rate = 1
  line.tags = ''
  line.timeS = 0
  let end = text.indexOf('|', bar + 1)
  const type = types.get(end < 0 ? text.slice(bar + 1) : text.slice(bar + 1, end))
  if (type === undefined) return 'unknown_type'
  line.type = type
  while (end >= 0) {
    const start = end + 1
    end = text.indexOf('|', start)
    const field = end < 0 ? text.slice(start) : text.slice(start, end)
    if (field.startsWith('@')) {
      line.rate = Number(field.slice(1))
      if (!(line.rate > 0 && line.rate <= 1)) return 'bad_rate'
    } else if (field.startsWith('#')) line.tags = field.slice(1)
    else if (/^T\d{1,12}$/.test(field)) line.timeS = Number(field.slice(1))
  }
  return undefined
}

const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

/** A number as StatsD writes it; NaN for what is none. */
export function numberOf(text: string): number {
  return numberPattern.test(text) ? Number(text) : Number.NaN
}
