import { Deltas } from '../encode/batch.ts'
import type { WayOut } from '../process/exit.ts'
import type { Observers } from '../record/observers.ts'
import { bodyBytesMaxOf, openSender } from './open-sender.ts'
import type { Options } from '../options/options.ts'
import type { Recorder } from '../record/recorder.ts'
import { makeUuid, type Spool } from '../spool/spool.ts'

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
