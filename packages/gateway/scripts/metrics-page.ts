import { completeConfig } from '../src/config/config.ts'
import { limitKeyOf } from '../src/config/limit-keys.ts'
import { plainText } from '../src/out/own-text.ts'
import { renderOwn } from '../src/out/own.ts'
import { type RejectionReason, rejections, rejectionText, refusals } from '../src/refusal.ts'
import { lineRejectionTexts, refusalTexts } from './metrics-reasons.ts'
import { everythingHappened } from './metrics-stats.ts'

const before = `# What the gateway says of itself

<!-- Written by \`npm run docs -w packages/gateway\` from packages/gateway/src: change it there. -->

\`/metrics\` has, beside the series of the jobs, the gateway's own: all names begin with \`swansong_\`, and no job may have such a
name. Its counters begin at 0 with the process and are not kept in the ledger. The reasons of the first two tables below are there from the
beginning, at 0, so that \`increase()\` sees the first of each; other labels, and the metrics of outputs and doors that are not switched on,
are there once there is something to say. \`swansong status\` prints most of it, and \`/api/v1/status\` on the admin port is that in JSON.

[Alerts](../examples/prometheus/alerts.yml) and [a dashboard](../examples/grafana) are among the examples. If you watch five things only:

| | |
| --- | --- |
| \`up{job="swansong"} == 0\` | The gateway is not there. Counts wait in the spool meanwhile, and in retrying senders. |
| \`increase(swansong_points_rejected_total[15m]) > 0\` | Somebody's points are not counted, for a reason below; the log names one of them. |
| \`increase(swansong_requests_rejected_total[15m]) > 0\` | The same of whole requests. |
| \`swansong_limit_used / swansong_limit > 0.8\` | A limit is near, before anything is refused. |
| \`increase(swansong_commits_failed_total[15m]) > 0\` | The disk is full, or fails: senders are told to try again. |
`

/** The page's order. What none of these names is in the last. */
const sections: readonly (readonly [title: string, names: RegExp])[] = [
  [
    'What came in',
    /^(requests|grpc_calls|pushgateway_requests|received|in_flight|points_(total|old|rejected|dropped|overflow)|.*attributes_dropped)/,
  ],
  ['What came again', /^(duplicates|points_superseded|once_keys|batch_ids)/],
  ['The ledger', /^(commits|commit_|series|store_|metrics_hidden|pushed_|first_increment)/],
  ['Journals, spool, senders', /^(writers|senders|spool_)/],
  ['Scrapes and connections', /^(scrape|connections|tls_)/],
  ['StatsD', /^statsd_/],
  ['Multiprocess directories', /^multiprocess_/],
  ['OTLP out', /^otlp_out_/],
  ['Remote write', /^remote_write_/],
  ['Textfile', /^textfile_/],
  ['Limits, configuration, the rest', /./],
]

/** What labels can be, where that is not told by the tables below or by what others have named. */
const labelValues: Readonly<Record<string, string>> = {
  requests_rejected_total: '[below](#why-a-request-is-refused)',
  points_rejected_total: '[below](#why-a-point-is-not-counted)',
  statsd_lines_rejected_total: '[below](#why-a-line-of-statsd-is-not-counted)',
  spool_files_taken_total: '`batch`, `journal`',
  connections_cut_total: '`request`, `answer`, `stalled`',
  statsd_dropped_total: '`kernel`, `gateway`',
  otlp_out_points_dropped_total: '`refused`, `partial_success`, `unavailable`',
  textfile_writes_failed_total: '`disk_full`, `not_allowed`, `too_large`, `failed`',
  multiprocess_files_rejected_total:
    "`not_readable`, `refused`, `directory_unusable`, or the system's code (`eacces`)",
  remote_write_samples_dropped_total: '[remote write](remote-write.md#when-the-receiver-is-away)',
}

interface Metric {
  name: string
  type: string
  labels: string[]
  help: string
}

/** `docs/metrics.md`, as it must be. */
export function metricsPage(): string {
  const metrics = new Set(ownMetrics())
  let text = before
  for (const [title, names] of sections) {
    text += `\n## ${title}\n\n| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n`
    for (const metric of metrics) {
      if (!names.test(metric.name)) continue
      metrics.delete(metric)
      text += rowOf(metric)
    }
  }
  return text + refusalTable() + rejectionTable() + lineTable()
}

function rowOf({ name, type, labels, help }: Metric): string {
  const values = labelValues[name]
  const shown = labels.map((label) => `\`${label}\``).join(', ')
  const told = values === undefined ? shown : `${shown}: ${values}`
  return `| \`swansong_${name}\` | ${type} | ${told} | ${help} |\n`
}

/** All that there can be, from a text in which all of it has happened. */
function ownMetrics(): Metric[] {
  const { limits } = completeConfig()
  const text = renderOwn(everythingHappened(), '0', limits, plainText)
  const heads = /^# HELP swansong_(\w+) (.*)\n# TYPE swansong_\w+ (\w+)\nswansong_\w+(?:\{(.*)\})? /gm
  return [...text.matchAll(heads)].map(([, name = '', help = '', type = '', labels = '']) => ({
    name,
    type,
    labels: [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label),
    help,
  }))
}

function refusalTable(): string {
  let text = `
## Why a request is refused

\`reason\` of \`swansong_requests_rejected_total\`. Nothing of such a request was counted. The sender is told the same with what
it has written wrong, and the log says one of each reason and door a minute. Who is told to try again loses nothing by that: OTLP's SDKs and
ours do it by themselves.

| Reason | HTTP | gRPC | Again | What it is, and what to do |
| --- | --- | --- | --- | --- |
`
  for (const [code, { http, grpc, again }] of Object.entries(refusals))
    text += `| \`${code.toLowerCase()}\` | ${http} | ${grpc} | ${again ? 'yes' : ''} | ${refusalTexts[code as keyof typeof refusals]} |\n`
  return text
}

function rejectionTable(): string {
  const { limits } = completeConfig()
  let text = `
## Why a point is not counted

\`reason\` of \`swansong_points_rejected_total\`. The other points of its request count; the answer (partial success) says the reason, how
many points, and the name of the first, and so does the log once a minute. Of journals it is only the log.

| Reason | What it is, and what to do |
| --- | --- |
`
  for (const reason of Object.keys(rejections) as RejectionReason[]) {
    const keys = [...rejections[reason].matchAll(/\{(\w+)\}/g)].map(([, name = '']) => limitKeyOf(name))
    const settable = keys.length === 0 ? '' : ` (${keys.map((key) => `\`limits.${key}\``).join(', ')})`
    text += `| \`${reason.toLowerCase()}\` | ${rejectionText(reason, limits)}${settable} |\n`
  }
  return text
}

function lineTable(): string {
  let text = `
## Why a line of StatsD is not counted

| Reason | What it is, and what to do |
| --- | --- |
`
  for (const [reason, meaning] of Object.entries(lineRejectionTexts))
    text += `| \`${reason}\` | ${meaning} |\n`
  return text
}
