import { refusals, rejections } from '../refusal.ts'
import type { RemoteWriteStats, Stats } from '../stats.ts'
import { shownLimits } from './limits-shown.ts'
import { type OwnFormat, OwnText } from './own-text.ts'

/** The gateway's own metrics, `swansong_`, as text. Counted since the process began, not kept in the ledger. */
export function renderOwn(stats: Stats, version: string, limits: object, format: OwnFormat): string {
  const own = new OwnText(format)
  own.one('build_info', 'gauge', 'The version that runs.', 1, `version="${version}"`)
  ownRequests(own, stats)
  own.one(
    'tls_handshakes_failed_total',
    'counter',
    'Connections that no TLS came about on.',
    stats.tlsHandshakesFailed
  )
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
    fromZero(rejections, stats.pointsRejected)
  )
  ownRules(own, stats)
  addRetries(own, stats)
  own.one('received_bytes_total', 'counter', 'Bytes of bodies, as received.', stats.receivedBytes)
  own.one('in_flight_bytes', 'gauge', 'Bytes of bodies under way.', stats.bytesInFlight())
  own.one('commits_total', 'counter', 'Durable commits.', stats.commits)
  own.one('commits_failed_total', 'counter', 'Commits that failed and were taken back.', stats.commitsFailed)
  own.one('commit_seconds_total', 'counter', 'Seconds spent in durable commits.', stats.commitSeconds)
  ownSeries(own, stats)
  own.one('writers', 'gauge', 'Journals of living processes that are followed.', stats.writers)
  own.one('senders', 'gauge', 'Senders of cumulative points that are followed.', stats.senders)
  ownSpool(own, stats)
  ownMultiprocess(own, stats)
  own.one('scrapes_total', 'counter', 'Answers to GET /metrics.', stats.scrapes)
  own.one('scrape_seconds_total', 'counter', 'Seconds spent rendering them.', stats.scrapeSeconds)
  ownOtlpOut(own, stats)
  ownTextfile(own, stats)
  ownRemoteWrite(own, stats)
  ownStatsd(own, stats)
  ownConfig(own, stats)
  own.one(
    'bugs_total',
    'counter',
    'Requests that met a bug in the gateway. Always 0; else please report it.',
    stats.bugs
  )
  ownConnections(own, stats)
  own.byName(
    'points_overflow_total',
    'Points counted in an overflow series, by metric.',
    'metric',
    stats.pointsOverflow
  )
  own.limits(shownLimits(limits, stats))
  return own.text
}

function ownSpool(own: OwnText, stats: Stats): void {
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
}

function ownMultiprocess(own: OwnText, { multiprocess }: Stats): void {
  const { followed, taken, rejected } = multiprocess
  if (followed.size === 0) return
  own.byName('multiprocess_files', 'Files that are followed, by directory.', 'directory', followed, 'gauge')
  own.one(
    'multiprocess_files_taken_total',
    'counter',
    'Files of dead processes taken whole and removed.',
    taken
  )
  own.each(
    'multiprocess_files_rejected_total',
    'Times that a multiprocess file, or a directory, could not be taken, by reason.',
    'reason',
    rejected
  )
}

function ownRules(own: OwnText, stats: Stats): void {
  own.byName('points_dropped_total', 'Points of metrics that a rule drops.', 'rule', stats.pointsDropped)
  own.byName(
    'resource_attributes_dropped_total',
    'Attributes of resources that became no labels, by name, each time one came.',
    'attribute',
    stats.resourceAttributesDropped()
  )
  own.byName(
    'point_attributes_dropped_total',
    'Attributes of points that rules drop, by name, for each set of attributes that was new.',
    'attribute',
    stats.pointAttributesDropped()
  )
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
    'pushgateway_requests_total',
    "Requests of Pushgateway's API, by the status they were answered with.",
    'code',
    stats.pushRequests
  )
  own.each(
    'requests_rejected_total',
    'Requests of which nothing was counted, by reason.',
    'reason',
    fromZero(refusals, stats.refusals)
  )
}

function ownOtlpOut(own: OwnText, { otlpOut }: Stats): void {
  if (otlpOut === undefined) return
  const { points, dropped, lastSuccessUnixMs = 0 } = otlpOut
  own.one('otlp_out_points_total', 'counter', 'Points that the receiver behind took.', points)
  own.each('otlp_out_points_dropped_total', 'Points that it did not take, by reason.', 'reason', dropped)
  own.one(
    'otlp_out_last_success_timestamp_seconds',
    'gauge',
    'When it last took a request; 0 before the first.',
    lastSuccessUnixMs / 1000
  )
}

function ownTextfile(own: OwnText, { textfile }: Stats): void {
  if (textfile === undefined) return
  const { written, failed, lastSuccessUnixMs = 0 } = textfile
  own.one('textfile_writes_total', 'counter', 'How often the textfile was replaced.', written)
  own.each('textfile_writes_failed_total', 'How often it stayed as it was, by reason.', 'reason', failed)
  own.one(
    'textfile_last_success_timestamp_seconds',
    'gauge',
    'When it was last replaced; 0 before the first time.',
    lastSuccessUnixMs / 1000
  )
}

/** One line a receiver, by its name. */
function ownRemoteWrite(own: OwnText, { remoteWrite: receivers }: Stats): void {
  if (receivers.length === 0) return
  const of = (read: (receiver: RemoteWriteStats) => number): [string, number][] =>
    receivers.map((receiver) => [`endpoint="${receiver.name}"`, read(receiver)])
  own.many(
    'remote_write_samples_total',
    'counter',
    'Samples and native histograms that the receiver took.',
    of((each) => each.samples)
  )
  own.many(
    'remote_write_exemplars_total',
    'counter',
    'Exemplars that went with them.',
    of((each) => each.exemplars)
  )
  const dropped = receivers.flatMap(({ name, dropped: reasons }) =>
    [...reasons].map(([reason, count]): [string, number] => [`endpoint="${name}",reason="${reason}"`, count])
  )
  own.many(
    'remote_write_samples_dropped_total',
    'counter',
    'Samples that will not arrive, by reason.',
    dropped
  )
  own.many(
    'remote_write_retries_total',
    'counter',
    'Requests that were to be sent again.',
    of((each) => each.retried)
  )
  own.many(
    'remote_write_queue_bytes',
    'gauge',
    'What is queued on the disk.',
    of((each) => each.queueBytes())
  )
  own.many(
    'remote_write_queue_max_bytes',
    'gauge',
    'What may be queued (queue_config.max_bytes).',
    of((each) => each.queueBytesMax)
  )
  own.many(
    'remote_write_queue_oldest_timestamp_seconds',
    'gauge',
    'When the oldest was collected that is queued; 0 where nothing is.',
    of((each) => (each.oldestQueuedUnixMs() ?? 0) / 1000)
  )
  own.many(
    'remote_write_highest_sent_timestamp_seconds',
    'gauge',
    'When the newest was collected that was sent; 0 before the first.',
    of((each) => each.lastSentUnixMs / 1000)
  )
  own.many(
    'remote_write_last_success_timestamp_seconds',
    'gauge',
    'When a request was last taken; 0 before the first.',
    of((each) => (each.lastSuccessUnixMs ?? 0) / 1000)
  )
  own.many(
    'remote_write_protocol_version',
    'gauge',
    'The version of remote write that is spoken.',
    of((each) => each.protocol)
  )
}

function ownStatsd(own: OwnText, { statsd }: Stats): void {
  if (statsd === undefined) return
  own.one('statsd_packets_total', 'counter', 'Datagrams of StatsD that were received.', statsd.packets)
  own.one('statsd_lines_total', 'counter', 'Lines of StatsD that were read.', statsd.lines)
  own.each(
    'statsd_lines_rejected_total',
    'Lines that were not counted, by reason.',
    'reason',
    statsd.rejected
  )
  const kernel = statsd.kernelDropped.reduce((sum, drops) => sum + drops(), 0)
  own.each(
    'statsd_dropped_total',
    'Datagrams that were dropped: by the kernel, as its buffer was full, or here.',
    'by',
    new Map([
      ['kernel', kernel],
      ['gateway', statsd.gatewayDropped],
    ])
  )
  own.one(
    'statsd_receive_buffer_bytes',
    'gauge',
    'What the kernel gave to hold datagrams until they are read.',
    statsd.receiveBufferBytes
  )
}

/** Under the names that Prometheus has for its own. */
function ownConfig(own: OwnText, { config }: Stats): void {
  own.one(
    'config_last_reload_successful',
    'gauge',
    'Whether the configuration was right when it was last read.',
    Number(config.isReloaded)
  )
  own.one(
    'config_last_reload_success_timestamp_seconds',
    'gauge',
    'When the configuration was last read and right.',
    config.reloadedAtMs / 1000
  )
}

/** Reasons that were not met yet are there, at 0: `increase()` would not see the first of one that is born at 1. */
function fromZero<Reason extends string>(
  reasons: Readonly<Record<Reason, unknown>>,
  counts: ReadonlyMap<Reason, number>
): Map<Reason, number> {
  const all = Object.keys(reasons) as Reason[]
  return new Map(all.map((reason) => [reason, counts.get(reason) ?? 0]))
}

/** What came again, and what is remembered to know it. */
function addRetries(own: OwnText, stats: Stats): void {
  own.one(
    'duplicates_total',
    'counter',
    'Batches that had been counted before, and were not again.',
    stats.duplicates
  )
  own.one('points_superseded_total', 'counter', 'Points of attempts left out.', stats.pointsSuperseded)
  own.one('once_keys', 'gauge', 'Units of work (swansong.once) that are remembered.', stats.onceKeys)
  own.one('batch_ids', 'gauge', 'Ids of batches that are remembered.', stats.batchIds)
}

function takenByKind(stats: Stats): Map<string, number> {
  return new Map(Object.entries(stats.spoolFilesTaken))
}

function ownConnections(own: OwnText, stats: Stats): void {
  own.one('scrapes_rejected_total', 'counter', 'Scrapes that there was no room for.', stats.scrapesRefused)
  own.each('connections', 'Connections that are open, by door.', 'door', stats.connections, 'gauge')
  own.each(
    'connections_rejected_total',
    'Connections closed as soon as they came, as there were too many, by door.',
    'door',
    stats.connectionsRefused
  )
  own.each(
    'connections_cut_total',
    'Connections cut because they were too slow, by what was.',
    'reason',
    stats.connectionsCut
  )
}

function ownSeries(own: OwnText, stats: Stats): void {
  own.one('series', 'gauge', 'Series in the ledger.', stats.series)
  own.one('series_held', 'gauge', 'Those of them that scrapers are shown at 0 still.', stats.seriesHeld())
  own.one(
    'first_increment_hold_seconds',
    'gauge',
    'For how long, from the birth of each.',
    stats.holdMs() / 1000
  )
  own.one(
    'series_ended_total',
    'counter',
    'Series that ended, as nothing was told of them for their time to live.',
    stats.seriesEnded
  )
  own.one(
    'metrics_hidden',
    'gauge',
    'Metrics that are not shown, as another kind of metric has their name by the translation strategy.',
    stats.metricsHidden
  )
  own.one(
    'pushed_lines_hidden',
    'gauge',
    'Lines that were pushed to groups and are not shown, as series of the ledger have their names and labels.',
    stats.pushedLinesHidden()
  )
  own.one(
    'store_pages_corrupt',
    'gauge',
    'Pages of the store that did not match their checksum at the start; their series began anew.',
    stats.pagesDamaged
  )
}
