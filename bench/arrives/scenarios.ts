import { setTimeout as sleep } from 'node:timers/promises'
import type { Counted, Send } from './sends.ts'

/** How many workers there are, of what, and how many live at once. They live for 20 to 200 ms. */
export interface Crowd {
  metric: string
  kind: Counted['kind']
  workers: number
  atOnce: number
  series: number
  amount: number
  /** Each says which one it is. */
  isNamed?: boolean
  /** Besides, so many that live as long as all of them together, with such amounts. */
  long?: { workers: number; amount: number }
}

export interface Outcome {
  /** The sum of all that was counted, and of that what a gateway refused to take. */
  sent: number
  refused: number
}

/** Lets them live and hand over what they counted. */
export async function run(crowd: Crowd, send: Send): Promise<Outcome> {
  const { workers, atOnce, series, amount, long = { workers: 0, amount: 0 } } = crowd
  const outcome = { sent: 0, refused: 0 }
  const begunMs = Date.now()
  const handOver = async (each: number, startMs: number, name: string): Promise<void> => {
    const amounts = Array.from({ length: series }, () => each)
    const { metric, kind, isNamed = false } = crowd
    const counted: Counted = { metric, kind, amounts, startMs, endMs: Date.now() }
    if (isNamed) counted.instance = name
    outcome.sent += each * series
    await send(counted).catch(() => (outcome.refused += each * series))
  }
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < workers) {
      const number = next++
      const startMs = Date.now()
      await sleep(20 + Math.random() * 180)
      await handOver(amount, startMs, `worker-${number}`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, lane))
  const lasting = Array.from({ length: long.workers }, (_, at) =>
    handOver(long.amount, begunMs, `long-${at}`)
  )
  await Promise.all(lasting)
  return outcome
}

const settledMs = 2000
const settledMsMax = 20_000

/** What a scrape shows of a metric, all series together, once that does not change any more; `lines`: how many there are. */
export async function settled(
  url: string,
  metric: string,
  want: number
): Promise<{ sum: number; lines: number }> {
  const giveUpAt = performance.now() + settledMsMax
  let last = { sum: Number.NaN, lines: 0 }
  let since = performance.now()
  for (;;) {
    const now = await shown(url, metric)
    if (now.sum === want) return now
    if (now.sum !== last.sum) since = performance.now()
    last = now
    if (performance.now() - since > settledMs || performance.now() > giveUpAt) return now
    await sleep(200)
  }
}

async function shown(url: string, metric: string): Promise<{ sum: number; lines: number }> {
  const text = await fetch(url).then(
    (response) => response.text(),
    () => ''
  )
  let sum = 0
  let lines = 0
  for (const line of text.split('\n')) {
    if (!line.startsWith(`${metric}_total`) && !line.startsWith(`${metric}_count`)) continue
    sum += Number(/^[^{ ]+(?:\{.*\})? (\S+)/.exec(line)?.[1] ?? 0)
    lines++
  }
  return { sum, lines }
}
