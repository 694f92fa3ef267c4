import type { Counter, Gauge, Histogram, UpDownCounter } from '@swansong/sdk'

/** What the jobs of the endings count, a step at a time, with an instrument of each kind. */
export interface Tally {
  /** Steps `from` up to, not including, `to`. */
  count(from: number, to: number): void
}

/** How many steps a job takes, and how many of them come before the flush of those that flush. */
export const stepsAll = 1000
export const stepsFlushed = 600
/** Points that one who ends in order sends, all in one batch: two of the counter, a histogram, a gauge. */
export const pointsAtEnd = 4

const boundaries = [1, 3]

type Instruments = typeof import('@swansong/sdk')

/** Counts under this place of its own, where a series cannot be shared: the last value of a gauge. */
export function tally(sdk: Instruments | undefined, where: string): Tally {
  if (sdk === undefined) return { count: () => {} }
  const steps: Counter<'kind'> = sdk.counter('steps', { attributes: ['kind'] })
  const sizes: Histogram = sdk.histogram('sizes', { boundaries })
  const open: UpDownCounter = sdk.upDownCounter('open')
  const progress: Gauge<'where'> = sdk.gauge('progress', { attributes: ['where'] })
  return {
    count(from, to) {
      for (let step = from; step < to; step++) {
        steps.add(1, { kind: kindOf(step) })
        sizes.record(sizeOf(step))
        open.add(1)
        progress.record(step + 1, { where })
      }
    },
  }
}

/**
 * Of a service: what the gateway is to show when these places have counted so many steps. An up-down counter has what those
 * hold that were gone without a word, and of whom nobody can know it: `silent`.
 */
export function shownOf(
  service: string,
  counts: Readonly<Record<string, number>>,
  silent: number
): Map<string, number> {
  const shown = new Map<string, number>()
  const add = (name: string, labels: string, value: number): void => {
    const line = `${name}{job="${service}"${labels}}`
    shown.set(line, (shown.get(line) ?? 0) + value)
  }
  if (silent > 0) add('open', '', silent)
  for (const kind of ['a', 'b']) add('steps_total', `,kind="${kind}"`, 0)
  for (const [where, count] of Object.entries(counts)) {
    add('progress', `,where="${where}"`, count)
    for (const le of [...boundaries.map(String), '+Inf']) add('sizes_bucket', `,le="${le}"`, 0)
    add('sizes_count', '', count)
    add('sizes_sum', '', 0)
    for (let step = 0; step < count; step++) {
      add('steps_total', `,kind="${kindOf(step)}"`, 1)
      add('sizes_sum', '', sizeOf(step))
      for (const bound of [...boundaries, Infinity]) {
        const le = bound === Infinity ? '+Inf' : String(bound)
        if (sizeOf(step) <= bound) add('sizes_bucket', `,le="${le}"`, 1)
      }
    }
  }
  return shown
}

/** How many steps a service has at the gateway, by its counter. */
export function stepsShown(metrics: ReadonlyMap<string, number>, service: string): number {
  const of = (kind: string): number => metrics.get(`steps_total{job="${service}",kind="${kind}"}`) ?? 0
  return of('a') + of('b')
}

function kindOf(step: number): string {
  return step % 4 === 0 ? 'a' : 'b'
}

function sizeOf(step: number): number {
  return step % 5
}
