import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { Status } from '../out/admin.ts'

/** How a command asks a gateway's admin port. */
export interface AdminFlags {
  url: string
  bearerTokenFile?: string
}

/** `swansong status`: what a running gateway holds, rejects and waits for. */
export function addStatus(program: Command): void {
  const command = program.command('status').description('what a running gateway holds, rejects and waits for')
  addAdminFlags(command)
    .option('--json', 'as the gateway answers it')
    .action((flags: AdminFlags & { json?: true }) => run(flags))
}

/** The flags of `fetchStatus`. A certificate of one's own authority is trusted by NODE_EXTRA_CA_CERTS. */
export function addAdminFlags(command: Command): Command {
  return command
    .option('--url <url>', "the gateway's admin port", 'http://127.0.0.1:9465')
    .option('--bearer-token-file <file>', 'its token, where the admin port asks for one')
}

async function run(flags: AdminFlags & { json?: true }): Promise<void> {
  let status: Status
  try {
    status = await fetchStatus(flags)
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
export async function fetchStatus({ url, bearerTokenFile }: AdminFlags): Promise<Status> {
  const headers = new Headers()
  if (bearerTokenFile !== undefined) {
    const [token = ''] = readFileSync(bearerTokenFile, 'utf8').split('\n', 1)
    headers.set('authorization', `Bearer ${token.trim()}`)
  }
  const signal = AbortSignal.timeout(5000)
  const response = await fetch(new URL('/api/v1/status', url), { headers, signal })
  if (response.status === 401) throw new Error('it answers 401: give a token of its by --bearer-token-file')
  if (!response.ok) throw new Error(`it answers ${response.status}`)
  return (await response.json()) as Status
}

/** What an error of a request says: the cause, where it has one. */
export function whyOf(error: unknown): string {
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
