import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Prometheus, startPrometheus } from './peers/prometheus.ts'
import { startVictoriaMetrics, type VictoriaMetrics } from './peers/victoria-metrics.ts'
import { runSwansong } from './support/command.ts'
import { deltas, type Point } from './support/deltas.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { freePorts } from './support/ports.ts'
import { until } from './support/wait.ts'

const receiver = '--web.enable-remote-write-receiver'
/** Nothing is dropped, whatever the reason. */
const dropped = 'swansong_remote_write_samples_dropped_total'

interface Seen {
  labels: Record<string, string>
  values: readonly number[]
  times: readonly number[]
}

/** What was counted under each value of the attribute `at`, posted to a gateway as many workers would. */
class Counted {
  readonly truth = new Map<string, number>()
  #batches = 0

  /** Counts in `seriesCount` series; some of them are new each time. */
  async count(gateway: Gateway, seriesCount: number): Promise<void> {
    const points: Point[] = Array.from({ length: seriesCount }, (_, at) => {
      return { name: 'work', value: 1 + ((this.#batches + at) % 7), attributes: { at: String(at) } }
    })
    const { status } = await gateway.post(deltas(points), `remote write ${this.#batches++}`)
    assert.equal(status, 200)
    for (const { value, attributes } of points) {
      const at = attributes?.['at'] as string
      this.truth.set(at, (this.truth.get(at) ?? 0) + value)
    }
  }

  isIn(seen: readonly Seen[]): boolean {
    const last = new Map(seen.map(({ labels, values }) => [labels['at'], values.at(-1)]))
    return seen.length === this.truth.size && [...this.truth].every(([at, count]) => last.get(at) === count)
  }

  /** Each series began at 0 and never went down: so what it has in the end is what it grew by. */
  check(seen: readonly Seen[], labels: Record<string, string>): void {
    assert.ok(this.isIn(seen))
    for (const { labels: found, values, times } of seen) {
      assert.deepEqual(found, { __name__: 'work_total', job: 'test', at: found['at'], ...labels })
      assert.equal(values[0], 0, `series ${found['at']} begins at ${values[0]}`)
      for (const [at, value] of values.entries()) {
        if (at === 0) continue
        assert.ok(value >= (values[at - 1] as number), `series ${found['at']} went down`)
        assert.ok((times[at] as number) > (times[at - 1] as number))
      }
    }
  }
}

async function inPrometheus(prometheus: Prometheus, selector: string): Promise<Seen[]> {
  const ranges = await prometheus.samples(selector, '10m')
  return ranges.map(({ labels, values }) => ({
    labels,
    values: values.map(({ value }) => value),
    times: values.map(({ at }) => at),
  }))
}

/** Starts a receiver, and again on the same port and data. */
async function restartable(major?: 3): Promise<() => Promise<Prometheus>> {
  const [port = 0] = await freePorts(1)
  const dataDir = await mkdtemp(join(tmpdir(), 'swansong-prometheus-data-'))
  after(() => rm(dataDir, { recursive: true, force: true }))
  const version = major === undefined ? {} : { major }
  return () => startPrometheus({ targets: [], dataDir, port, extraArgs: [receiver], ...version })
}

async function inVictoriaMetrics(victoria: VictoriaMetrics, selector: string): Promise<Seen[]> {
  const all = await victoria.samples(selector)
  return all.map(({ labels, values, timestamps }) => ({ labels, values, times: timestamps }))
}

async function configured(remoteWrite: object): Promise<string[]> {
  const home = await mkdtemp(join(tmpdir(), 'swansong-remote-write-'))
  after(() => rm(home, { recursive: true, force: true }))
  await writeFile(join(home, 'swansong.yaml'), JSON.stringify({ remote_write: remoteWrite })) // JSON is YAML.
  return ['--config', join(home, 'swansong.yaml')]
}

test('Prometheus, by 1.0 and by 2.0, and VictoriaMetrics end with the truth, each series from 0 on, though each of them and the gateway went away', async (t) => {
  const startIt = await restartable()
  const startThird = await restartable(3)
  let prometheus = await startIt()
  let third = await startThird()
  const victoria = await startVictoriaMetrics()
  const often = {
    interval: '1s',
    queue_config: { min_backoff: '50ms', max_backoff: '500ms', max_samples_per_send: 7 },
  }
  const flags = await configured([
    {
      url: `${prometheus.url}/api/v1/write`,
      name: 'prometheus',
      external_labels: { instance: 'one' },
      ...often,
    },
    {
      url: `${victoria.url}/api/v1/write`,
      name: 'victoria',
      external_labels: { instance: 'one', zone: 'eu' },
      ...often,
    },
    {
      url: `${third.url}/api/v1/write`,
      name: 'third',
      protobuf_message: 'io.prometheus.write.v2.Request',
      external_labels: { instance: 'one' },
      ...often,
    },
  ])
  const gateway = await startGateway({ flags })
  const counted = new Counted()
  const steps: (() => Promise<unknown>)[] = [
    () => Promise.all([prometheus.stop(), third.stop()]),
    () => victoria.stop(),
    async () => {
      await gateway.kill9()
      await gateway.restart()
    },
    async () => ([prometheus, third] = await Promise.all([startIt(), startThird()])),
    () => victoria.restart(),
    async () => {
      await gateway.kill9()
      await gateway.restart()
    },
    async () => {
      assert.equal(await gateway.stop(), 0)
      await gateway.restart()
    },
  ]
  for (const [at, step] of steps.entries()) {
    for (let batch = 0; batch < 5; batch++) {
      await counted.count(gateway, 10 + 5 * at + batch)
      await sleep(200)
    }
    await step()
  }
  await counted.count(gateway, 60)
  for (const each of [prometheus, third])
    await until(
      'Prometheus has the truth',
      async () => counted.isIn(await inPrometheus(each, 'work_total')),
      60_000
    )
  await until(
    'VictoriaMetrics has it',
    async () => counted.isIn(await inVictoriaMetrics(victoria, 'work_total')),
    60_000
  )
  for (const each of [prometheus, third])
    counted.check(await inPrometheus(each, 'work_total'), { instance: 'one' })
  counted.check(await inVictoriaMetrics(victoria, 'work_total'), { instance: 'one', zone: 'eu' })
  const own = await gateway.metrics()
  assert.deepEqual(
    [...own.keys()].filter((line) => line.startsWith(dropped)),
    [],
    'what they say that they have written is all that was sent'
  )
  assert.equal(own.get('swansong_remote_write_protocol_version{endpoint="third"}'), 2)
  const { stdout } = await runSwansong('status', '--url', gateway.urls.admin)
  assert.match(stdout, /^writes to +prometheus: \d+ samples taken, the last \d+ s ago/m)
  const doctor = await runSwansong('doctor', '--url', gateway.urls.admin)
  assert.match(doctor.stdout, /ok +scrape +none seen; series go out by remote write$/m)
  assert.match(doctor.stdout, /ok +receiver +victoria last took samples \d+ s ago$/m)
  const [oldest] = await inPrometheus(prometheus, 'work_total{at="0"}')
  t.diagnostic(`${oldest?.values.length} samples of the oldest series`)
})

test('two gateways with the same series, scraped and remote-written, are two instances, and their sum is right', async () => {
  const gateways: Gateway[] = []
  const [port = 0] = await freePorts(1)
  const write = (instance: string): Promise<string[]> =>
    configured([
      { url: `http://127.0.0.1:${port}/api/v1/write`, interval: '1s', external_labels: { instance } },
    ])
  for (const instance of ['one', 'two'])
    gateways.push(
      await startGateway({ flags: await write(instance), env: { SWANSONG_FIRST_INCREMENT_HOLD: 'off' } })
    )
  const targets = gateways.map(({ ports }) => `127.0.0.1:${ports.metrics}`)
  const prometheus = await startPrometheus({ targets, port, extraArgs: [receiver] })
  for (const [at, gateway] of gateways.entries())
    assert.equal((await gateway.post(deltas([{ name: 'work', value: 5 + at }]))).status, 200)
  const written = 'work_total{instance=~"one|two"}'
  const scraped = 'work_total{instance!~"one|two"}'
  for (const selector of [written, scraped]) {
    await until(`both are in ${selector}`, async () => (await prometheus.query(selector)).length === 2)
    await until('they are summed', async () => {
      const sums = await prometheus.query(`sum without (instance) (${selector})`)
      assert.ok(sums.every(({ value }) => value <= 11))
      return sums.length === 1 && sums[0]?.value === 11
    })
  }
  const each = await prometheus.query('work_total')
  const byInstance = Object.fromEntries(each.map(({ labels, value }) => [labels['instance'], value]))
  assert.deepEqual(byInstance, { one: 5, two: 6, [targets[0] as string]: 5, [targets[1] as string]: 6 })
})
