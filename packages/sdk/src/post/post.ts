import { spoolHeaderBytes } from '@swansong/otlp/spool'
import { Deltas } from '../encode/batch.ts'
import type { WayOut } from '../process/exit.ts'
import type { Observers } from '../record/observables.ts'
import { openSender } from './open-sender.ts'
import type { Options } from '../options/options.ts'
import type { Recorder } from '../record/recorder.ts'
import { makeUuid, readFileBytesMax, type Spool } from '../spool/spool.ts'

/** A gateway takes 64 MiB, and a Collector 20: a request of this length is fit for either, and soon answered. */
const bodyBytesMax: number = 16 * 1024 * 1024

/** Way out 2 for what this process records. Everything behind this function is loaded when it is called (bundle.js). */
export function openPost(
  recorder: Recorder,
  observers: Observers,
  resource: Uint8Array,
  options: Options,
  spool: Spool | undefined
): WayOut {
  const observe = (): Promise<void> | undefined => observers.observe()
  const deltas = new Deltas(recorder, resource, makeUuid, observe, () => bodyBytesMaxOf(spool))
  return openSender(deltas, options, spool, recorder)
}

/** What cannot be posted goes into the spool as it is, so that it must be fit for both. */
function bodyBytesMaxOf(spool: Spool | undefined): number {
  if (spool === undefined) return bodyBytesMax
  return Math.min(bodyBytesMax, readFileBytesMax(spool.directory) - spoolHeaderBytes)
}
