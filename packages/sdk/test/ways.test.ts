import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { lookup } from 'node:dns/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { makeCertificates } from './support/certificates.ts'
import { requestsOf, startGateway, startGatewayAt } from './support/gateway.ts'
import { sums } from './support/read-request.ts'
import { makeSpool, run } from './support/run.ts'

const truth = { 'done{kind="a"}': 250, 'done{kind="b"}': 750 }
const options = { timeout: 60_000 }
const endings = ['natural', 'exit', 'SIGTERM']

test('by a Unix socket every count arrives, asked for at /v1/metrics', options, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'swansong socket-'))
  const gateway = await startGatewayAt({ socketPath: join(directory, 'otlp.sock') }, 503, 200, 200)
  for (const url of [gateway.url, gateway.url.replace('unix:', 'unix://')]) {
    for (const ending of endings) {
      gateway.counted.clear()
      const ended = await run('dying', [ending, 'with'], { OTEL_EXPORTER_OTLP_ENDPOINT: url })
      assert.equal(ended.stderr, '')
      assert.deepEqual(sums(requestsOf(gateway.counted.values())), truth)
    }
  }
  assert.ok(
    gateway.requests.every(({ path, headers }) => path === '/v1/metrics' && headers.host === 'localhost')
  )
  await gateway.close()
  rmSync(directory, { recursive: true })
})

test('a socket that is not there, or that nobody listens at, is said with its path', options, async () => {
  const directory = mkdtempSync(join(tmpdir(), 'swansong-socket-'))
  writeFileSync(join(directory, 'file'), '')
  chmodSync(join(directory, 'file'), 0o600)
  for (const ending of ['natural', 'exit']) {
    const check = async (name: string, want: RegExp): Promise<void> => {
      const env = {
        OTEL_EXPORTER_OTLP_ENDPOINT: `unix:${join(directory, name)}`,
        SWANSONG_EXIT_BUDGET_MS: '300',
      }
      const ended = await run('dying', [ending, 'with'], env)
      assert.match(ended.stderr, want)
      assert.match(
        ended.stderr,
        new RegExp(`^swansong: 2 points .* lost: unix:${join(directory, name)}: .*\n$`)
      )
    }
    await check('absent', /ENOENT/)
    await check('file', /nobody accepts connections there/)
  }
  rmSync(directory, { recursive: true })
})

test(
  'gzip: the request is compressed once and sent again as it was; the spool holds it as it is',
  options,
  async () => {
    const env = { OTEL_EXPORTER_OTLP_COMPRESSION: 'none', OTEL_EXPORTER_OTLP_METRICS_COMPRESSION: 'gzip' }
    for (const ending of ['natural', 'exit', 'handler that goes on']) {
      const gateway = await startGateway(503, 200)
      await run('dying', [ending, 'with'], { ...env, OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url })
      assert.deepEqual(sums(requestsOf(gateway.counted.values())), truth)
      const [first, second] = gateway.requests
      assert.equal(first?.headers['content-encoding'], 'gzip')
      assert.ok(first.wire.length < first.body.length)
      assert.ok(first.wire.equals(second?.wire ?? Buffer.of()))
      assert.ok(first.wire.subarray(10).equals(gzipSync(first.body).subarray(10)))
      await gateway.close()
    }
    const spool = makeSpool()
    const down = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1', SWANSONG_SPOOL_DIR: spool.directory }
    await run('dying', ['natural', 'with'], { ...env, ...down })
    assert.deepEqual(sums(spool.read().map(({ request }) => request)), truth)
    spool.remove()
  }
)

test(
  'whatever Node allows, process.exit() posts: bindings, node:net, or a thread for a name',
  options,
  async () => {
    const check = async (
      url: (port: string) => string,
      env: Record<string, string>,
      flags: string[]
    ): Promise<void> => {
      const gateway = await startGateway(200)
      for (const ending of endings) {
        gateway.counted.clear()
        const given = { OTEL_EXPORTER_OTLP_ENDPOINT: url(new URL(gateway.url).port), ...env }
        const ended = await run('dying', [ending, 'with'], given, flags)
        assert.equal(ended.stderr, '', [...flags, ending].join(' '))
        assert.deepEqual(sums(requestsOf(gateway.counted.values())), truth)
      }
      await gateway.close()
    }
    const local = (port: string): string => `http://127.0.0.1:${port}`
    await check(local, {}, ['--pending-deprecation'])
    await check(local, { NODE_PENDING_DEPRECATION: '1' }, [])
    await check(local, { NODE_OPTIONS: '--throw-deprecation' }, [])
    await check((port) => `http://localhost:${port}`, {}, [])
    await check((port) => `http://[::ffff:127.0.0.1]:${port}`, {}, [])
  }
)

test('a name that is no address is looked up by a thread where nothing else can', options, async () => {
  const names = [hostname(), 'ip6-localhost', 'localhost.localdomain', 'localhost4']
  const found = await Promise.all(names.map((name) => lookup(name).catch(() => undefined)))
  const index = found.findIndex((each) => each !== undefined)
  const at = found[index]
  assert.ok(at, `this machine knows none of ${names.join(', ')}`)
  for (const ending of endings) {
    const gateway = await startGatewayAt({ host: at.address }, 200)
    const url = `http://${names[index]}:${new URL(gateway.url).port}`
    const ended = await run('dying', [ending, 'with'], { OTEL_EXPORTER_OTLP_ENDPOINT: url })
    assert.equal(ended.stderr, '')
    assert.deepEqual(sums(requestsOf(gateway.counted.values())), truth)
    await gateway.close()
  }
})

test('a name that nobody knows is said, within the budget', options, async () => {
  for (const ending of ['natural', 'exit']) {
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://nobody.invalid:4318', SWANSONG_EXIT_BUDGET_MS: '700' }
    const ended = await run('dying', [ending, 'with'], env)
    assert.match(ended.stderr, /^swansong: 2 points .* lost: http:\/\/nobody\.invalid:4318: .*\n$/)
    assert.ok(ended.ms < 5000)
  }
})

test(
  'what watches the requests of the job sees none of ours, and is not loaded by our thread',
  options,
  async () => {
    const certificates = makeCertificates()
    const tls = { key: certificates.text('server.key'), cert: certificates.text('server.pem') }
    const trusting = { OTEL_EXPORTER_OTLP_CERTIFICATE: certificates.path('ca.pem') }
    const watching = ['--import', fileURLToPath(new URL('jobs/watching.ts', import.meta.url))]
    for (const at of [{}, { tls }]) {
      for (const ending of [...endings, 'handler that goes on']) {
        const gateway = await startGatewayAt(at, 200)
        const env = { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url, ...trusting }
        const ended = await run('dying', [ending, 'with'], env, watching)
        assert.deepEqual([ended.stdout, ended.stderr], ['watching\n', ''], ending)
        assert.deepEqual(sums(requestsOf(gateway.counted.values())), truth)
        await gateway.close()
      }
    }
    const ownRequest = await run('dying', ['own request', 'without'], {}, watching)
    assert.match(ownRequest.stdout, /^watching\nsaw node:http\n(saw \S+\n)*saw undici:request:create\n/)
    certificates.remove()
  }
)
