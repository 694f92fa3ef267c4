import assert from 'node:assert/strict'
import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { Follower, type FollowerOptions } from '../../src/in/multiprocess/follower.ts'
import { FileWriters } from '../../src/in/multiprocess/writers.ts'
import { deadGaugeCountMax, multiprocessSilenceMs } from '../../src/limits.ts'
import { openLog } from '../../src/log.ts'
import { temporaryDirectory } from './directories.ts'
import { FakeProc } from './fake-proc.ts'
import type { Opened } from './ledgers.ts'
import { eventually } from './spools.ts'

export interface Entry {
  /** The metric; a counter's without its `_total`. */
  metric: string
  name?: string
  labels?: Record<string, string>
  help?: string
  value: number
  time?: number
}

/** A file as prometheus_client writes it; `valueBytes` is 8 for versions before 0.18. */
export function multiprocessFile(entries: readonly Entry[], valueBytes: 8 | 16 = 16): Buffer {
  const file = Buffer.alloc(65_536)
  let at = 8
  for (const { metric, name = metric, labels = {}, help = 'Help.', value, time = 0 } of entries) {
    const key = Buffer.from(JSON.stringify([metric, name, labels, help]))
    at = file.writeInt32LE(key.length, at)
    file.fill(' ', at, at + key.length + 8 - ((key.length + 4) % 8))
    key.copy(file, at)
    at += key.length + 8 - ((key.length + 4) % 8)
    file.writeDoubleLE(value, at)
    if (valueBytes === 16) file.writeDoubleLE(time, at + 8)
    at += valueBytes
  }
  file.writeInt32LE(at, 0)
  return file
}

export function counter(value: number, labels: Record<string, string> = {}): Entry {
  return { metric: 'jobs', name: 'jobs_total', labels, value }
}

/** Of three bounds; `counts` as they stand in the file: each bucket by itself. */
export function histogram(
  counts: readonly number[],
  sum: number,
  labels: Record<string, string> = {}
): Entry[] {
  const les = ['0.5', '1.0', '+Inf']
  return [
    { metric: 'seconds', name: 'seconds_sum', labels, value: sum },
    ...counts.map((value, at) => {
      return { metric: 'seconds', name: 'seconds_bucket', labels: { ...labels, le: les[at] ?? '' }, value }
    }),
  ]
}

/** Processes and files of one directory, without any real process. */
export class FakeApplication {
  readonly directory: string
  readonly dataDir: string
  readonly proc: FakeProc
  readonly #context: TestContext
  #skippedMs = 0

  constructor(context: TestContext, namespace = 0xeffffffc) {
    this.#context = context
    this.directory = temporaryDirectory(context)
    this.dataDir = temporaryDirectory(context)
    this.proc = new FakeProc(context, '11111111-2222-3333-4444-555555555555', namespace)
    this.proc.add({ pid: process.pid })
  }

  path(name: string): string {
    return join(this.directory, name)
  }

  /** Writes into the file that is there, as processes do; or makes it. */
  write(name: string, entries: readonly Entry[]): void {
    writeFileSync(this.path(name), multiprocessFile(entries), { flag: existing(this.path(name)) })
  }

  /** A process that has these files mapped lives from now on. */
  starts(pid: number, ...names: string[]): void {
    this.proc.remove(pid)
    this.proc.add({ pid, maps: names.map((name) => [statSync(this.path(name)).ino, this.path(name)]) })
  }

  dies(pid: number): void {
    this.proc.remove(pid)
  }

  /** What is still to be seen in the directory, and what was taken aside. */
  files(): string[] {
    return readdirSync(this.directory).filter((name) => name !== '.swansong')
  }

  aside(): string[] {
    return readdirSync(this.path('.swansong')).filter((name) => name.endsWith('.db'))
  }

  /** Waits until something holds, while time runs a hundred times as fast; fails as it failed last. */
  eventually(check: () => void): Promise<void> {
    return eventually(() => {
      this.#skippedMs += 1000
      check()
    })
  }

  /** Waits until all files were taken. */
  async settles(): Promise<void> {
    await this.eventually(() => assert.deepEqual([this.files(), this.aside()], [[], []]))
  }

  /** Follows the directory. Closed after the test. */
  follow({ receiver, ledger, stats }: Opened, more: Partial<FollowerOptions> = {}): Follower {
    const clock = (): number => performance.now() + this.#skippedMs
    const follower = new Follower(receiver, ledger, stats, {
      directory: this.directory,
      job: 'shop',
      view: 'auto',
      limits: { multiprocessFileBytesMax: 100_000, multiprocessSilenceMs, deadGaugeCountMax },
      dataDir: this.dataDir,
      writers: new FileWriters({ procDir: this.proc.directory, clock }),
      lookMs: 10,
      clock,
      log: openLog('silent'),
      ...more,
    })
    this.#context.after(() => follower.close())
    return follower
  }
}

/** The same inode if it is there. */
function existing(path: string): string {
  try {
    statSync(path)
    return 'r+'
  } catch {
    return 'w'
  }
}
