import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { TlsOptions } from 'node:tls'
import { makeCertificates } from './support/certificates.ts'
import { type FakeGateway, requestsOf, startGatewayAt } from './support/gateway.ts'
import { sums } from './support/read-request.ts'
import { type Ended, run } from './support/run.ts'

const truth = { 'done{kind="a"}': 250, 'done{kind="b"}': 750 }
const files = makeCertificates()
after(() => files.remove())
const server = { key: files.text('server.key'), cert: files.text('server.pem') }
const demanding = { ...server, ca: files.text('ca.pem'), requestCert: true, rejectUnauthorized: true }
const trusting = { OTEL_EXPORTER_OTLP_CERTIFICATE: files.path('ca.pem') }
const named = {
  ...trusting,
  OTEL_EXPORTER_OTLP_CLIENT_KEY: files.path('client.key'),
  OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: files.path('client.pem'),
}
const options = { timeout: 60_000 }

for (const ending of ['natural', 'exit', 'SIGTERM']) {
  test(
    `${ending}: by https every count arrives, by TLS 1.2 and 1.3, to whom our own authority signed`,
    options,
    async () => {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        const { gateway, ended } = await runAgainst(
          ending,
          { ...server, minVersion: version, maxVersion: version },
          trusting
        )
        assert.equal(ended.stderr.includes('swansong'), false, ended.stderr)
        assert.deepEqual(sums(requestsOf(gateway.counted.values())), truth)
        assert.equal(gateway.requests.length, 1)
      }
    }
  )

  test(`${ending}: a server that asks for a client certificate gets it`, options, async () => {
    const { gateway, ended } = await runAgainst(ending, demanding, named)
    assert.equal(ended.stderr.includes('swansong'), false, ended.stderr)
    assert.deepEqual(sums(requestsOf(gateway.counted.values())), truth)
  })

  test(
    `${ending}: without a client certificate the server refuses, and the line says so`,
    options,
    async () => {
      const { gateway, ended } = await runAgainst(ending, demanding, trusting)
      assert.match(ended.stderr, /swansong: 2 points .* lost: https:.*certificate required/)
      assert.equal(gateway.requests.length, 0)
    }
  )

  test(`${ending}: who is signed by somebody else is told nothing`, options, async () => {
    const other = { OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE: files.path('other-ca.pem'), ...trusting }
    for (const env of [other, {}]) {
      const { gateway, ended } = await runAgainst(ending, server, env)
      assert.match(ended.stderr, /swansong: 2 points .* lost: https:.*(certificate|signature)/)
      assert.equal(gateway.requests.length, 0)
    }
  })
}

test(
  'a certificate or key that cannot be read, or is half a pair, is named, and nothing is sent',
  options,
  async () => {
    const { OTEL_EXPORTER_OTLP_CLIENT_KEY: _key, ...keyless } = named
    const check = async (env: Record<string, string>, want: RegExp): Promise<void> => {
      for (const ending of ['natural', 'exit']) {
        // Who tries again does so for as long as that.
        const patient = { ...env, SWANSONG_EXIT_BUDGET_MS: '20000' }
        const { gateway, ended } = await runAgainst(ending, server, patient)
        assert.match(ended.stderr, want)
        assert.match(ended.stderr, /swansong: 2 points .* lost: https:/)
        assert.equal(gateway.requests.length, 0)
        assert.ok(ended.ms < 15_000, 'nothing is tried again')
      }
    }
    await check({ OTEL_EXPORTER_OTLP_CERTIFICATE: '/nowhere.pem' }, /OTEL_EXPORTER_OTLP_CERTIFICATE: ENOENT/)
    await check(
      { ...named, OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY: '/nowhere.key' },
      /METRICS_CLIENT_KEY: ENOENT/
    )
    await check(keyless, /a client certificate without its key/)
  }
)

test('a file that holds no certificate is said, and costs no more than the counts', options, async () => {
  for (const ending of ['natural', 'exit']) {
    const env = {
      ...named,
      OTEL_EXPORTER_OTLP_CLIENT_KEY: files.path('client.pem'),
      SWANSONG_EXIT_BUDGET_MS: '600',
    }
    const { gateway, ended } = await runAgainst(ending, server, env)
    assert.match(ended.stderr, /swansong: 2 points .* lost: https:/)
    assert.equal(ended.code, ending === 'exit' ? 7 : 0)
    assert.equal(gateway.requests.length, 0)
  }
})

async function runAgainst(
  ending: string,
  tls: TlsOptions,
  env: Record<string, string>
): Promise<{ gateway: FakeGateway; ended: Ended }> {
  const gateway = await startGatewayAt({ tls }, 200)
  const ended = await run('dying', [ending, 'with'], { OTEL_EXPORTER_OTLP_ENDPOINT: gateway.url, ...env })
  await gateway.close()
  return { gateway, ended }
}
