import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { prometheusClient } from '../test/peers/prometheus-client.ts'
import { spawnThatDiesWithUs } from '../test/support/child.ts'
import { freePorts } from '../test/support/ports.ts'
import { until } from '../test/support/wait.ts'

/*
 * What a scrape costs after so many workers have died, of prometheus_client's MultiProcessCollector and of a gateway that
 * takes over its directory.
 */

const takenMsMax = 10 * 60_000
const scrapes = 20

/** Files of workers that are dead: a counter of three series and a histogram of fifteen buckets each. */
const dying = `
import sys
from prometheus_client import values
first, last = int(sys.argv[1]), int(sys.argv[2])
worker = [first]
values.ValueClass = values.MultiProcessValue(lambda: worker[0])
from prometheus_client import Counter, Histogram
jobs = Counter('jobs', 'Jobs.', ['kind'])
took = Histogram('took_seconds', 'Seconds.')
for each in range(first, last):
    worker[0] = each
    for kind in ('a', 'b', 'c'):
        jobs.labels(kind).inc()
    took.observe(1)
`
/** Milliseconds of the fastest of five. */
const collecting = `
import sys, time
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry, sys.argv[1])
best = 1e9
for _ in range(5):
    begun = time.perf_counter()
    generate_latest(registry)
    best = min(best, time.perf_counter() - begun)
print(best * 1000)
`

const python = await prometheusClient('0.26')
const home = mkdtempSync(join(tmpdir(), 'bench-multiprocess-'))
try {
  process.stdout.write(
    '| dead workers | collector, ms | taken over in, s | scrape of the gateway then, ms |\n'
  )
  process.stdout.write('| --- | --- | --- | --- |\n')
  for (const count of [100, 1000, 3000]) process.stdout.write(`| ${(await row(count)).join(' | ')} |\n`)
} finally {
  rmSync(home, { recursive: true, force: true })
}

async function row(count: number): Promise<string[]> {
  const directory = mkdtempSync(join(home, 'files-'))
  // Above what pids are, so that no process is called so.
  await inPython(dying, directory, ['10000000', String(10_000_000 + count)])
  const collected = Number(await inPython(collecting, directory, [directory]))
  const [otlp, metrics, admin] = await freePorts(3)
  const at = (port = 0): string => `127.0.0.1:${port}`
  const args = ['gateway', '--data-dir', join(directory, 'data'), '--multiprocess-dir', `shop=${directory}`]
  const doors = [
    '--otlp-grpc',
    'off',
    '--otlp-http',
    at(otlp),
    '--metrics',
    at(metrics),
    '--admin',
    at(admin),
  ]
  const begun = performance.now()
  const swansong = join(import.meta.dirname, '..', 'node_modules', '.bin', 'swansong')
  const gateway = spawnThatDiesWithUs(swansong, [...args, ...doors])
  const left = (): number =>
    readdirSync(directory, { recursive: true }).filter((name) => String(name).endsWith('.db')).length
  await until('all files are taken', () => left() <= 1, takenMsMax) // The ledger's own.
  const takenSeconds = (performance.now() - begun) / 1000
  const url = `http://${at(metrics)}/metrics`
  const times: number[] = []
  for (let scrape = 0; scrape < scrapes; scrape++) {
    const from = performance.now()
    const text = await (await fetch(url)).text()
    times.push(performance.now() - from)
    if (!text.includes(`jobs_total{job="shop",kind="a"} ${count}\n`)) throw new Error('it does not add up')
  }
  const exit = once(gateway, 'exit')
  gateway.kill('SIGTERM')
  await exit
  const shown = times.toSorted((a, b) => a - b)[0] ?? 0
  return [count.toLocaleString('en'), collected.toFixed(0), takenSeconds.toFixed(1), shown.toFixed(1)]
}

async function inPython(script: string, directory: string, args: string[]): Promise<string> {
  const env = { ...process.env, PROMETHEUS_MULTIPROC_DIR: directory }
  return (await promisify(execFile)(python, ['-c', script, ...args], { env })).stdout
}
