import type { KeyValue, Metric, NumberDataPoint } from '@swansong/otlp'
import { UsageError } from './arguments.ts'

export const types = ['counter', 'updown', 'gauge', 'histogram'] as const
type Type = (typeof types)[number]

export interface Asked {
  type: string | undefined
  unit: string | undefined
  bounds: string | undefined
  description: string | undefined
}

const delta = 1
/** Where OpenTelemetry's bounds, made for milliseconds, would put whole jobs into their last buckets. */
const secondsBounds = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 1800, 3600, 10_800, 43_200, 86_400]
const otherBounds = [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000]

/** One metric with one point, of a command line. */
export function readMetric(words: string[], labels: Record<string, string>, asked: Asked): Metric {
  const [word, ...others] = words
  if (word === undefined) throw new UsageError('what? As in: swansong push rows.imported=5')
  if (others.length > 0) throw new UsageError(`one metric at a time: ${others[0]} is one too many`)
  const type = readType(asked.type)
  const [, name = '', , text] = /^([^=]*)(=(.*))?$/s.exec(word) ?? []
  if (!/^[A-Za-z][\w./-]{0,254}$/.test(name))
    throw new UsageError(`'${name}' is no name of a metric: a letter, then letters, digits, _ . - /`)
  if (name.startsWith('swansong_') || name.startsWith('swansong.'))
    throw new UsageError(`${name}: names with swansong_ are the gateway's own; take another`)
  const value = readValue(name, type, text)
  const described = asked.description === undefined ? {} : { description: asked.description }
  const head = { name, ...described, ...(asked.unit === undefined ? {} : { unit: asked.unit }) }
  if (asked.bounds !== undefined && type !== 'histogram')
    throw new UsageError(`--bounds is for histograms; ${name} is a ${type}`)
  const times = timesNow()
  const attributes = attributesOf(labels)
  const point: NumberDataPoint = { attributes, ...times, asDouble: value }
  if (type === 'gauge') return { ...head, gauge: { dataPoints: [point] } }
  if (type === 'histogram') {
    const explicitBounds = readBounds(asked)
    const bucketCounts = [0, ...explicitBounds.map(() => 0)]
    const at = explicitBounds.findIndex((bound) => value <= bound)
    bucketCounts[at < 0 ? explicitBounds.length : at] = 1
    const recorded = { count: 1, sum: value, min: value, max: value, bucketCounts, explicitBounds }
    return {
      ...head,
      histogram: { dataPoints: [{ attributes, ...times, ...recorded }], aggregationTemporality: delta },
    }
  }
  const sum = { dataPoints: [point], aggregationTemporality: delta, isMonotonic: type === 'counter' }
  return { ...head, sum }
}

/** What is shown as its job: undefined where the environment says it in its own way. */
export function serviceNameOf(env: NodeJS.ProcessEnv): string | undefined {
  const isNamed =
    (env['OTEL_SERVICE_NAME'] ?? '').trim() !== '' ||
    /(^|,)\s*service\.name=/.test(env['OTEL_RESOURCE_ATTRIBUTES'] ?? '')
  return isNamed ? undefined : 'unknown_service'
}

function readType(text = 'counter'): Type {
  const type = types.find((each) => each === text)
  if (type === undefined) throw new UsageError(`--type ${text}: there are ${types.join(', ')}`)
  return type
}

function readValue(name: string, type: Type, text: string | undefined): number {
  if (text === undefined) {
    if (type === 'counter' || type === 'updown') return 1
    throw new UsageError(`a ${type} needs a value: ${name}=VALUE`)
  }
  const value = Number(text)
  if (!/\d/.test(text) || !Number.isFinite(value))
    throw new UsageError(`${name}=${text}: '${text}' is no number`)
  if (type === 'counter' && value < 0)
    throw new UsageError(`${name}=${text}: a counter only grows; --type updown goes down too`)
  return value
}

function readBounds({ bounds, unit }: Asked): number[] {
  if (bounds === undefined) return unit === 's' ? secondsBounds : otherBounds
  const numbers = bounds.split(',').map((text) => (/\d/.test(text) ? Number(text) : Number.NaN))
  const isSorted = numbers.every((number, at) => at === 0 || number > (numbers[at - 1] as number))
  if (!isSorted || !numbers.every(Number.isFinite))
    throw new UsageError(`--bounds ${bounds}: write numbers that ascend, as 0.1,1,10`)
  return numbers
}

function attributesOf(labels: Record<string, string>): KeyValue[] {
  return Object.entries(labels).map(([key, value]) => ({ key, value: { stringValue: value } }))
}

/** From the start of this process until now. */
function timesNow(): { startTimeUnixNano: bigint; timeUnixNano: bigint } {
  const now = BigInt(Date.now()) * 1_000_000n
  return { startTimeUnixNano: now - 1_000_000n * BigInt(Math.ceil(performance.now())), timeUnixNano: now }
}
