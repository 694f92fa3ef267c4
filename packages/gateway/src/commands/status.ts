import type { Command } from 'commander'
import type { Status } from '../out/admin.ts'

/** `swansong status`: what a running gateway holds, rejects and waits for. */
export function addStatus(program: Command): void {
  program
    .command('status')
    .description('what a running gateway holds, rejects and waits for')
    .option('--url <url>', "the gateway's admin port", 'http://127.0.0.1:9465')
    .option('--json', 'as the gateway answers it')
    .action((flags: { url: string; json?: true }) => run(flags))
}

async function run(flags: { url: string; json?: true }): Promise<void> {
  let status: Status
  try {
    status = await fetchStatus(flags.url)
  } catch (error) {
    process.stderr.write(
      `swansong: no gateway answers at ${flags.url}: ${whyOf(error)}; is it running, is --url its --admin address?\n`
    )
    process.exitCode = 1
    return
  }
  process.stdout.write(flags.json ? `${JSON.stringify(status, undefined, 2)}\n` : textOf(status))
}

/** What a gateway says of itself on its admin port. Rejects where none answers, or not with 200. */
export async function fetchStatus(url: string): Promise<Status> {
  const response = await fetch(new URL('/api/v1/status', url), { signal: AbortSignal.timeout(5000) })
  if (!response.ok) throw new Error(`it answers ${response.status}`)
  return (await response.json()) as Status
}

function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? error.cause.message : error.message
}

/** One line a thing, its name first. */
function textOf(status: Status): string {
  const rows: [string, string][] = [
    ['gateway', `${status.version}, pid ${status.pid}, ${status.ready ? 'ready' : 'not ready'}`],
    ['ledger', `${status.ledger}, served for ${status.uptimeSeconds} s`],
    ['series', String(status.series)],
    ['points', `${status.points} added${countsOf(', rejected: ', status.pointsRejected)}`],
    ['senders', `${status.senders} of cumulative points, ${status.pointsOld} of which were old`],
    ['requests', countsOf('', status.requests) || 'none'],
    ['refused', countsOf('', status.requestsRejected) || 'none'],
    ['superseded', `${status.pointsSuperseded} points, of ${status.onceKeys} units of work remembered`],
    ['duplicates', `${status.duplicates} batches, of ${status.batchIds} ids remembered`],
    ['commits', `${status.commits}, ${status.commitsFailed} failed`],
    ['journals', `${status.writers} of living processes, ${status.spool.journalsTaken} taken whole`],
    [
      'spool',
      `${status.spool.waiting} waiting, ${status.spool.batchesTaken} batches taken, ${status.spool.rejected} rejected`,
    ],
  ]
  return rows.map(([name, text]) => `${name.padEnd(11)}${text}\n`).join('')
}

function countsOf(before: string, counts: Record<string, number>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${count} × ${name.toLowerCase()}`)
  return parts.length === 0 ? '' : before + parts.join(', ')
}
