import fc from 'fast-check'
import { SwansongMeter } from '../../src/record/meter.ts'
import { Observers } from '../../src/record/observers.ts'
import { Recorder } from '../../src/record/recorder.ts'
import { add, type Amounts } from './model-gateway.ts'

/** One record of a job: which instrument, and how much. */
export interface Recording {
  what: 'counter' | 'histogram' | 'upDownCounter' | 'gauge'
  amount: number
}

const boundaries = [2, 5]

export const recording: fc.Arbitrary<Recording> = fc.record({
  what: fc.constantFrom('counter', 'counter', 'histogram', 'upDownCounter', 'gauge'),
  amount: fc.integer({ min: 1, max: 8 }),
})

/** A job with an instrument of each kind, and what it has truly recorded. */
export class ModelJob {
  readonly recorder: Recorder
  readonly truth: Amounts = new Map()
  /** Its own: what it holds of the up-down counter, and its last value; undefined where it never recorded. */
  upDown: number | undefined
  last: number | undefined
  hasRecorded = false
  #instruments: ReturnType<typeof instrumentsOf>

  constructor(look: () => void) {
    this.recorder = new Recorder(Date.now(), look)
    this.#instruments = instrumentsOf(this.recorder)
  }

  record({ what, amount }: Recording): void {
    this.hasRecorded = true
    const { done, size, open, level } = this.#instruments
    if (what === 'counter') {
      const kind = amount % 2 === 0 ? 'a' : 'b'
      add(this.truth, `done{kind="${kind}"}`, amount)
      done.add(amount, { kind })
    } else if (what === 'histogram') {
      const bucket = boundaries.filter((bound) => bound < amount).length
      add(this.truth, 'size{} count', 1)
      add(this.truth, 'size{} sum', amount)
      add(this.truth, `size{} bucket ${bucket}`, 1)
      size.record(amount)
    } else if (what === 'upDownCounter') {
      this.upDown = (this.upDown ?? 0) + amount - 4
      open.add(amount - 4)
    } else {
      this.last = amount
      level.record(amount)
    }
  }
}

/** So long that a body of two of them is over what everybody takes, and may have to be split. */
const description = 'long '.repeat(500)

function instrumentsOf(recorder: Recorder) {
  const meter = new SwansongMeter(recorder, new Observers(() => {}), '')
  return {
    done: meter.createCounter('done', { description }),
    size: meter.createHistogram('size', { boundaries, description }),
    open: meter.createUpDownCounter('open', { description }),
    level: meter.createGauge('level', { description }),
  }
}
