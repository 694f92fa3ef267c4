import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { makeProjectWithSdk } from '../support/project.ts'
import { until } from '../support/wait.ts'
import { startJob } from './job.ts'

/*
 * What instruments a job's http and undici neither traces nor measures the requests of the SDK: with OpenTelemetry's own
 * instrumentations, by whose lines a request of the job's own is seen.
 */

const project = await makeProjectWithSdk(
  '@opentelemetry/api@1.10.0',
  '@opentelemetry/instrumentation@0.301.0',
  '@opentelemetry/instrumentation-http@0.301.0',
  '@opentelemetry/instrumentation-undici@0.34.0',
  '@opentelemetry/sdk-trace@3.1.1'
)
await project.copy('test/compat/fixtures', '.')
const [key, cert] = [project.at('server.key'), project.at('server.pem')]
execFileSync(
  'openssl',
  `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test -keyout ${key} -out ${cert}
   -addext subjectAltName=IP:127.0.0.1`.split(/\s+/),
  { stdio: 'pipe', timeout: 30_000 }
)

for (const scheme of ['http', 'https'] as const) {
  for (const [ending, code, signal] of [
    ['natural end', 0, null],
    ['process.exit', 7, null],
    ['SIGTERM', null, 'SIGTERM'],
  ] as const) {
    test(`${scheme}, ${ending}: of all requests only those of the job itself are traced and measured`, async () => {
      const server = await listen(scheme)
      const seen = project.at(`${scheme} ${ending}`)
      const ended = await startJob(
        {
          program: process.execPath,
          project,
          file: 'instrumented.cjs',
          args: [server.url, ending],
          counted: async (pid) => {
            await until('intervals were sent', () => server.batches() > 2)
            process.kill(pid, 'SIGTERM')
          },
        },
        {
          NODE_OPTIONS: `--require=${project.at('instrument.cjs')}`,
          NODE_EXTRA_CA_CERTS: cert,
          OTEL_EXPORTER_OTLP_CERTIFICATE: cert,
          OTEL_EXPORTER_OTLP_ENDPOINT: server.url,
          SWANSONG_EXIT_BUDGET_MS: '30000', // How long a busy machine takes is not what this is about.
          OTEL_METRIC_EXPORT_INTERVAL: ending === 'SIGTERM' ? '20' : '60000',
          SEEN: seen,
        }
      )
      assert.deepEqual([ended.code, ended.signal, ended.stderr], [code, signal, ''])
      assert.ok(server.batches() > (ending === 'SIGTERM' ? 2 : 0))
      const lines = (await readFile(seen, 'utf8')).trim().split('\n')
      const measured = 'value http.client.request.duration'
      assert.deepEqual(lines.toSorted(), [
        `span ${server.url}/by-fetch`,
        `span ${server.url}/by-http`,
        measured,
        measured,
      ])
      server.close()
    })
  }
}

/** Answers all with 200, and counts the batches. */
async function listen(
  scheme: 'http' | 'https'
): Promise<{ url: string; batches: () => number; close: () => void }> {
  let batches = 0
  const answer: RequestListener = (request, response) => {
    if (request.url === '/v1/metrics') batches++
    request.resume().once('end', () => response.end())
  }
  const server =
    scheme === 'http'
      ? createServer(answer)
      : createSecureServer({ key: await readFile(key), cert: await readFile(cert) }, answer)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  server.unref() // A test that fails before it closes it must not hang.
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  const { port } = server.address() as AddressInfo
  return { url: `${scheme}://127.0.0.1:${port}`, batches: () => batches, close }
}
