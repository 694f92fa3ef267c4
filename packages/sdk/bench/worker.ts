import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import * as jobs from './support/jobs.ts'
import { makeOurs, makeStock } from './support/projects.ts'

/*
 * What the built SDK costs a job, beside the stock one (installed from npm) and an empty process, interleaved in one run:
 * CPU and wall of a job of a thousand counts, nanoseconds an add, memory, install. `npm run bench -- ROUNDS`.
 */
const rounds = Number(process.argv[2] ?? 40)
if (!existsSync(fileURLToPath(new URL('../dist/index.js', import.meta.url)))) {
  throw new Error('npm run build comes first: what is built is measured')
}
const folder = mkdtempSync(join(tmpdir(), 'swansong-bench-'))
const spool = join(folder, 'spool')
mkdirSync(spool)
const ours = makeOurs(folder)
const stock = makeStock(folder)
const file = (project: { folder: string }, name: string, text: string): string => {
  writeFileSync(join(project.folder, name), text)
  return join(project.folder, name)
}
const journal = { SWANSONG_SPOOL_DIR: spool }
const post = { OTEL_EXPORTER_OTLP_ENDPOINT: await startGateway() }

const countOurs = file(ours, 'count.js', jobs.countOurs)
const cases: [name: string, job: string, env: Record<string, string>][] = [
  ['empty process', file(ours, 'empty.js', jobs.empty), {}],
  ['import and nothing else', file(ours, 'import.js', jobs.importOurs), {}],
  ['1,000 counts by journal', countOurs, journal],
  ['1,000 counts by POST', countOurs, post],
  ['1,000 counts, stock SDK, shutdown awaited', file(stock, 'count.js', jobs.countStock), post],
]
const cpus: number[][] = cases.map(() => [])
const walls: number[][] = cases.map(() => [])
for (let round = 0; round < rounds; round++) {
  for (const [index, [, job, env]] of cases.entries()) {
    const { cpuMs, wallMs } = measure(job, env)
    cpus[index]?.push(cpuMs)
    walls[index]?.push(wallMs)
  }
}
console.log(`${process.version}, medians of ${rounds} rounds, ms over an empty process`)
for (const [index, [name]] of cases.entries()) {
  const cpu = median(cpus[index]) - (index === 0 ? 0 : median(cpus[0]))
  const wall = median(walls[index]) - (index === 0 ? 0 : median(walls[0]))
  console.log(`${name.padEnd(44)}CPU ${cpu.toFixed(1).padStart(5)}   wall ${wall.toFixed(1).padStart(5)}`)
}

const ourAdds = readAdds(run(file(ours, 'adds.js', jobs.addsOurs), journal, '--expose-gc'))
const stockAdds = readAdds(run(file(stock, 'adds.js', jobs.addsStock), post, '--expose-gc'))
console.log(`\nns an add (ours while a journal is written)${' '.repeat(9)}ours   stock   ratio`)
for (const [name, value] of ourAdds) {
  const other = stockAdds.get(name)
  const beside =
    other === undefined ? '' : `${other.toFixed(1).padStart(8)}${(other / value).toFixed(1).padStart(8)}`
  console.log(`${name.padEnd(44)}${value.toFixed(1).padStart(12)}${beside}`)
}
console.log(`\ninstalled${' '.repeat(39)}packages    kB`)
for (const [name, { packages, bytes }] of Object.entries({ ours, stock })) {
  console.log(`${name.padEnd(48)}${String(packages).padStart(8)}${(bytes / 1000).toFixed(0).padStart(6)}`)
}
rmSync(folder, { recursive: true })
process.exit(0)

/** Bash tells the CPU time of a child to the millisecond; Node does not tell it at all. */
function measure(job: string, env: Record<string, string>): { cpuMs: number; wallMs: number } {
  const start = performance.now()
  const said = run(job, env).stderr.toString()
  const wallMs = performance.now() - start
  const [user = 0, system = 0] = said.trim().split(' ').map(Number)
  return { cpuMs: (user + system) * 1000, wallMs }
}

function run(job: string, env: Record<string, string>, flag = ''): SpawnSyncReturns<Buffer> {
  const script = `TIMEFORMAT='%3U %3S'; time '${process.execPath}' ${flag} '${job}'`
  const ended = spawnSync('bash', ['--norc', '-c', script], { env })
  if (ended.status !== 0 || !/^[\d.]+ [\d.]+\n$/.test(ended.stderr.toString())) {
    throw new Error(`${job}: ${ended.stderr.toString()}`)
  }
  return ended
}

function readAdds(ended: SpawnSyncReturns<Buffer>): Map<string, number> {
  const lines = ended.stdout.toString().trim().split('\n')
  return new Map(lines.map((line) => JSON.parse(line) as [string, number]))
}

/** In a thread of its own, as this one waits for the jobs. */
async function startGateway(): Promise<string> {
  const worker = new Worker(
    `const server = require('node:http').createServer((request, response) => request.resume().on('end', () => response.end()))
    server.listen(0, '127.0.0.1', () => require('node:worker_threads').parentPort.postMessage(server.address().port))`,
    { eval: true }
  )
  const port = await new Promise<number>((resolve) => worker.once('message', resolve))
  return `http://127.0.0.1:${port}`
}

function median(values: number[] = []): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
