import fs from 'node:fs'
import type { Owner } from '@swansong/otlp/spool'
import { encodeResource } from '../../packages/sdk/src/encode/resource.ts'
import { Journal } from '../../packages/sdk/src/spool/journal.ts'
import { readOptions } from '../../packages/sdk/src/options/read-options.ts'
import { type Instrument, Recorder } from '../../packages/sdk/src/record/recorder.ts'
import type { Spool } from '../../packages/sdk/src/spool/spool.ts'

/** What the journal does to the file system: where a process can be killed. */
const calls = ['openSync', 'fchmodSync', 'writeSync', 'renameSync', 'closeSync', 'unlinkSync'] as const
const real = Object.fromEntries(calls.map((name) => [name, fs[name]])) as Record<
  string,
  (...given: unknown[]) => unknown
>
const options = readOptions({ OTEL_SERVICE_NAME: 'jobs' })
let names = 0

/** A worker process, as far as its journal goes: it can be killed within any call to the file system. */
export class Mortal {
  readonly owner: Owner
  /** Every name that its journal had. */
  readonly ids: string[] = []
  /** Adds that have returned. */
  returned = 0
  isDead = false
  #recorder: Recorder
  #instrument: Instrument
  #journal: Journal | undefined
  #spool: Spool

  constructor(directory: string, pid: number, pace: 'interval' | 'always') {
    this.owner = { bootId: '6f1f9b8a-0c1d-4e2f-8a3b-4c5d6e7f8091', pidNamespace: 1, pid, startTicks: pid }
    this.#spool = { directory, sync: false, owner: this.owner }
    this.#recorder = new Recorder(Date.now(), () => {
      this.#journal ??= new Journal(this.#recorder, this.#spool, {
        serviceName: 'jobs',
        pace,
        identify: () => {
          const instanceId = `worker-${pid}-${names++}`
          this.ids.push(instanceId)
          return { instanceId, resource: encodeResource(options, instanceId) }
        },
      })
      this.#journal.look()
    })
    const scope = { name: 'test', version: '', schemaUrl: '', attributes: [] }
    const described = { unit: '', description: '', bounds: [], isObserved: false }
    this.#instrument = { scope, kind: 'counter', name: 'work', ...described, series: [] }
    this.#recorder.instruments.push(this.#instrument)
  }

  add(series: number, value: number): void {
    while (this.#instrument.series.length <= series) {
      this.#recorder.born(this.#instrument, [['series', String(this.#instrument.series.length)]])
    }
    this.#recorder.add(this.#instrument.series[series]?.slot as number, value)
    this.returned += value
  }

  /** Rejects where the file system did. */
  async flush(): Promise<void> {
    await this.#journal?.flush()
  }

  end(): void {
    this.#journal?.end()
  }

  kill(): void {
    this.isDead = true
    this.#spool.directory = '/nonexistent' // Its timers are dead too.
  }

  /** Does something, and is killed within the nth call; a write may have been half done. Tells whether it was. */
  killWithin(nth: number, act: () => void): boolean {
    let count = 0
    const die = (name: string, given: unknown[]): unknown => {
      if (count++ < nth) return real[name]?.(...given)
      if (count === nth + 1 && name === 'writeSync') {
        type Written = [descriptor: number, bytes: Uint8Array, at?: number, length?: number]
        const [descriptor, bytes, at = 0, length = bytes.length] = given as Written
        real[name]?.(descriptor, bytes, at, Math.floor(length / 2))
      }
      throw new Error('killed')
    }
    for (const name of calls) Object.assign(fs, { [name]: (...given: unknown[]) => die(name, given) })
    const before = this.returned
    try {
      act()
    } finally {
      Object.assign(fs, real)
    }
    if (count <= nth) return false
    this.returned = before
    this.kill()
    return true
  }
}
