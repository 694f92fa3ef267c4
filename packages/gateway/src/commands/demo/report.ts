import { measures } from './count.ts'
import { type Ending, endings, endingsOf, exitCode, type Way, ways } from './endings.ts'
import type { Difference, Sums } from './sums.ts'
import { sumOf } from './sums.ts'
import type { Surprise } from './workers.ts'

/** Types with a row of their own; all others share one. */
const rowsMax = 10
const faultsMax = 10

/** One `kill -9` of the gateway. */
export interface Kill {
  /** Workers that were at work. */
  running: number
  /** From the kill until it was ready again. */
  downMs: number
}

/** The sums beside the truth. */
export function sumsTable(seen: Sums, truth: Sums): string {
  const types = [...new Set([...truth.keys(), ...seen.keys()])]
  const bytesOf = (type: string): number => truth.get(type)?.bytes ?? 0
  types.sort((a, b) => bytesOf(b) - bytesOf(a))
  const groups: [name: string, types: string[]][] = types.slice(0, rowsMax).map((type) => [type, [type]])
  const others = types.slice(rowsMax)
  if (others.length > 0) groups.push([`${others.length} others`, others])
  groups.push(['all', types])
  const rows = [['file type', ...measures.flatMap((measure) => [measure, 'truth'])]]
  for (const [name, members] of groups) {
    const counted = sumOf(seen, members)
    const real = sumOf(truth, members)
    rows.push([name, ...measures.flatMap((measure) => [shown(counted[measure]), shown(real[measure])])])
  }
  return aligned(rows)
}

/** How many workers ended how. */
export function endingsTable(ended: readonly { way: Way; ending: Ending }[]): string {
  const names: Record<Ending, string> = {
    natural: 'nothing left to do',
    exit: `process.exit(${exitCode})`,
    uncaught: 'uncaught error',
    SIGTERM: 'SIGTERM',
    SIGKILL: 'SIGKILL',
  }
  const rows = [[`${ended.length} workers ended`, ...ways.map((way) => `by ${way}`)]]
  for (const ending of Object.keys(endings) as Ending[]) {
    const countOf = (way: Way): string =>
      endingsOf[way].includes(ending)
        ? shown(ended.filter((job) => job.way === way && job.ending === ending).length)
        : '-'
    rows.push([names[ending], ...ways.map(countOf)])
  }
  return aligned(rows)
}

/** What went wrong on purpose, and what became of it. */
export function recoveryText(
  kills: readonly Kill[],
  own: { answered: number; batches: number; journals: number; duplicates: number },
  scrapes: number
): string {
  const killed = kills.map(
    ({ running, downMs }) =>
      `with ${running} workers at work, ready again after ${(downMs / 1000).toFixed(1)} s`
  )
  const rows = [
    [
      'gateway',
      `killed with -9 and started again ${kills.length} times: ${killed.join(`;\n${' '.repeat(12)}`)}`,
    ],
    ['POST', `${shown(own.answered)} batches answered *`],
    [
      'spool',
      `${shown(own.batches)} batches taken: nobody answered them, or the worker ended before the answer *`,
    ],
    ['journals', `${shown(own.journals)} taken *`],
    ['duplicates', `${shown(own.duplicates)} batches or journals came again, and were not counted again *`],
    ['scrapes', `${shown(scrapes)} meanwhile`],
    ['*', 'at least: what the gateway did between the last scrape and a kill, it took along'],
  ]
  return rows.map(([name = '', what]) => `${name.padEnd(12)}${what}\n`).join('')
}

/** How anybody looks at it. */
export function scrapeText(metricsAddress: string): string {
  return `curl http://${metricsAddress}/metrics

scrape_configs:
  - job_name: swansong
    honor_labels: true   # The workers' own job stays.
    static_configs:
      - targets: ['${metricsAddress}']
`
}

/** Everything that is not as it should be, a line each. Empty when all is well. */
export function faultsOf(found: {
  differences: readonly Difference[]
  surprises: readonly Surprise[]
  fallen: readonly string[]
  rejected: number
}): string[] {
  return [
    ...shortened(
      found.differences.map(
        ({ type, measure, seen, truth }) => `${measure} of ${type}: counted ${seen}, the truth is ${truth}`
      )
    ),
    ...shortened(
      found.surprises.map(({ job, what }) => `a worker by ${job.way} that ends by ${job.ending}: ${what}`)
    ),
    ...shortened([...found.fallen]),
    ...(found.rejected > 0 ? [`${found.rejected} spool files were rejected`] : []),
  ]
}

export function shown(count: number): string {
  return count.toLocaleString('en-US')
}

function shortened(lines: string[]): string[] {
  if (lines.length <= faultsMax) return lines
  return [...lines.slice(0, faultsMax), `and ${lines.length - faultsMax} more like this`]
}

/** The first column to the left, numbers to the right. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  const lines = rows.map((row) =>
    row.map((cell, column) => {
      const width = widths[column] ?? 0
      return column === 0 ? cell.padEnd(width) : cell.padStart(width + 2)
    })
  )
  return lines.map((cells) => `${cells.join('')}\n`).join('')
}
