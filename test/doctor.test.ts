import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runSwansongIn } from './support/command.ts'
import { startGateway } from './support/gateway.ts'
import { ask } from './support/http.ts'
import { freePorts } from './support/ports.ts'

interface Finding {
  verdict: string
  about: string
  text: string
}

/** What the doctor finds, as `about: verdict text`, and its exit code. */
async function examine(
  env: Record<string, string>,
  { url = 'http://127.0.0.1:4', within = [] as string[] } = {}
): Promise<{ code: number | null; found: string }> {
  const path = process.env['PATH'] ?? ''
  const options = { env: { PATH: path, ...env }, ...(within.length > 0 ? { within } : {}) }
  const { code, stdout } = await runSwansongIn(options, 'doctor', '--json', '--url', url)
  const findings = JSON.parse(stdout) as Finding[]
  return {
    code,
    found: findings.map(({ verdict, about, text }) => `${about}: ${verdict} ${text}\n`).join(''),
  }
}

/** A user who is nobody, where we may become that; else ourselves. */
const asNobody =
  process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'] : []

test('a job whose counts arrive gets a clean bill: by journal, by POST, and once Prometheus scrapes', async () => {
  const spoolDir = await mkdtemp(join(tmpdir(), 'swansong-doctor-'))
  after(() => rm(spoolDir, { recursive: true, force: true }))
  const gateway = await startGateway({ spoolDir })
  const url = gateway.urls.admin
  const journal = await examine({ SWANSONG_SPOOL_DIR: spoolDir }, { url, within: asNobody })
  assert.equal(journal.code, 0, journal.found)
  assert.match(journal.found, /^way out: ok a journal: SWANSONG_SPOOL_DIR is /m)
  assert.match(journal.found, /^spool: ok a batch that was put into \S+ was taken after \d+ ms$/m)
  assert.match(journal.found, new RegExp(`^spool: ok its gateway lives: pid ${gateway.pid} `, 'm'))
  assert.match(journal.found, /^scrape: look none seen; .*honor_labels/m)
  await ask(`${gateway.urls.metrics}/metrics`, { headers: { accept: 'text/plain;version=0.0.4' } })
  const post = await examine({ OTEL_EXPORTER_OTLP_ENDPOINT: gateway.urls.endpoint }, { url })
  assert.equal(post.code, 0, post.found)
  assert.match(post.found, /^way out: ok POST: an endpoint is set$/m)
  assert.match(post.found, /^endpoint: ok http:\S+ took an empty request after \d+ ms$/m)
  assert.match(post.found, /^scrape: ok the last one was \d+ s ago, by .*127\.0\.0\.1$/m)
  assert.doesNotMatch(journal.found + post.found, /: fix /)
  assert.equal((await gateway.status()).series, 0, 'it counted nothing')
})

test('a spool that this user cannot write into is found, and said what to do about', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'swansong-doctor-'))
  after(() => rm(directory, { recursive: true, force: true }))
  await chmod(directory, 0o555)
  const { code, found } = await examine({ SWANSONG_SPOOL_DIR: directory }, { within: asNobody })
  assert.equal(code, 1)
  assert.match(
    found,
    /^spool: fix this user cannot put files into .*EACCES.* its mode is 555; .* makes it 3733: chmod it$/m
  )
  assert.match(found, /^spool: fix no gateway ever said that it keeps this directory/m)
  const missing = await examine({ SWANSONG_SPOOL_DIR: join(directory, 'none') })
  assert.equal(missing.code, 1)
  assert.match(
    missing.found,
    /^spool: fix .*there is no such directory: start a gateway with this --spool-dir/m
  )
})

test('a spool that nobody empties is found, and the probe is taken out again', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'swansong-doctor-'))
  after(() => rm(directory, { recursive: true, force: true }))
  const { code, found } = await examine({ SWANSONG_SPOOL_DIR: directory })
  assert.equal(code, 1)
  assert.match(found, /^spool: fix a batch was put into \S+, and nobody took it: is its gateway running\?$/m)
  assert.match(
    found,
    /^gateway: look not asked: no gateway answers at http:\/\/127\.0\.0\.1:4: connect ECONNREFUSED/m
  )
  assert.deepEqual(await readdir(directory), [])
})

test('an endpoint that nobody listens on is a fault, but for a spool beside it that works', async () => {
  const [port = 0] = await freePorts(1)
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` }
  const alone = await examine(endpoint)
  assert.equal(alone.code, 1)
  assert.match(alone.found, /^endpoint: fix http:\S+: .*ECONNREFUSED.*; start a gateway there/m)
  const gateway = await startGateway()
  const other = await examine({
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${gateway.ports.otlpGrpc}`,
  })
  const elsewhere = await examine({ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: gateway.urls.endpoint })
  assert.match(elsewhere.found, /^endpoint: fix .* 404: .*; is this the port of OTLP.* \/v1\/metrics\?$/m)
  const secured = await examine({
    OTEL_EXPORTER_OTLP_ENDPOINT: gateway.urls.endpoint.replace('http:', 'https:'),
  })
  assert.match(
    secured.found,
    /^endpoint: fix .*; is TLS spoken there\? If not, write http: instead of https:$/m
  )
  assert.match(other.found, /^endpoint: fix .* closed; is it OTLP\/HTTP that is spoken there/m)
  const beside = await examine(
    { ...endpoint, SWANSONG_SPOOL_DIR: gateway.spoolDir },
    { url: gateway.urls.admin }
  )
  assert.equal(beside.code, 0, beside.found)
  assert.match(
    beside.found,
    /^endpoint: look .*; start a gateway there, .*; meanwhile counts go to the spool$/m
  )
})

test('variables that are set wrong, or say that nothing leaves, are named', async () => {
  const gateway = await startGateway()
  const env = { SWANSONG_SPOOL_DIR: gateway.spoolDir, SWANSONG_EXIT_BUDGET_MS: 'long' }
  const wrong = await examine(env)
  assert.equal(wrong.code, 1)
  assert.match(wrong.found, /^variables: fix SWANSONG_EXIT_BUDGET_MS=long is no number of milliseconds/m)
  const tested = await examine({ SWANSONG_SPOOL_DIR: gateway.spoolDir, NODE_ENV: 'test' })
  assert.equal(tested.code, 1)
  const says =
    /^way out: fix none: NODE_ENV=test says that nothing leaves; unset it, or set SWANSONG_EXPORT=1$/m
  assert.match(tested.found, says)
  const disabled = await examine({ OTEL_SDK_DISABLED: 'true', NODE_ENV: 'test' })
  assert.match(
    disabled.found,
    /^way out: fix none: OTEL_SDK_DISABLED=true says that nothing leaves; unset it$/m
  )
})

test('a gateway that was stopped, and a directory that others may empty, are pointed out', async () => {
  const spoolDir = join(await mkdtemp(join(tmpdir(), 'swansong-doctor-')), 'spool')
  after(() => rm(join(spoolDir, '..'), { recursive: true, force: true }))
  await mkdir(spoolDir)
  const gateway = await startGateway({ spoolDir })
  assert.equal(await gateway.stop(), 0)
  await chmod(spoolDir, 0o777)
  const { code, found } = await examine({ SWANSONG_SPOOL_DIR: spoolDir })
  assert.equal(code, 1)
  assert.match(
    found,
    /^spool: look its gateway \(pid \d+ on .*\) was stopped \d+ s ago; files wait for the next$/m
  )
  assert.match(
    found,
    /^spool: look the mode of \S+ is 777 instead of 3733: others may read or remove files; chmod it$/m
  )
})
