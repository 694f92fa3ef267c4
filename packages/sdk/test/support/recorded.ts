import { SwansongMeter } from '../../src/record/meter.ts'
import { Observers } from '../../src/record/observers.ts'
import { isRecorded, Recorder } from '../../src/record/recorder.ts'
import { cumulative, Template } from '../../src/encode/template.ts'
import { type Point, readRequest, type Request } from './read-request.ts'

export const startMs = 1_700_000_000_000

/** A recorder with a meter, and a look at its running totals as a journal would write them. */
export interface Recorded {
  recorder: Recorder
  observers: Observers
  meter: SwansongMeter
  read: () => Request
  /** Of the first point of a metric. */
  point: (metric: string) => Point | undefined
}

export function recorded(): Recorded {
  const recorder = new Recorder(startMs, () => {})
  const observers = new Observers(() => {})
  const meter = new SwansongMeter(recorder, observers, 'lib', '1.2', { schemaUrl: 'https://schema' })
  const read = (): Request => {
    const template = new Template(recorder, new Uint8Array(0), {
      temporality: cumulative,
      start: BigInt(startMs) * 1_000_000n,
      reserved: 0,
      includes: ({ slot }, kind) => isRecorded(kind, recorder.cells, slot),
    })
    template.fill(1n, recorder.cells)
    return readRequest(template.body)
  }
  const point = (metric: string): Point | undefined => read().points.find((each) => each.metric === metric)
  return { recorder, observers, meter, read, point }
}
