import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { encodeExportRequest } from '@swansong/otlp'
import { type NodeExporter, startNodeExporter } from './peers/node-exporter.ts'
import { runSwansong } from './support/command.ts'
import { exportRequest } from './support/deltas.ts'
import { linesOf } from './support/exposition.ts'
import { flagsOf, freeGatewayPorts, type Gateway, startGateway } from './support/gateway.ts'
import { ask } from './support/http.ts'
import { makeSmallDisk } from './support/small-disk.ts'
import { until } from './support/wait.ts'

const counterCount = 300
/** One of each counter, and a histogram of the same number of values. */
const one: Uint8Array = oneOfEach()
const failures = 'swansong_textfile_writes_failed_total{reason="disk_full"}'

test('node_exporter shows what the gateway shows, never less than before, through kill -9 and a full disk', async (t) => {
  const disk = await makeSmallDisk(224)
  const directory = dirname(disk.options.dataDir as string)
  const env = {
    ...disk.options.env,
    SWANSONG_TEXTFILE_INTERVAL: '1s',
    SWANSONG_FIRST_INCREMENT_HOLD: 'off',
  }
  const flags = ['--textfile', join(directory, 'swansong.prom')]
  const gateway = await startGateway({ ...disk.options, env, flags })
  const exporter = await startNodeExporter(directory, disk.options.within ?? [])
  const reader = readAllTheTime(exporter)
  let counted = 0
  const post = async (): Promise<number> => {
    const { status } = await gateway.post(one, `textfile ${counted}`)
    if (status === 200) counted++
    return status
  }
  const shown = (): Promise<true> =>
    until(`node_exporter shows ${counted}`, async () => reader.last().get(counterLine(0)) === counted)

  for (let kill = 0; kill < 3; kill++) {
    for (let batch = 0; batch < 40; batch++) assert.equal(await post(), 200)
    if (kill === 1) await shown()
    await gateway.kill9()
    await sleep(300) // The file stays, and is shown as long as nobody writes it.
    await gateway.restart(env)
    await shown()
  }

  disk.fill(gateway)
  await until('the disk is full', async () => {
    if (disk.kind === 'disk') disk.fill(gateway) // The reserve, and what SQLite freed, is room too.
    const isFull = disk.kind === 'limit' || (await gateway.metric(failures)) > 1
    return (await post()) === 503 && isFull
  })
  disk.free(gateway)
  await until('it goes on', async () => (await post()) === 200)
  await shown()
  await gateway.kill9()
  await gateway.restart(env)
  await post()
  await shown()
  await reader.stop()
  const { stdout } = await runSwansong('status', '--url', gateway.urls.admin)
  const doctor = await runSwansong('doctor', '--url', gateway.urls.admin)
  assert.match(doctor.stdout, /scrape +none seen; the textfile was written \d+ s ago/)
  assert.match(stdout, /^textfile +\d+ written, the last \d+ s ago/m)
  assert.deepEqual(await jobsOf(exporter), await jobsOf(gateway))
  t.diagnostic(`${counted} counted, read ${reader.count()} times, a ${disk.kind}`)
})

test('a gateway that cannot write its textfile does not start, and says what to do', async () => {
  const flags = [...flagsOf(await freeGatewayPorts()), '--data-dir', join(tmpdir(), 'swansong-never')]
  const { code, stderr } = await runSwansong('gateway', ...flags, '--textfile', '/proc/nowhere/s.prom')
  assert.equal(code, 1)
  assert.match(
    stderr,
    /^swansong: textfile: \/proc\/nowhere\/s\.prom cannot be written: ENOENT.*make its directory/
  )
  await rm(join(tmpdir(), 'swansong-never'), { recursive: true, force: true })
})

interface Reader {
  last(): ReadonlyMap<string, number>
  count(): number
  stop(): Promise<void>
}

/** Holds at every reading that the file was read whole, and that nothing of a job's is gone or less than before. */
function readAllTheTime(exporter: NodeExporter): Reader {
  let last = new Map<string, number>()
  let count = 0
  const stop = new AbortController()
  const read = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const lines = await exporter.metrics()
      assert.equal(lines.get('node_textfile_scrape_error{}'), 0)
      for (const [line, value] of last) {
        if (!isOfJob(line)) continue
        assert.ok((lines.get(line) ?? -1) >= value, `${line} was ${value} and is ${lines.get(line)}`)
      }
      last = lines
      count++
      await sleep(50)
    }
  }
  const reading = read()
  reading.catch(() => {}) // It is told at the end.
  return {
    last: () => last,
    count: () => count,
    stop: () => {
      stop.abort()
      return reading
    },
  }
}

async function jobsOf(shower: Gateway | NodeExporter): Promise<Map<string, number>> {
  const lines =
    'urls' in shower
      ? linesOf((await ask(`${shower.urls.metrics}/metrics`)).body.toString())
      : await shower.metrics()
  return new Map([...lines].filter(([line]) => isOfJob(line)).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function isOfJob(line: string): boolean {
  return line.includes('job="test"')
}

function counterLine(at: number): string {
  return `work${at}_total{job="test",path="C:\\\\\\"${at}\\"\\nü"}`
}

function oneOfEach(): Uint8Array {
  const points = Array.from({ length: counterCount }, (_, at) => {
    return { name: `work${at}`, value: 1, attributes: { path: `C:\\"${at}"\nü` } }
  })
  const request = exportRequest(points)
  const scope = request.resourceMetrics?.[0]?.scopeMetrics?.[0]
  const times = { startTimeUnixNano: 1n, timeUnixNano: 2n }
  const dataPoints = [
    { ...times, count: 3, sum: 7.5, bucketCounts: [1, 1, 1], explicitBounds: [0.5, 1_000_000] },
  ]
  const sizes = { name: 'sizes', histogram: { aggregationTemporality: 1, dataPoints } }
  return encodeExportRequest({
    resourceMetrics: [
      {
        ...request.resourceMetrics?.[0],
        scopeMetrics: [{ ...scope, metrics: [...(scope?.metrics ?? []), sizes] }],
      },
    ],
  })
}
