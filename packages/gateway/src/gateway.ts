import { join } from 'node:path'
import type { MetricProducer } from '@opentelemetry/sdk-metrics'
import type { Config } from './config/config.ts'
import { reloader, type Reloaded } from './config/reload.ts'
import type { Settings } from './config/settings.ts'
import { jobAndDirectory } from './config/values.ts'
import { sayRefusals } from './doors/refusal-log.ts'
import { requireQuiet } from './in/heartbeat.ts'
import { asideName } from './in/multiprocess/directory.ts'
import { ownerWatch } from './in/owner.ts'
import { Receiver } from './in/receive.ts'
import { Spool } from './in/spool.ts'
import type { Damage } from './ledger/damage.ts'
import { Ledger } from './ledger/ledger.ts'
import type { Hold } from './ledger/held.ts'
import type { LedgerOptions } from './ledger/ledger-options.ts'
import { DataDirError } from './ledger/database.ts'
import { openStore } from './ledger/sqlite.ts'
import type { Store, StoreError } from './ledger/store.ts'
import type { Log } from './log.ts'
import { openDoors, type Addresses } from './open-doors.ts'
import { statusOf, type Status } from './out/admin.ts'
import { openOtlpOut } from './out/otlp.ts'
import { LedgerProducer, type ReadBy } from './out/producer.ts'
import { renderAll } from './out/answers.ts'
import type { RemoteWrite, RemoteWriteOptions } from './out/remote-write/open.ts'
import { openTextfile, type Textfile } from './out/textfile.ts'
import { ScrapeIntervals } from './out/scrape-intervals.ts'
import { TextExposition } from './out/text.ts'
import { newStats, type Stats } from './stats.ts'
import { version } from './version.ts'

/** How often the ledger is asked to save its uptime and to forget old ids. */
const tickMs = 2000
/** What a stop leaves for telling series a last time, however long the doors took to shut. */
const lastOutMsMin = 1000

export interface Gateway {
  readonly addresses: Addresses
  status(): Status
  /** Reads the configuration again: all that is different is changed at once, or nothing is. */
  reload(): Reloaded
  /** The sums, for a MetricReader of `@opentelemetry/sdk-metrics` in an application that embeds this gateway. */
  producer(readBy: ReadBy): MetricProducer
  /** Doors shut, all that was accepted committed and answered, the store closed. */
  close(): Promise<void>
}

export interface GatewayOptions {
  log: Log
  /** The disk failed: answers are refused from now on, and the process should end with 3. */
  onFailed: (error: StoreError) => void
  /** The data directory may be a copy, or restored: it becomes a ledger of its own. */
  adopt?: boolean
  /** What a reload reads: the configuration's sources, again. Throws a ConfigError. Without it nothing is ever different. */
  readSettings?: () => Settings
  /** In place of the one in the data directory. */
  store?: Store
}

/** Opens the ledger, what shows it, and the doors last. Throws DataDirError, SpoolDirError, ListenError or DoorFileError. */
export async function openGateway(told: Config, options: GatewayOptions): Promise<Gateway> {
  const { log } = options
  const limits = { ...told.limits } // These two are the same objects for good: a reload changes what is in them.
  const config: Config = { ...told, limits }
  const stats = newStats()
  sayRefusals(stats, log, limits, clock)
  const say = (notice: string): void => log.warn({ ledger: config.dataDir }, notice)
  const store = options.store ?? (await storeOf(config, options.adopt ?? false, say))
  const { onFailed } = options
  const intervals = new ScrapeIntervals(clock)
  const hold = (): Hold => holdOf(config, intervals)
  const { translationStrategy } = config
  const times = { clock, now: () => Date.now(), ttl: config, hold }
  const ledger = loaded(store, { limits, stats, translationStrategy, ...times, onFailed })
  intervals.restore(ledger.identity.revealed?.scrapeIntervalMs ?? 0)
  let closeBegun = clock()
  const closing: (() => void | Promise<void>)[] = [() => ledger.close()]
  if (ledger.damage !== undefined) log.error(damageText(ledger.damage))
  try {
    const exposition = shownAs(ledger, config, stats, log)
    ledger.onCommit(overflowWarning(stats, config.limits, log))
    // Behind the doors and the spool: so it tells what they took in before they shut.
    const out = await openOut(ledger, config, { stats, log, clock, now: () => Date.now() })
    closing.push(() => out.close(Math.max(lastOutMsMin, limits.stopMs - (clock() - closeBegun))))
    const textfile = textfileOf(ledger, exposition, stats, { config, log })
    if (textfile !== undefined) intervals.expectUnseen()
    closing.push(() => textfile?.close())
    const receiver = new Receiver(ledger, stats, config)
    const watch = { directory: config.spoolDir, lifeOf: ownerWatch({ clock }), clock, log }
    const spool = new Spool(receiver, ledger, stats, { limits, ...watch })
    closing.push(() => spool.close())
    closing.push(await followDirectories(receiver, ledger, config, { stats, log, clock }))
    closing.push(ticking(ledger, pushedWarning(exposition, log)))
    const retimings: (() => void)[] = []
    const reload = reloader({
      config: told,
      read: options.readSettings ?? (() => ({ config: told, told: new Map() })),
      apply(next) {
        receiver.useRules(next) // First, as it may refuse them.
        Object.assign(limits, next.limits)
        Object.assign(config, next, { limits })
        for (const retime of retimings) retime()
        log.level = next.logLevel
      },
      stats: stats.config,
      log,
    })
    const house = { config, receiver, ledger, exposition, intervals, stats, log, closing, reload, retimings }
    const addresses = await openDoors(house)
    out.start()
    textfile?.start()
    log.info(
      { ...addresses, ledger: ledger.identity.ledgerId, series: stats.series, version },
      'the gateway is ready'
    )
    const status = (): Status => statusOf(ledger, stats, version)
    const producer = producersOf(ledger, intervals, () => closing.length > 0)
    const close = (): Promise<void> => {
      closeBegun = clock()
      return closeAll(closing)
    }
    return { addresses, status, reload, producer, close }
  } catch (error) {
    await closeAll(closing)
    throw error
  }
}

/**
 * The store of the data directory. A copy is adopted only when no other gateway has what workers hand over by files: what was
 * adopted cannot be given back.
 */
async function storeOf(
  { dataDir, spoolDir, multiprocess }: Config,
  adopt: boolean,
  say: (notice: string) => void
): Promise<Store> {
  try {
    return openStore(dataDir, { say })
  } catch (error) {
    if (!adopt || !(error instanceof DataDirError && error.isCopy)) throw error
  }
  const followed = multiprocess.dirs.map((dir) => join(jobAndDirectory(dir).directory, asideName))
  await requireQuiet([spoolDir, ...followed], say)
  return openStore(dataDir, { adopt, say })
}

/** What shows the ledger to who scrapes it. */
function shownAs(ledger: Ledger, config: Config, stats: Stats, log: Log): TextExposition {
  const exposition = new TextExposition(ledger, {
    openMetricsCreated: () => config.openMetricsCreated,
    onHidden: (metric, other) => {
      stats.metricsHidden++
      log.warn({ metric }, `${other} has its name: this metric is not shown; rename one of them`)
    },
  })
  ledger.shownBy(exposition)
  stats.pushedLinesHidden = () => exposition.hiddenOfPushed().count
  return exposition
}

/** How long newborn series are held from scrapers. */
function holdOf({ firstIncrementHoldMs: told }: Config, intervals: ScrapeIntervals): Hold {
  return { ms: told === 'auto' ? intervals.holdMs : told, scrapeIntervalMs: intervals.longestMs }
}

function textfileOf(
  ledger: Ledger,
  exposition: TextExposition,
  stats: Stats,
  { config, log }: { config: Config; log: Log }
): Textfile | undefined {
  return openTextfile({
    settings: () => config.textfile,
    render() {
      ledger.reveal()
      return renderAll(exposition, stats, { version, limits: config.limits }, () => !ledger.failed)
    },
    recycle: (writer) => exposition.recycle(writer),
    stats,
    log,
    clock,
    now: () => Date.now(),
  })
}

/** Follows multiprocess directories, where there are any; what it returns ends that. Throws a SpoolDirError. */
async function followDirectories(
  receiver: Receiver,
  ledger: Ledger,
  { multiprocess, dataDir, limits }: Config,
  { stats, log, clock: now }: { stats: Stats; log: Log; clock: () => number }
): Promise<() => void> {
  if (multiprocess.dirs.length === 0) return () => {}
  const { openFollowers } = await import('./in/multiprocess/open.ts')
  return openFollowers(receiver, ledger, stats, { ...multiprocess, dataDir, limits, clock: now, log })
}

/** What posts series to others. Remote write's HTTP client and compression take time to load, and memory. */
async function openOut(ledger: Ledger, config: Config, options: RemoteWriteOptions): Promise<RemoteWrite> {
  const otlpOut = openOtlpOut(ledger, config, options)
  const remoteWrite =
    config.remoteWrite.length === 0
      ? undefined
      : (await import('./out/remote-write/open.ts')).openRemoteWrite(ledger, config, options)
  return {
    start() {
      otlpOut?.start()
      remoteWrite?.start()
    },
    async close(withinMs) {
      await Promise.all([otlpOut?.close(withinMs), remoteWrite?.close(withinMs)])
    },
  }
}

/** Makes producers of the sums. Who reads on when the gateway is not open any more sees what was shown last. */
function producersOf(
  ledger: Ledger,
  intervals: ScrapeIntervals,
  isOpen: () => boolean
): (readBy: ReadBy) => MetricProducer {
  return (readBy) => {
    if (readBy === 'prometheus') intervals.expectUnseen()
    const reveal = (): void => {
      if (isOpen()) ledger.reveal()
    }
    return new LedgerProducer(ledger, { readBy, now: () => Date.now(), reveal })
  }
}

/** For the log: what was damaged, and what became of it. */
function damageText({ pages, ended, restarted, metrics }: Damage): string {
  const numbers = pages.map(({ page }) => page).join(', ')
  const named =
    metrics.slice(0, 10).join(', ') + (metrics.length > 10 ? ` and ${metrics.length - 10} more` : '')
  return (
    `pages ${numbers} of ledger.db do not match their checksums and were set aside in its table set_aside; ` +
    `${ended.length + restarted.length} series begin anew, of ${named}; look after the disk`
  )
}

function loaded(store: Store, options: LedgerOptions): Ledger {
  try {
    return new Ledger(store, options)
  } catch (error) {
    store.close()
    throw error
  }
}

/** Says once of each metric that its points have begun to go to its overflow series. */
function overflowWarning(stats: Stats, limits: { seriesCountMax: number }, log: Log): () => void {
  const said = new Set<string>()
  return () => {
    if (stats.pointsOverflow.size === said.size) return
    for (const metric of stats.pointsOverflow.keys()) {
      if (said.has(metric)) continue
      said.add(metric)
      const why = `${limits.seriesCountMax} series are held, which is the limit`
      log.warn({ metric }, `${why}: what is new of this metric counts as otel_metric_overflow="true"`)
    }
  }
}

/** Until it is called: the ledger does what is due, and what is to be said of it is. */
function ticking(ledger: Ledger, warn: () => void): () => void {
  const tick = setInterval(() => {
    ledger.tick()
    warn()
  }, tickMs)
  return () => clearInterval(tick)
}

/** Says once that lines which were pushed are not shown, and again when others are the first of them. */
function pushedWarning(exposition: TextExposition, log: Log): () => void {
  let said: string | undefined
  return () => {
    const { first: line, count: lines } = exposition.hiddenOfPushed()
    if (line !== undefined && line !== said)
      log.warn(
        { line, lines },
        'what was pushed to a group is not shown where series of the same name and labels are; delete the group, or rename it'
      )
    said = line
  }
}

/** In the reverse order of their opening. */
async function closeAll(closing: (() => void | Promise<void>)[]): Promise<void> {
  for (const close of closing.splice(0).toReversed()) await close()
}

function clock(): number {
  return performance.now()
}
