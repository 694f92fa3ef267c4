import type { Limits } from './config.ts'
import { count, duration, seconds, size, within, type ValueType } from './values.ts'

/** Timers of Node hold no more: a longer one would end at once. */
const timerMsMax = 24 * 24 * 60 * 60 * 1000

/** What the documentation says of each limit. A limit without its row does not compile. */
const meanings: Record<keyof Limits, string> = {
  bodyBytesMax: 'A request body, as received. Past it: 413.',
  bodyBytesInflatedMax: 'The same once inflated.',
  bytesInFlightMax: 'All bodies that are under way at once. Past it: 429, before the body is read.',
  spoolFileBytesMax: 'One file in the spool. A larger one is set aside in `rejected/`.',
  scrapeBytesInFlightMax:
    'What the answers to scrapes hold together. Past it: 503. One alone always has room.',
  scrapeBytesMax: 'The text of one scrape, before it is compressed. Past it: 503.',
  bodyCellCountMax: 'Numbers of eight bytes that the points of one body are, once read. Past it: 413.',
  connectionCountMax:
    'Connections that one door has at once. A further one is closed as soon as it is accepted.',
  descriptorReserveCount:
    "What remains of the process's file descriptors for files and journals, beside connections.",
  headersMs: 'From the first byte of a request until its headers are whole. Past it: 408.',
  requestMs: 'From the first byte of a request until its body is whole. Past it: 408.',
  stallMs:
    'A connection on which nothing moves while a request or its answer is under way is cut after this.',
  answerMs: 'An answer that is not read whole by then is cut off.',
  retryAfterSecondsMax: '`Retry-After` asks for 1 s, and for as much as this where many are refused at once.',
  seriesCountMax: 'Series. Past it, points go to one series per metric with `otel_metric_overflow="true"`.',
  metricCountMax:
    'Different metrics: name, unit, scope and kept resource attributes. Past it, new ones are rejected.',
  metricBytesTotalMax:
    'Names, units and descriptions of all metrics, scopes and kept resources together. Past it, new ones are rejected.',
  labelValueBytesMax: 'One label value, in UTF-8. Points with a longer one are rejected.',
  attributesBytesMax: "One point's attributes, as encoded. Points with more are rejected.",
  labelCountMax: 'Labels of one series. Points with more are rejected.',
  attributesBytesTotalMax:
    'The attributes of all series together, as encoded, with those of their scopes and resources. Past it, none is born.',
  aliasBytesTotalMax:
    'Other orders in which the same attributes came, together: by them points are found without being decoded.',
  attributeMemoBytesMax:
    'What may be kept of which series attributes are added to that rules have dropped some of, or that are past the limit of series. Past it, they are looked at anew.',
  nameBytesMax: "A metric's name, and its unit, in UTF-8.",
  descriptionBytesMax: "A metric's description, in UTF-8. What is longer is cut.",
  bucketCountMax: 'Buckets of one histogram.',
  boundsCountMax:
    'Different sets of explicit bounds. Past it, points of histograms with new ones are rejected.',
  slotCountMax: 'Numbers of eight bytes that all series have together. Past it, no histogram is born.',
  exemplarCountMax:
    'Exemplars of all series together. Past it, those of the series that had none for longest go.',
  batchIdCountMax: 'Ids of batches that are remembered. Past it, new batches wait: 429.',
  retryWindowMs:
    "How long ids are remembered, in the gateway's uptime: a retry that comes later counts again.",
  deliveryWaitMs:
    'How long an answer to an anonymous batch is waited for to arrive when the same body comes by another connection.',
  onceKeyCountMax:
    'Units of work (`swansong.once`) that are remembered. Past it, batches of new ones wait: 429.',
  onceWindowMs:
    "How long they are remembered, in the gateway's uptime: longer than any job runs that may attempt one again.",
  writerCountMax:
    'Writers of running totals that are followed at once: journals of living processes, and senders of cumulative points. ' +
    'Past it, further journals wait in the spool, and further senders are answered 429.',
  writerCellCountMax:
    'Numbers of eight bytes that are kept of what writers told, of all together. Past it, series that are new to them are rejected.',
  writerSilenceMs:
    "A sender of cumulative points that is silent this long (gateway's uptime) holds nothing of up-down counters any more.",
  writerForgetMs: 'One that is silent this long is forgotten. Should it come back, it begins at what it has.',
  journalSilenceMs:
    'A journal whose process cannot be seen goes when nobody touched it for so long, by the time of its file, and for …',
  journalSilenceUptimeMs: "… so long of the gateway's uptime.",
  multiprocessFileBytesMax:
    'The used part of one file of a multiprocess directory. A larger one is set aside in `.swansong/rejected/`.',
  multiprocessSilenceMs:
    "A file of a multiprocess directory whose process cannot be seen goes when nothing has changed in it for so long of the gateway's uptime.",
  deadGaugeCountMax:
    'Lines of gauges of mode `all` that are kept of dead processes, in each multiprocess directory. Past it, those of the processes that died first go.',
  pushGroupCountMax: "Groups of Pushgateway's API. Past it, a push to a new one is refused: 429.",
  pushBytesTotalMax: 'What all of them hold together. Past it, pushes that need more are refused: 429.',
  pushGroupBytesMax: 'What one of them holds. Past it: 413.',
  pushBodyBytesMax: 'The body of one push, as received and inflated. Past it: 413.',
  pushPartCountMax: 'Samples, labels, buckets and quantiles of one push together. Past it: 413.',
  statsdLineBytesMax: 'A line of StatsD. A longer one is not counted.',
  statsdEntryCountMax:
    'Names with their tags that StatsD tells between two commits. Past it, lines of others are not counted; those of TCP wait.',
  statsdSetValueCountMax:
    "Different values of all of StatsD's sets in one window. Past it, others are not counted.",
  statsdGaugeCountMax:
    'Gauges of StatsD whose value is known, so that they can change by a difference. Past it, others cannot.',
  statsdBytesInFlightMax:
    'Datagrams that are received and not read yet. Past it, they are dropped and counted.',
  statsdFlushMs: 'Datagrams are handed on so often: each time is a commit.',
  keepAliveMs: 'An idle connection is kept this long.',
  stopMs: 'A stop waits this long for what was accepted to be answered.',
}

/** The least and the most of those that are not just positive. */
const bounds: Partial<Record<keyof Limits, readonly [number, number]>> = {
  retryWindowMs: [60_000, Infinity], // Removed spool files are made durable within ten seconds, and must be known so long.
  keepAliveMs: [1, timerMsMax],
  statsdFlushMs: [1, 10_000],
  headersMs: [1, timerMsMax],
  requestMs: [1, timerMsMax],
  stallMs: [1, timerMsMax],
  answerMs: [1, timerMsMax],
  deliveryWaitMs: [0, timerMsMax],
  deadGaugeCountMax: [0, Infinity],
  stopMs: [0, timerMsMax],
}

export interface LimitKey {
  name: keyof Limits
  /** In `limits:`, as `series_count`, `body_bytes`, `retry_window`: the name without its Max or Ms. */
  key: string
  type: ValueType<number>
  meaning: string
}

export const limitKeys: readonly LimitKey[] = Object.entries(meanings).map(([name, meaning]) => {
  const limit = name as keyof Limits
  const [min, max] = bounds[limit] ?? [1, Infinity]
  return { name: limit, key: limitKeyOf(limit), type: within(typeOf(limit), min, max), meaning }
})

/** `seriesCountMax` is `series_count`, `retryWindowMs` is `retry_window`. */
export function limitKeyOf(limit: string): string {
  return limit
    .replace(/(Max|Ms|SecondsMax)$/, '')
    .replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** Limits have their unit in their name. */
function typeOf(limit: string): ValueType<number> {
  if (limit.endsWith('Ms')) return duration
  if (limit.endsWith('SecondsMax')) return seconds
  return /bytes/i.test(limit) ? size : count
}
