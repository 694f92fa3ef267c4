import type { Command } from 'commander'
import type { Status } from '../out/admin.ts'
import { addAdminFlags, adminPortOf, fetchStatus, type AdminFlags } from './admin-port.ts'

/** As the alert among the examples has it. */
const nearShare = 0.8

interface Flags extends AdminFlags {
  json?: true
}

/** `swansong status`: what a running gateway holds, rejects and waits for. */
export function addStatus(program: Command): void {
  const command = program.command('status').description('what a running gateway holds, rejects and waits for')
  addAdminFlags(command).option('--json', 'as the gateway answers it').action(run)
}

async function run(flags: Flags): Promise<void> {
  let status: Status
  try {
    status = await fetchStatus(await adminPortOf(flags))
  } catch (error) {
    process.stderr.write(`swansong: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 1
    return
  }
  process.stdout.write(flags.json ? `${JSON.stringify(status, undefined, 2)}\n` : textOf(status))
}

/** One line a thing, its name first. */
function textOf(status: Status): string {
  const rows: [string, string][] = [
    ['gateway', `${status.version}, pid ${status.pid}, ${status.ready ? 'ready' : 'not ready'}`],
    ['ledger', `${status.ledger}, served for ${status.uptimeSeconds} s`],
    ['series', `${status.series}, ${status.seriesEnded} ended${corruptOf(status.pagesCorrupt)}`],
    [
      'new',
      `${status.seriesHeld} series are shown to scrapers at 0, for ${status.holdSeconds} s from their birth`,
    ],
    ['points', `${status.points} added${countsOf(', rejected: ', status.pointsRejected)}`],
    ['senders', `${status.senders} of cumulative points; ${status.pointsOld} points were old`],
    ['scraped', scrapedOf(status)],
    ['requests', countsOf('', status.requests) || 'none'],
    ...rowsOfOtherDoors(status),
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
  rows.push(['limits', nearOf(status)])
  for (const each of status.remoteWrite) {
    const last =
      each.lastSuccessSecondsAgo === undefined ? 'none yet' : `the last ${each.lastSuccessSecondsAgo} s ago`
    const queued =
      each.queuedForSeconds === undefined
        ? 'nothing queued'
        : `${each.queueBytes} bytes queued for ${each.queuedForSeconds} s`
    const dropped = countsOf(', dropped: ', each.dropped)
    rows.push(['writes to', `${each.name}: ${each.samples} samples taken, ${last}, ${queued}${dropped}`])
  }
  if (status.otlpOut !== undefined) {
    const { points, dropped, lastSuccessSecondsAgo } = status.otlpOut
    const last = lastOf(lastSuccessSecondsAgo)
    rows.push(['otlp out', `${points} points taken, ${last}${countsOf(', dropped: ', dropped)}`])
  }
  if (status.textfile !== undefined) {
    const { written, failed, lastSuccessSecondsAgo } = status.textfile
    rows.push([
      'textfile',
      `${written} written, ${lastOf(lastSuccessSecondsAgo)}${countsOf(', failed: ', failed)}`,
    ])
  }
  return rows.map(([name, text]) => `${name.padEnd(11)}${text}\n`).join('')
}

function scrapedOf({ lastScrape }: Status): string {
  return lastScrape === undefined ? 'not yet' : `the last ${lastScrape.secondsAgo} s ago, by ${lastScrape.by}`
}

/** Of doors that something came by, or that are open because somebody asked for them. */
function rowsOfOtherDoors({ grpcCalls, pushRequests, statsd, multiprocess }: Status): [string, string][] {
  const rows: [string, string][] = []
  const calls = countsOf('', grpcCalls)
  if (calls !== '') rows.push(['gRPC', `${calls} (0 is OK)`])
  const pushes = countsOf('', pushRequests)
  if (pushes !== '') rows.push(['pushes', pushes])
  if (statsd !== undefined) {
    const { lines, rejected, dropped } = statsd
    const lost = `datagrams dropped: ${dropped.kernel} by the kernel, ${dropped.gateway} here`
    rows.push(['statsd', `${lines} lines${countsOf(', rejected: ', rejected)}; ${lost}`])
  }
  if (multiprocess !== undefined) {
    const followed = Object.values(multiprocess.followed).reduce((sum, files) => sum + files, 0)
    const rejected = countsOf(', rejected: ', multiprocess.rejected)
    rows.push(['multiproc', `${followed} files followed, ${multiprocess.taken} taken whole${rejected}`])
  }
  return rows
}

/** What is nearly used up, so that nothing is refused before somebody has looked. */
function nearOf({ limits }: Status): string {
  const near = Object.entries(limits)
    .filter(([, { limit, used = 0 }]) => used > nearShare * limit)
    .map(([name, { limit, used = 0 }]) => `${name} ${Math.floor((100 * used) / limit)} % used`)
  return near.length === 0 ? `none near (over ${100 * nearShare} %)` : `${near.join(', ')}: raise them`
}

function lastOf(secondsAgo: number | undefined): string {
  return secondsAgo === undefined ? 'none yet' : `the last ${secondsAgo} s ago`
}

/** Said only where there are some: it is for a person to look after the disk. */
function corruptOf(pages: number): string {
  return pages === 0 ? '' : `; ${pages} corrupt pages were set aside at the start, look after the disk`
}

function countsOf(before: string, counts: Record<string, number>): string {
  const parts = Object.entries(counts).map(([name, count]) => `${count} × ${name.toLowerCase()}`)
  return parts.length === 0 ? '' : before + parts.join(', ')
}
