import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'

/*
 * What the built SDK costs a job: CPU and wall that a job of a thousand counts adds to an empty process, by journal and
 * by POST, interleaved with it in one run; and nanoseconds an add while a journal is written. `npm run bench -- ROUNDS`.
 */
const rounds = Number(process.argv[2] ?? 40)
const dist = fileURLToPath(new URL('../dist/index.js', import.meta.url))
if (!existsSync(dist)) throw new Error('npm run build comes first: what is built is measured')

const folder = mkdtempSync(join(tmpdir(), 'swansong-bench-'))
const spool = join(folder, 'spool')
mkdirSync(spool)
mkdirSync(join(folder, 'node_modules/@swansong'), { recursive: true })
for (const each of ['package.json', 'dist']) {
  const from = fileURLToPath(new URL(`../${each}`, import.meta.url))
  cpSync(from, join(folder, 'node_modules/@swansong/sdk', each), { recursive: true })
}
const count = `import { counter } from '@swansong/sdk'
const jobs = counter('jobs', { unit: '{job}', attributes: ['kind', 'result'] })
for (let each = 0; each < 1000; each++) jobs.add(1, { kind: 'a', result: 'ok' })`
const adds = `import { counter } from '@swansong/sdk'
const bare = counter('bare'), two = counter('two'), shared = { kind: 'a', result: 'ok' }, bound = two.bind(shared)
const time = (name, add) => {
  for (let round = 0; round < 3; round++) {
    const start = process.hrtime.bigint()
    for (let each = 0; each < 2e7; each++) add()
    if (round === 2) console.log(name.padEnd(36) + (Number(process.hrtime.bigint() - start) / 2e7).toFixed(1) + ' ns')
  }
}
time('add, no attributes', () => bare.add(1))
time('add, 2 attributes, shared object', () => two.add(1, shared))
time('add, 2 attributes, fresh object', () => two.add(1, { kind: 'a', result: 'ok' }))
time('add, bound', () => bound.add(1))`
for (const [name, text] of Object.entries({ empty: '', import: `import '@swansong/sdk'`, count, adds })) {
  writeFileSync(join(folder, `${name}.mjs`), text)
}

const url = await startGateway()
const journal = { SWANSONG_SPOOL_DIR: spool }
const cases: [name: string, job: string, env: Record<string, string>][] = [
  ['empty process', 'empty', {}],
  ['import and nothing else', 'import', {}],
  ['1,000 counts by journal', 'count', journal],
  ['1,000 counts by POST', 'count', { OTEL_EXPORTER_OTLP_ENDPOINT: url }],
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
  console.log(`${name.padEnd(36)}CPU ${cpu.toFixed(1).padStart(5)}   wall ${wall.toFixed(1).padStart(5)}`)
}
console.log(`while a journal is written:\n${run('adds', journal).stdout.toString().trim()}`)
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

function run(job: string, env: Record<string, string>): SpawnSyncReturns<Buffer> {
  const script = `TIMEFORMAT='%3U %3S'; time '${process.execPath}' '${join(folder, `${job}.mjs`)}'`
  const ended = spawnSync('bash', ['--norc', '-c', script], { env })
  if (ended.status !== 0 || !/^[\d.]+ [\d.]+\n$/.test(ended.stderr.toString())) {
    throw new Error(`${job}: ${ended.stderr.toString()}`)
  }
  return ended
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
