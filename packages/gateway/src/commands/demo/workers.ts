import type { ChildProcess } from 'node:child_process'
import { extname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Children } from './children.ts'
import { doneWord, type Ending, endings, endingsOf, type Way, ways } from './endings.ts'
import type { Files } from './files.ts'

const workerFile = join(import.meta.dirname, `worker${extname(import.meta.filename)}`)
/** Workers at a time. */
const atATime = 16
/** One that is not over after this is stuck. */
const workerMsMax = 60_000
/** How often workers POST while they live: so often that some batch is on its way at any moment. */
const postIntervalMs = 20
/**
 * Who dies by a signal with a journal gets no last word. Its last counts are in the file within a checkpoint's interval:
 * 10 ms, or 40 times what one costs here. Only past that is it killed.
 */
const journalPauseMs = 400

/** One worker: what it counts, and how it lives and ends. */
export interface Job {
  way: Way
  ending: Ending
  paths: string[]
}

/** How a worker ended that ended in another way than it was told to. */
export interface Surprise {
  job: Job
  /** What the parent saw, and what the worker said on stderr. */
  what: string
}

/** Where workers leave their counts. */
export interface Ways {
  spoolDir: string
  endpoint: string
}

/** Deals the files out, one each in turn, and the endings: half by journal, half by POST. */
export function dealJobs({ paths }: Files, count: number): Job[] {
  const jobs = Array.from({ length: count }, (_, index): Job => {
    const way = ways[index % ways.length] as Way
    const ofWay = endingsOf[way]
    return { way, ending: ofWay[Math.floor(index / ways.length) % ofWay.length] as Ending, paths: [] }
  })
  for (const [index, path] of paths.entries()) jobs[index % count]?.paths.push(path)
  return jobs
}

/** Runs workers, sixteen at a time, and looks how each ends. */
export class Workers {
  readonly ended: Job[] = []
  readonly surprises: Surprise[] = []
  readonly #living = new Set<ChildProcess>()
  readonly #children: Children
  readonly #root: string
  readonly #ways: Ways

  constructor(children: Children, root: string, to: Ways) {
    this.#children = children
    this.#root = root
    this.#ways = to
  }

  /** How many are at work. */
  get running(): number {
    return this.#living.size
  }

  /** Resolves when all have ended; when aborted, kills those that run. */
  async run(jobs: readonly Job[], signal: AbortSignal): Promise<void> {
    const waiting = [...jobs]
    signal.addEventListener('abort', () => {
      for (const child of this.#living) child.kill('SIGKILL')
    })
    const lane = async (): Promise<void> => {
      for (let job = waiting.shift(); job !== undefined && !signal.aborted; job = waiting.shift()) {
        const surprise = await this.#runJob(job)
        if (signal.aborted) return // Its end says nothing of the worker.
        this.ended.push(job)
        if (surprise !== undefined) this.surprises.push({ job, what: surprise })
      }
    }
    await Promise.all(Array.from({ length: atATime }, lane))
  }

  async #runJob(job: Job): Promise<string | undefined> {
    const killed = job.ending === 'SIGTERM' || job.ending === 'SIGKILL' ? job.ending : undefined
    const pauseMs = job.way === 'journal' ? journalPauseMs : 0
    const args = [workerFile, job.ending, String(pauseMs), this.#root, ...job.paths]
    const child = this.#children.start(args, this.#environmentOf(job.way), ['pipe', 'pipe', 'pipe'])
    this.#living.add(child)
    const timer = setTimeout(() => child.kill('SIGKILL'), workerMsMax)
    let done = false
    child.stdout?.setEncoding('utf8').on('data', (said: string) => {
      if (!said.startsWith(doneWord) || killed === undefined) return
      done = true
      child.kill(killed)
    })
    const stderr = child.stderr === null ? '' : text(child.stderr)
    const seen = await new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(`it could not be started: ${error.message}`))
      child.once('exit', (code, signal) => resolve(endText({ code, signal })))
    })
    clearTimeout(timer)
    this.#living.delete(child)
    const said = (await stderr).trim()
    const expected = endText(endings[job.ending])
    if (seen === expected && done === (killed !== undefined) && !said.includes('swansong: ')) return undefined
    const early = killed !== undefined && !done ? ' before it was done' : ''
    return `${seen}${early}, expected ${expected}${said === '' ? '' : `; it said: ${said}`}`
  }

  #environmentOf(way: Way): Record<string, string> {
    const shared = {
      OTEL_SERVICE_NAME: 'demo',
      SWANSONG_EXPORT: '1', // Also where the demo itself runs under a test.
      SWANSONG_SPOOL_DIR: this.#ways.spoolDir,
    }
    if (way === 'journal') return shared
    const interval = String(postIntervalMs)
    return {
      ...shared,
      OTEL_EXPORTER_OTLP_ENDPOINT: this.#ways.endpoint,
      OTEL_METRIC_EXPORT_INTERVAL: interval,
    }
  }
}

function endText({ code, signal }: { code: number | null; signal: string | null }): string {
  return signal === null ? `exit code ${code}` : `signal ${signal}`
}
