/** Every limit there is, each with its unit last. */

/** A request body, as received. */
export const bodyBytesMax: number = 64 * 1024 * 1024
/** The same once inflated: a gzip bomb ends here. */
export const bodyBytesInflatedMax: number = bodyBytesMax
/** All bodies that are under way at once: received in part, waiting to be inflated or committed. Past it: 429. */
export const bytesInFlightMax: number = bodyBytesMax
/** One file in the spool. */
export const spoolFileBytesMax: number = bodyBytesMax
/** What the answers to scrapes hold together; past it: 503. One alone always has room. */
export const scrapeBytesInFlightMax: number = 192 * 1024 * 1024
/** The text of one scrape, before it is compressed; past it: 503. */
export const scrapeBytesMax: number = 512 * 1024 * 1024
/** Numbers of eight bytes that the points of one body are, once read; past it: 413. */
export const bodyCellCountMax: number = 8 * 1024 * 1024
/** Connections that one door has at once; a further one is closed as soon as it is accepted. */
export const connectionCountMax = 12_000
/** What remains of the process's file descriptors for files and journals, beside connections. */
export const descriptorReserveCount = 128
/** From the first byte of a request until its headers are whole; past it: 408. */
export const headersMs = 10_000
/** From the first byte of a request until its body is whole; past it: 408. */
export const requestMs = 60_000
/** A connection on which nothing moves while a request or its answer is under way is cut. */
export const stallMs = 15_000
/** An answer that is not read whole by then is cut off. */
export const answerMs = 60_000
/** Retry-After asks for 1 s, and for as much as this where many are refused at once: so they do not all come back together. */
export const retryAfterSecondsMax = 30
/** Series; past it, points go to one overflow series per metric, so that totals stay right. */
export const seriesCountMax = 1_000_000
/** Different metrics (name, unit, scope and kept resource attributes); past it, points of new ones are rejected. */
export const metricCountMax = 100_000
/** Names, units and descriptions of all metrics, scopes and kept resources together; past it, new ones are rejected. */
export const metricBytesTotalMax: number = 16 * 1024 * 1024
/** One label value, in UTF-8 bytes. */
export const labelValueBytesMax = 4096
/** One point's attributes, as encoded. */
export const attributesBytesMax = 32_768
/** Labels of one series. */
export const labelCountMax = 64
/** The attributes of all series together, as encoded, with those of their scopes and resources; past it, none is born. */
export const attributesBytesTotalMax: number = 512 * 1024 * 1024
/** Other orders in which the same attributes came, together: by them points are found without being decoded. */
export const aliasBytesTotalMax: number = 96 * 1024 * 1024
/**
 * What may be kept of which series attributes are added to that rules have dropped some of, or that are past the limit of
 * series, in bytes: past it, they are looked at anew.
 */
export const attributeMemoBytesMax: number = 32 * 1024 * 1024
/** A metric's name, and its unit, in UTF-8 bytes. */
export const nameBytesMax = 1024
/** A metric's description, in UTF-8 bytes; what is longer is cut. */
export const descriptionBytesMax = 4096
/** Buckets of one histogram. */
export const bucketCountMax = 400
/** Different sets of explicit bounds; past it, points of histograms with new ones are rejected. */
export const boundsCountMax = 10_000
/** Numbers of eight bytes that all series have together; past it, no histogram is born. */
export const slotCountMax: number = 32 * 1024 * 1024
/** Exemplars of all series together, in memory; past it, those of the series that had none for longest go. */
export const exemplarCountMax = 50_000
/** Ids of batches that are remembered; past it, new batches wait (429). */
export const batchIdCountMax = 2_000_000
/** How long ids are remembered, in milliseconds of the gateway's uptime. */
export const retryWindowMs: number = 10 * 60 * 1000
/** How long an answer to an anonymous batch is waited for to arrive when the same body comes by another connection. */
export const deliveryWaitMs = 1000
/** Units of work (`swansong.once`) that are remembered; past it, batches of new ones wait (429). */
export const onceKeyCountMax = 1_000_000
/**
 * How long they are remembered, in milliseconds of the gateway's uptime: longer than any job runs that may attempt one
 * again.
 */
export const onceWindowMs: number = 7 * 24 * 60 * 60 * 1000
/**
 * Writers of running totals that are followed at once: journals of living processes, and senders of cumulative points.
 * Past it, further journals wait in the spool, further senders are told to try again (429).
 */
export const writerCountMax = 50_000
/** Numbers of eight bytes that are kept of what they told, of all together; past it, series that are new to them are rejected. */
export const writerCellCountMax: number = 8 * 1024 * 1024
/** A sender of cumulative points that is silent this long holds nothing of UpDownCounters any more (gateway's uptime). */
export const writerSilenceMs: number = 5 * 60 * 1000
/** One that is silent this long is forgotten: should it come back, it begins at what it has (gateway's uptime). */
export const writerForgetMs: number = 60 * 60 * 1000
/**
 * A journal whose process cannot be seen goes when nobody touched it for so long, by the time of its file … A worker
 * touches its own every ten minutes; one that was suspended looks for it first when it comes back.
 */
export const journalSilenceMs: number = 24 * 60 * 60 * 1000
/**
 * … and so long of the uptime of this gateway, as clocks are set. A writer is remembered as long without its journal: an
 * hour would do, as a worker that wrote nothing for longer begins another if its own is gone.
 */
export const journalSilenceUptimeMs: number = 6 * 60 * 60 * 1000
/** The used part of one file of prometheus_client's multiprocess mode. */
export const multiprocessFileBytesMax: number = bodyBytesMax
/** One whose process cannot be seen goes when nothing has changed in it for so long of the uptime of this gateway. */
export const multiprocessSilenceMs: number = 6 * 60 * 60 * 1000
/** Lines of gauges of mode `all` that are kept of dead processes, in each directory: the last ones. */
export const deadGaugeCountMax = 1000
/** Groups of Pushgateway's API; past it, a push to a new one is refused (429). */
export const pushGroupCountMax = 20_000
/** What all of them hold together, in bytes; past it, pushes that need more are refused (429). */
export const pushBytesTotalMax: number = 32 * 1024 * 1024
/** What one of them holds, in bytes; past it: 413. Each push to it is written as a whole. */
export const pushGroupBytesMax: number = 4 * 1024 * 1024
/** The body of one push, as received and inflated; past it: 413. Twice what a group may hold, as text has more bytes. */
export const pushBodyBytesMax: number = 8 * 1024 * 1024
/** Samples, labels, buckets and quantiles of one push together; past it: 413. */
export const pushPartCountMax = 100_000
/** A line of StatsD, in characters; a longer one is not counted. */
export const statsdLineBytesMax = 8192
/** Names with their tags that StatsD tells between two commits; past it, lines of others are not counted, or wait (TCP). */
export const statsdEntryCountMax = 50_000
/** Different values of all of StatsD's sets in one window; past it, others are not counted. */
export const statsdSetValueCountMax = 200_000
/** Gauges of StatsD whose value is known, so that they can change by a difference; past it, others cannot. */
export const statsdGaugeCountMax = 50_000
/** Datagrams that are received and not read yet, in bytes; past it, they are dropped and counted. */
export const statsdBytesInFlightMax: number = 32 * 1024 * 1024
/** Datagrams are handed on so often: each time is a commit. */
export const statsdFlushMs = 20
/** An idle connection is kept this long: longer than the 60 s between two exports of a stock SDK. */
export const keepAliveMs = 75_000
/** What a stop waits for: answers to what was accepted. */
export const stopMs = 10_000
