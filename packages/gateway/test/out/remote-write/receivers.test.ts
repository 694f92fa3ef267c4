import assert from 'node:assert/strict'
import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import type { RequestListener, Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { pino } from 'pino'
import type { RemoteWriteInput } from '../../../src/config/remote-write.ts'
import { DoorFileError } from '../../../src/index.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { dataDirectory, temporaryDirectory } from '../../support/directories.ts'
import { startGateway, type StartOptions, type TestGateway } from '../../support/gateways.ts'
import { startRemoteWriteReceiver, type RemoteWriteReceiver } from '../../support/remote-write-receiver.ts'
import { deltas } from '../../support/requests.ts'
import { eventually } from '../../support/spools.ts'

const work = 'work_total{instance="here",job="jobs",otel_scope_name="test"}'
/** Often, but for what a stop does. */
const often = { intervalMs: 100, externalLabels: { instance: 'here' }, name: 'test' }
const seldom = { ...often, intervalMs: 3_600_000 }

interface Writing {
  gateway: TestGateway
  lines: string[]
}

async function startWriting(
  context: TestContext,
  remoteWrite: readonly RemoteWriteInput[],
  dataDir: string = dataDirectory(temporaryDirectory(context)),
  limits: StartOptions['limits'] = {}
): Promise<Writing> {
  const lines: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => void lines.push(line) })
  const gateway = await startGateway(context, { log, remoteWrite, dataDir, limits })
  return { gateway, lines }
}

test('several receivers are written to, each by itself; what became of it is counted', async (context) => {
  const [one, two] = [
    await startRemoteWriteReceiver(context),
    await startRemoteWriteReceiver(context, { does: () => ({ status: 400, body: 'no' }) }),
  ]
  const { gateway } = await startWriting(context, [
    { url: one.url, ...often },
    { url: `${two.url}?tenant=a`, ...often, name: 'other', protocol: 2 },
  ])
  await gateway.post(deltas([{ value: 5 }]))
  await eventually(() => assert.ok(one.values(work).includes(5)))
  await eventually(() => assert.ok(two.requests.length > 2))
  assert.deepEqual([one.violations, two.violations], [[], []])
  assert.equal(two.requests[0]?.url, '/api/v1/write?tenant=a')
  const scraped = await gateway.scrape()
  const own = (name: string): number | undefined => scraped.get(`swansong_remote_write_${name}}`)
  assert.ok((own('samples_total{endpoint="test"') ?? 0) >= 2)
  assert.equal(own('samples_total{endpoint="other"'), 0)
  assert.ok((own('samples_dropped_total{endpoint="other",reason="refused"') ?? 0) >= 2)
  assert.equal(own('protocol_version{endpoint="other"'), 2)
  const newest = own('highest_sent_timestamp_seconds{endpoint="test"') ?? 0
  assert.ok(Math.abs(newest - Date.now() / 1000) < 60)
  const [status, refused] = gateway.gateway.status().remoteWrite
  assert.ok(status !== undefined && status.samples >= 2 && status.name === 'test')
  assert.ok((refused?.dropped['refused'] ?? 0) >= 2 && refused?.lastSuccessSecondsAgo === undefined)
})

test('a gateway that is told of no receiver has nothing to say of one, and no queue', async (context) => {
  const { gateway } = await startWriting(context, [])
  assert.ok([...(await gateway.scrape()).keys()].every((line) => !line.includes('remote_write')))
  assert.ok(!readdirSync(gateway.dataDir).includes('remote-write'))
})

test('a stop writes a last time, with what the doors took in before', async (context) => {
  const receiver = await startRemoteWriteReceiver(context)
  const { gateway } = await startWriting(context, [{ url: receiver.url, ...seldom }])
  await gateway.post(deltas([{ value: 30 }]))
  await gateway.close()
  assert.deepEqual(receiver.values(work), [0, 30])
  assert.deepEqual(receiver.violations, [])
})

test('a stop does not wait for a receiver that hangs; what it did not take is sent after the next start', async (context) => {
  let hangs = true
  const receiver = await startRemoteWriteReceiver(context, { does: () => (hangs ? 'hangs' : undefined) })
  const patient = { url: receiver.url, ...seldom, timeoutMs: 3_600_000 } // Else nothing ends here.
  const { gateway } = await startWriting(context, [patient], undefined, { stopMs: 3_600_000 })
  await gateway.post(deltas([{ value: 30 }]))
  await gateway.close()
  assert.deepEqual(receiver.values(work), [])
  hangs = false
  const again = await startWriting(context, [{ url: receiver.url, ...seldom }], gateway.dataDir)
  await eventually(() => assert.deepEqual(receiver.values(work), [0, 30]))
  await again.gateway.post(deltas([{ value: 1 }]))
  await again.gateway.close()
  assert.deepEqual(receiver.values(work), [0, 30, 31])
  const other = await startWriting(
    context,
    [{ url: receiver.url, ...seldom, name: 'other' }],
    gateway.dataDir
  )
  assert.ok(other.lines.some((line) => line.includes('"unused":["test"]')))
})

test('a password, a token and headers go along, and follow their files', async (context) => {
  const directory = temporaryDirectory(context)
  const [password, token] = [join(directory, 'password'), join(directory, 'token')]
  writeFileSync(password, 'secret\n')
  writeFileSync(token, 'one\n')
  const receivers = [await startRemoteWriteReceiver(context), await startRemoteWriteReceiver(context)]
  const [basic, bearer] = receivers as [RemoteWriteReceiver, RemoteWriteReceiver]
  const headers = { 'x-scope-orgid': 'team', 'user-agent': 'mine', 'content-encoding': 'gzip' }
  const { gateway } = await startWriting(context, [
    { url: basic.url, ...often, basicUsername: 'me', basicPasswordFile: password, headers },
    { url: bearer.url, ...often, name: 'bearer', credentialsFile: token },
  ])
  await gateway.post(deltas([{ value: 5 }]))
  await eventually(() => assert.ok(basic.values(work).includes(5) && bearer.values(work).includes(5)))
  const sent = basic.requests[0]?.headers
  assert.equal(sent?.authorization, `Basic ${Buffer.from('me:secret').toString('base64')}`)
  assert.equal(sent?.['x-scope-orgid'], 'team')
  assert.deepEqual(basic.violations, [], 'headers of the protocol are its own')
  assert.equal(bearer.requests[0]?.headers.authorization, 'Bearer one')
  writeFileSync(`${token}.new`, 'two')
  renameSync(`${token}.new`, token)
  await eventually(() => assert.equal(bearer.requests.at(-1)?.headers.authorization, 'Bearer two'))
})

const authority = makeAuthority({ after })
authority.issue('receiver')
authority.issue('gateway')

test("https is spoken with a certificate of the file's authority, and with one of its own where that is asked for", async (context) => {
  const certificate = { cert: authority.text('receiver.pem'), key: authority.text('receiver.key') }
  const asking = { ...certificate, ca: authority.text('ca.pem'), requestCert: true }
  const serverOf = (listener: RequestListener): Server => createTlsServer(asking, listener)
  const receiver = await startRemoteWriteReceiver(context, { serverOf })
  const url = `https://127.0.0.1:${receiver.port}/api/v1/write`
  const own = {
    caFile: authority.path('ca.pem'),
    certFile: authority.path('gateway.pem'),
    keyFile: authority.path('gateway.key'),
  }
  const backoff = { queue: { backoffMinMs: 20, backoffMaxMs: 50 } }

  const strangers = [{}, { caFile: own.caFile }]
  for (const [at, stranger] of strangers.entries()) {
    const { gateway, lines } = await startWriting(context, [{ url, ...often, ...backoff, ...stranger }])
    await gateway.post(deltas([{ value: 5 }]))
    await eventually(() =>
      assert.ok(
        lines.some((line) => /takes nothing now.*(certificate|closed|alert)/.test(line)),
        `${at}`
      )
    )
    assert.equal(receiver.requests.length, 0)
    await gateway.close()
  }
  const { gateway } = await startWriting(context, [{ url, ...often, ...own }])
  await gateway.post(deltas([{ value: 5 }]))
  await eventually(() => assert.ok(receiver.values(work).includes(5)))
})

test('files that cannot be used are refused at the start, without what may be a secret', async (context) => {
  const file = join(temporaryDirectory(context), 'file')
  writeFileSync(file, '\nhidden')
  const pem = (name: string): string => authority.path(name)
  const url = 'http://127.0.0.1:1/write'
  for (const [told, why] of [
    [{ credentialsFile: file }, /holds no secret in its first line/],
    [{ caFile: file }, /holds no authority in PEM/],
    [{ certFile: pem('gateway.pem'), keyFile: pem('receiver.key') }, /cannot use .*key values mismatch/],
    [{ basicUsername: 'u', basicPasswordFile: `${file}.none` }, /cannot read the secret/],
  ] as const)
    await assert.rejects(startWriting(context, [{ url, ...often, ...told }]), (error) => {
      assert.ok(error instanceof DoorFileError)
      assert.match(error.message, why)
      assert.doesNotMatch(error.message, /hidden/)
      return true
    })
})

test("what is pushed by Pushgateway's API is written as it is, and is stale when its group is gone", async (context) => {
  const receivers = [await startRemoteWriteReceiver(context), await startRemoteWriteReceiver(context)]
  const { gateway } = await startWriting(
    context,
    receivers.map(({ url }, at) => ({ url, ...often, name: `${at}`, protocol: at === 0 ? 1 : 2 }))
  )
  const push = async (method: string, body?: string): Promise<void> => {
    const told = body === undefined ? {} : { body }
    const { status } = await fetch(`${gateway.pushUrl}/metrics/job/nightly/zone/a`, { method, ...told })
    assert.ok(status < 300)
  }
  const families = (value: number): string =>
    `# HELP rows Rows.\n# TYPE rows counter\nrows{kind="b"} ${value}\n` +
    `# TYPE took histogram\ntook_bucket{le="1"} 2\ntook_bucket{le="+Inf"} 3\ntook_sum 4\ntook_count 3\n` +
    `# TYPE lag summary\nlag{quantile="0.5"} 7\nlag_sum 8\nlag_count 9\n`
  await push('PUT', families(5))
  const labels = 'instance="here",job="nightly"'
  const rows = `rows{${labels},kind="b",zone="a"}`
  for (const receiver of receivers) await eventually(() => assert.ok(receiver.values(rows).includes(5)))
  await push('PUT', families(2))
  for (const receiver of receivers) await eventually(() => assert.equal(receiver.values(rows).at(-1), 2))
  for (const receiver of receivers) {
    assert.equal(receiver.values(rows)[0], 5, 'there is no zero before what others count')
    const latest = receiver.latest()
    assert.ok((latest.get(`push_time_seconds{${labels},zone="a"}`) ?? 0) > 1.7e9)
    latest.delete(`push_time_seconds{${labels},zone="a"}`)
    assert.deepEqual(Object.fromEntries(latest), {
      [`lag{${labels},quantile="0.5",zone="a"}`]: 7,
      [`lag_count{${labels},zone="a"}`]: 9,
      [`lag_sum{${labels},zone="a"}`]: 8,
      [rows]: 2,
      [`took_bucket{${labels},le="+Inf",zone="a"}`]: 3,
      [`took_bucket{${labels},le="1.0",zone="a"}`]: 2,
      [`took_count{${labels},zone="a"}`]: 3,
      [`took_sum{${labels},zone="a"}`]: 4,
    })
  }
  await push('DELETE')
  for (const receiver of receivers) await eventually(() => assert.equal(receiver.latest().size, 0))
  await push('PUT', families(1))
  for (const receiver of receivers) {
    await eventually(() => assert.equal(receiver.values(rows).at(-1), 1))
    assert.deepEqual(
      receiver.values(rows).filter((value, at, all) => value !== all[at - 1]),
      [5, 2, 'stale', 1]
    )
    assert.deepEqual(receiver.violations, [])
  }
})
