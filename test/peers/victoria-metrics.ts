import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { ended, hasEnded, spawnThatDiesWithUs } from '../support/child.ts'
import { ask } from '../support/http.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/wait.ts'
import { debianPeer } from './debian.ts'

const stoppedWithinMs = 10_000

export interface VictoriaMetrics {
  url: string
  /** Every sample that it has of each series, in the order of time. */
  samples(
    selector: string
  ): Promise<{ labels: Record<string, string>; values: number[]; timestamps: number[] }[]>
  stop(): Promise<void>
  /** Again, on the same port and data. */
  restart(): Promise<void>
}

/** A real VictoriaMetrics, single node, answering once it is ready. It ends with the test that started it. */
export async function startVictoriaMetrics(): Promise<VictoriaMetrics> {
  const program = await debianPeer('victoria-metrics')
  const home = await mkdtemp(join(tmpdir(), 'swansong-victoria-metrics-'))
  const [port] = await freePorts(1)
  const url = `http://127.0.0.1:${port}`
  const args = [`-storageDataPath=${home}`, `-httpListenAddr=127.0.0.1:${port}`, '-loggerLevel=ERROR']
  const start = async (): Promise<ReturnType<typeof spawnThatDiesWithUs>> => {
    const started = spawnThatDiesWithUs(program, args)
    let said = ''
    started.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
    await until('VictoriaMetrics is ready', async () => {
      if (hasEnded(started)) throw new Error(`VictoriaMetrics ended: ${said}`)
      return ask(`${url}/health`).then(
        ({ status }) => status === 200,
        () => false // Nobody listens there yet.
      )
    })
    return started
  }
  let child = await start()
  after(async () => {
    await ended(child, 'SIGKILL', 0)
    await rm(home, { recursive: true, force: true })
  })
  return {
    url,
    async samples(selector) {
      await ask(`${url}/internal/force_flush`) // Else it shows samples some seconds later.
      const { body } = await ask(
        `${url}/api/v1/export?${new URLSearchParams({ 'match[]': selector }).toString()}`
      )
      const lines = body
        .toString()
        .split('\n')
        .filter((line) => line !== '')
      return lines.map((line) => {
        const { metric, values, timestamps } = JSON.parse(line) as Exported
        return { labels: metric, values, timestamps }
      })
    },
    stop: () => ended(child, 'SIGTERM', stoppedWithinMs),
    async restart() {
      child = await start()
    },
  }
}

interface Exported {
  metric: Record<string, string>
  values: number[]
  timestamps: number[]
}
