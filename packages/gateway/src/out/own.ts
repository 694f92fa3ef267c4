import type { Stats } from '../stats.ts'

/** The gateway's own metrics, `swansong_`, as text 0.0.4. Counted since the process began, not kept in the ledger. */
export function renderOwn(stats: Stats, version: string): string {
  const own = new OwnText()
  own.one('build_info', 'gauge', 'The version that runs.', 1, `version="${version}"`)
  ownRequests(own, stats)
  own.one('points_total', 'counter', 'Points that were added.', stats.points)
  own.one(
    'points_old_total',
    'counter',
    'Cumulative points that were no later than what their sender had told before.',
    stats.pointsOld
  )
  own.each(
    'points_rejected_total',
    'Points that were not counted, by reason.',
    'reason',
    stats.pointsRejected
  )
  own.one(
    'duplicates_total',
    'counter',
    'Batches that had been counted before, and were not again.',
    stats.duplicates
  )
  own.one('received_bytes_total', 'counter', 'Bytes of bodies, as received.', stats.receivedBytes)
  own.one('in_flight_bytes', 'gauge', 'Bytes of bodies under way.', stats.bytesInFlight())
  own.one('commits_total', 'counter', 'Durable commits.', stats.commits)
  own.one('commits_failed_total', 'counter', 'Commits that failed and were taken back.', stats.commitsFailed)
  own.one('commit_seconds_total', 'counter', 'Seconds spent in durable commits.', stats.commitSeconds)
  own.one('series', 'gauge', 'Series in the ledger.', stats.series)
  own.one('batch_ids', 'gauge', 'Ids of batches that are remembered.', stats.batchIds)
  own.one('writers', 'gauge', 'Journals of living processes that are followed.', stats.writers)
  own.one('senders', 'gauge', 'Senders of cumulative points that are followed.', stats.senders)
  own.each(
    'spool_files_taken_total',
    'Spool files taken whole and removed, by kind.',
    'kind',
    takenByKind(stats)
  )
  own.one(
    'spool_files_rejected_total',
    'counter',
    'Spool files set aside in rejected/.',
    stats.spoolFilesRejected
  )
  own.one('spool_files_waiting', 'gauge', 'Spool files that were not taken yet.', stats.spoolFilesWaiting)
  own.one('scrapes_total', 'counter', 'Answers to GET /metrics.', stats.scrapes)
  own.one('scrape_seconds_total', 'counter', 'Seconds spent rendering them.', stats.scrapeSeconds)
  own.one(
    'bugs_total',
    'counter',
    'Requests that met a bug in the gateway. Always 0; else please report it.',
    stats.bugs
  )
  return own.text
}

function ownRequests(own: OwnText, stats: Stats): void {
  own.each(
    'requests_total',
    'Requests of OTLP/HTTP, by the status they were answered with.',
    'code',
    stats.requests
  )
  own.each(
    'grpc_calls_total',
    "Calls of OTLP/gRPC, by gRPC's number of the status that they were answered with.",
    'code',
    stats.grpcCalls
  )
  own.each(
    'requests_rejected_total',
    'Requests of which nothing was counted, by reason.',
    'reason',
    stats.refusals
  )
}

function takenByKind(stats: Stats): Map<string, number> {
  return new Map(Object.entries(stats.spoolFilesTaken))
}

class OwnText {
  text = ''

  one(name: string, type: 'counter' | 'gauge', help: string, value: number, labels = ''): void {
    this.#head(name, type, help)
    this.text += `swansong_${name}${labels === '' ? '' : `{${labels}}`} ${value}\n`
  }

  each(name: string, help: string, label: string, counts: ReadonlyMap<string | number, number>): void {
    if (counts.size === 0) return
    this.#head(name, 'counter', help)
    for (const [key, count] of counts) {
      const value = typeof key === 'string' ? key.toLowerCase() : key
      this.text += `swansong_${name}{${label}="${value}"} ${count}\n`
    }
  }

  #head(name: string, type: 'counter' | 'gauge', help: string): void {
    this.text += `# HELP swansong_${name} ${help}\n# TYPE swansong_${name} ${type}\n`
  }
}
