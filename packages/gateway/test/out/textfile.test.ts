import assert from 'node:assert/strict'
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { pino } from 'pino'
import { TextfileError } from '../../src/index.ts'
import { temporaryDirectory } from '../support/directories.ts'
import { startGateway, type StartOptions, type TestGateway } from '../support/gateways.ts'
import { valuesOf } from '../support/ledgers.ts'
import { deltas } from '../support/requests.ts'
import { fill, smallDisk } from '../support/small-disk.ts'
import { eventually } from '../support/spools.ts'

const workLine = 'work_total{job="jobs",otel_scope_name="test"}'

/** Of text 0.0.4: what describes a family, a value of it, or nothing. */
const textLine = /^(?:# (?:HELP|TYPE) [a-zA-Z_:][\w:]* .+|[a-zA-Z_:][\w:]*(?:\{(?:\w+="[^"]*",?)+\})? \S+)?$/

interface Writing {
  gateway: TestGateway
  directory: string
  path: string
  /** What it logged, a line each. */
  lines: string[]
}

/** A gateway that writes its file often. */
async function startWriting(context: TestContext, options: StartOptions = {}): Promise<Writing> {
  const directory = temporaryDirectory(context)
  const path = options.textfile?.path ?? join(directory, 'swansong.prom')
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
  const given = { log, firstIncrementHoldMs: 0, ...options }
  const gateway = await startGateway(context, { ...given, textfile: { path, intervalMs: 50 } })
  return { gateway, directory, path, lines }
}

function read(path: string): Map<string, number> {
  return valuesOf(readFileSync(path, 'utf8'))
}

test('the file says what /metrics says, to everybody, and nothing else stands beside it', async (context) => {
  const before = process.umask(0o077)
  context.after(() => process.umask(before))
  const { gateway, directory, path } = await startWriting(context)
  await gateway.post(deltas([{ value: 5 }]))
  await eventually(() => assert.equal(read(path).get(workLine), 5))
  assert.equal(statSync(path).mode & 0o777, 0o644)
  const names = (lines: Map<string, number>): string[] =>
    [...lines.keys()].filter((line) => !line.startsWith('swansong_connections')).toSorted() // One is ours.
  assert.deepEqual(names(read(path)), names(await gateway.scrape()))
  assert.ok(readFileSync(path, 'utf8').endsWith('\n'))
  await gateway.close()
  assert.deepEqual(readdirSync(directory), ['swansong.prom'])
})

test('what scrapers are shown at 0 is 0 in the file, until the hold has passed', async (context) => {
  const { gateway, path } = await startWriting(context, { firstIncrementHoldMs: 2000 })
  await gateway.post(deltas([{ value: 5 }]))
  assert.equal((await gateway.scrape()).get(workLine), 5) // Nobody's who scrapes.
  await eventually(() => assert.equal(read(path).get(workLine), 0))
  await eventually(() => assert.equal(read(path).get(workLine), 5))
})

test('a reader never sees a part of it, nor less than before', async (context) => {
  const { gateway, directory, path } = await startWriting(context)
  await eventually(() => assert.ok(readdirSync(directory).includes('swansong.prom')))
  let last = 0
  for (let value = 1; value <= 200; value++) {
    await gateway.post(deltas(Array.from({ length: 50 }, (_, at) => ({ value: 1, name: `work${at}` }))))
    const text = readFileSync(path, 'utf8')
    const lines = valuesOf(text)
    assert.ok(text.endsWith('\n') && lines.has('swansong_limit_used{limit="series_count"}'), 'it is torn')
    for (let at = 0; at < 50; at++) {
      const seen = lines.get(`work${at}_total{job="jobs",otel_scope_name="test"}`) ?? 0
      assert.ok(seen >= last && seen <= value, `${seen} after ${last}, of ${value}`)
      if (at === 49) last = seen
    }
    assert.ok(!readdirSync(directory).some((name) => name.endsWith('.prom') && name !== 'swansong.prom'))
  }
})

test('names are such as node_exporter takes, whatever the strategy is, and no time stands behind a value', async (context) => {
  const { gateway, path } = await startWriting(context, { translationStrategy: 'NoTranslation' })
  await gateway.post(deltas([{ name: 'größe.done', value: 5, attributes: { 'a.ü': 'ü' } }]))
  await eventually(() => assert.match(readFileSync(path, 'utf8'), /done/))
  for (const line of readFileSync(path, 'utf8').split('\n')) assert.match(line, textLine)
})

test('a stop writes what the doors took in last', async (context) => {
  const { gateway, path } = await startWriting(context, { textfile: {} })
  await gateway.post(deltas([{ value: 3 }]))
  await gateway.close()
  assert.equal(read(path).get(workLine), 3)
})

test('what cannot be written leaves the file as it was, is counted and said once; then it is written again', async (context) => {
  const { gateway, path, lines } = await startWriting(context)
  await gateway.post(deltas([{ value: 5 }]))
  await eventually(() => assert.equal(read(path).get(workLine), 5))
  const temporary = join(path, '..', '.swansong.prom.tmp')
  const status = (): Record<string, number> => gateway.gateway.status().textfile?.failed ?? {}
  await eventually(() => mkdirSync(temporary)) // Between two writes; what is no file stays there.
  await eventually(() => assert.ok((status()['failed'] ?? 0) >= 3))
  await gateway.post(deltas([{ value: 2 }]))
  assert.equal(read(path).get(workLine), 5)
  assert.ok(
    ((await gateway.scrape()).get('swansong_textfile_writes_failed_total{reason="failed"}') ?? 0) >= 3
  )
  assert.equal(lines.filter((line) => line.includes('it stays as it was')).length, 1)
  rmdirSync(temporary)
  await eventually(() => assert.equal(read(path).get(workLine), 7))
  await eventually(() => assert.ok(lines.some((line) => line.includes('it is written again'))))
})

test('a full disk leaves the file whole and as it was; when there is room, it is written again', async (context) => {
  const directory = smallDisk(context, 4)
  const { gateway, path, lines } = await startWriting(context, {
    textfile: { path: join(directory, 'swansong.prom') },
  })
  await gateway.post(deltas([{ value: 5 }]))
  await eventually(() => assert.equal(read(path).get(workLine), 5))
  const makeRoom = fill(directory)
  await eventually(() => assert.ok((gateway.gateway.status().textfile?.failed['disk_full'] ?? 0) >= 2))
  await gateway.post(deltas([{ value: 2 }]))
  assert.equal(read(path).get(workLine), 5)
  assert.ok(lines.some((line) => line.includes('its disk is full; make room')))
  makeRoom()
  await eventually(() => assert.equal(read(path).get(workLine), 7))
})

test('a text over the limit is not written, and the answer says which limit', async (context) => {
  const { gateway, path, lines } = await startWriting(context, { limits: { scrapeBytesMax: 1000 } })
  await eventually(() => assert.ok((gateway.gateway.status().textfile?.failed['too_large'] ?? 0) > 0))
  assert.throws(() => statSync(path))
  assert.ok(lines.some((line) => line.includes('raise that') && line.includes('limits.scrape_bytes')))
})

test('what a killed gateway left is removed, and no link is followed', async (context) => {
  const directory = temporaryDirectory(context)
  const victim = join(directory, 'victim')
  writeFileSync(victim, 'mine')
  symlinkSync(victim, join(directory, '.swansong.prom.tmp'))
  const path = join(directory, 'swansong.prom')
  const { gateway } = await startWriting(context, { textfile: { path } })
  await eventually(() => assert.equal(gateway.gateway.status().textfile?.lastSuccessSecondsAgo, 0))
  assert.equal(readFileSync(victim, 'utf8'), 'mine')
  await gateway.close()
  assert.deepEqual(readdirSync(directory).toSorted(), ['swansong.prom', 'victim'])
})

test('a directory that is not there keeps the gateway from starting, and is said', async (context) => {
  const path = join(temporaryDirectory(context), 'nowhere', 'swansong.prom')
  await assert.rejects(startWriting(context, { textfile: { path } }), (error) => {
    assert.ok(error instanceof TextfileError)
    assert.match(error.message, /cannot be written: ENOENT.*make its directory/)
    return true
  })
})
