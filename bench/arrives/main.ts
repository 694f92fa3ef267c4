import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { foreignPeer, type Peer, recipes, startPeer } from './peers.ts'
import { type Crowd, run, settled } from './scenarios.ts'

/*
 * What arrives of what short-lived workers count: Swansong beside its peers, or any gateway at its addresses.
 *
 *   node bench/arrives/main.ts [--only NAME] [--write]
 *   node bench/arrives/main.ts --endpoint http://127.0.0.1:4318/v1/metrics --metrics http://127.0.0.1:9464/metrics
 */

const { values: options } = parseArgs({
  options: {
    endpoint: { type: 'string' },
    metrics: { type: 'string' },
    only: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})

/** Metrics of their own: what one of them does to a series is not seen in the next. */
const mark = Date.now().toString(36)
const crowds: readonly Crowd[] = [
  { metric: 'one', kind: 'counter', workers: 1000, atOnce: 32, series: 1, amount: 1 },
  { metric: 'many', kind: 'counter', workers: 2000, atOnce: 128, series: 20, amount: 1 },
  {
    metric: 'mixed',
    kind: 'counter',
    workers: 500,
    atOnce: 32,
    series: 1,
    amount: 1,
    long: { workers: 100, amount: 1000 },
  },
  { metric: 'histograms', kind: 'histogram', workers: 500, atOnce: 64, series: 5, amount: 3 },
  { metric: 'named', kind: 'counter', workers: 500, atOnce: 64, series: 20, amount: 1, isNamed: true },
]
const titles = [
  'peer',
  '32 at once, 1 series',
  '128 at once, 20 series',
  '100 long of 1,000, 500 short of 1',
  'histograms',
  'an instance id each: lines for 20',
  'the same request twice',
  '`kill -9` after the answers',
]

async function measured(peer: Peer): Promise<string[]> {
  const cells: string[] = [peer.name]
  for (const each of crowds) {
    const isForOtlp = each.kind === 'histogram' || each.isNamed === true
    if (isForOtlp && peer.speaks !== 'otlp') {
      cells.push('–')
      continue
    }
    const crowd = { ...each, metric: `arrives_${mark}_${each.metric}` }
    const { sent, refused } = await run(crowd, peer.send)
    const { sum, lines } = await settled(peer.metricsUrl, crowd.metric, sent)
    const told = refused > 0 ? ` (${share(refused, sent)} refused)` : ''
    cells.push(
      each.isNamed === true ? `${share(sum, sent)}, ${lines.toLocaleString('en')}` : share(sum, sent) + told
    )
  }
  cells.push(await twice(peer), await killed(peer))
  return cells
}

/** A sender that did not get its answer sends the same bytes again. */
async function twice({ sendUnanswered, send, metricsUrl }: Peer): Promise<string> {
  if (sendUnanswered === undefined) return '–'
  const metric = `arrives_${mark}_twice`
  const endMs = Date.now()
  const counted = { metric, kind: 'counter', amounts: [7], startMs: endMs - 100, endMs } as const
  await sendUnanswered(counted)
  await settled(metricsUrl, metric, 7)
  await send(counted).catch(() => {})
  const { sum } = await settled(metricsUrl, metric, 14)
  return sum === 7 ? 'counted once' : sum === 14 ? 'doubled' : `${sum} of 7`
}

/** What counts of before, once another count came: a sample that is still there says nothing of what goes on from it. */
async function killed({ killAndRestart, send, metricsUrl }: Peer): Promise<string> {
  if (killAndRestart === undefined) return '–'
  const metric = `arrives_${mark}_killed`
  const amount = 5
  const handOver = async (): Promise<void> => {
    const endMs = Date.now()
    await send({ metric, kind: 'counter', amounts: [amount], startMs: endMs - 1, endMs })
    await sleep(2) // So that their times differ.
  }
  for (let at = 0; at < 20; at++) await handOver()
  const before = await settled(metricsUrl, metric, 20 * amount)
  await killAndRestart()
  await handOver()
  const left = (await settled(metricsUrl, metric, before.sum + amount)).sum - amount
  if (left <= 0) return 'all lost'
  return left === before.sum ? 'nothing lost' : `${share(before.sum - left, before.sum)} lost`
}

/** Never rounded to what it is not. */
function share(part: number, whole: number): string {
  const percent = (100 * part) / whole
  if (percent === 100) return '**100 %**'
  const digits = percent >= 10 ? 1 : 2
  return `${(Math.floor(percent * 10 ** digits) / 10 ** digits).toFixed(digits)} %`
}

async function measuredAll(): Promise<string[][]> {
  const { endpoint, metrics, only } = options
  if (endpoint !== undefined) {
    if (metrics === undefined) throw new Error('--endpoint needs --metrics, the URL of what shows the sums')
    return [await measured(foreignPeer(endpoint, metrics))]
  }
  const rows: string[][] = []
  for (const recipe of recipes) {
    if (only !== undefined && !recipe.name.toLowerCase().includes(only.toLowerCase())) continue
    const peer = await startPeer(recipe)
    try {
      rows.push(await measured(peer))
    } finally {
      await peer.stop()
    }
    process.stderr.write(`${rows.at(-1)?.join(' | ') ?? ''}\n`)
  }
  return rows
}

const rows = await measuredAll()
const lines = [titles, titles.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`)
process.stdout.write(lines.join(''))
if (options.write) {
  const page = join(import.meta.dirname, '..', 'README.md')
  const text = readFileSync(page, 'utf8')
  const table = `<!-- arrives -->\n${lines.join('')}<!-- /arrives -->`
  if (!text.includes('<!-- arrives -->')) throw new Error(`${page} has no place for the table`)
  writeFileSync(
    page,
    text.replace(/<!-- arrives -->[^]*<!-- \/arrives -->/, () => table)
  )
}
