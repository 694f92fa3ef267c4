import { spoolHeaderBytes } from '@swansong/otlp/spool'
import { openEndpoint } from './endpoint.ts'
import { drainBeforeExit, drainOnSignals, endWithProcess } from '../process/exit.ts'
import { endpointDefault, type Options } from '../options/options.ts'
import { type BatchSource, Sender } from './send.ts'
import { readFileBytesMax, type Spool } from '../spool/spool.ts'

/** A gateway takes 64 MiB, and a Collector 20: a request of this length is fit for either, and soon answered. */
const bodyBytesMax: number = 16 * 1024 * 1024

/** A sender that posts on its interval and whenever the process ends. `recorder` is what calls its `look`. */
export function openSender(
  source: BatchSource,
  options: Options,
  spool: Spool | undefined,
  recorder: { countdown: number }
): Sender {
  const sender = makeSender(source, options, spool, recorder)
  setInterval(() => sender.tick(), options.intervalMs).unref()
  endWithProcess(sender)
  drainBeforeExit(sender)
  if (options.signals === 'handle') drainOnSignals(sender)
  return sender
}

/** The sender alone: nothing calls it yet. */
export function makeSender(
  source: BatchSource,
  options: Options,
  spool: Spool | undefined,
  recorder?: { countdown: number }
): Sender {
  const url = options.endpoint ?? new URL(endpointDefault)
  return new Sender(
    source,
    {
      endpoint: openEndpoint(url, options.credentials, options.endpointFault),
      headers: options.headers,
      compression: options.compression,
      timeoutMs: options.timeoutMs,
      exitBudgetMs: options.exitBudgetMs,
      serviceName: options.serviceName,
      spool,
      quiet: options.endpoint === undefined,
    },
    recorder
  )
}

/** How long a body may be. What cannot be posted goes into the spool as it is, so that it must be fit for both. */
export function bodyBytesMaxOf(spool: Spool | undefined): number {
  if (spool === undefined) return bodyBytesMax
  return Math.min(bodyBytesMax, readFileBytesMax(spool.directory) - spoolHeaderBytes)
}
