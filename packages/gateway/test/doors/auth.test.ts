import { randomUUID } from 'node:crypto'
import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { AuthFiles } from '../../src/config/config.ts'
import { DoorFileError } from '../../src/index.ts'
import { openLog, type Log } from '../../src/log.ts'
import { temporaryDirectory } from '../support/directories.ts'
import { startGateway, type TestGateway } from '../support/gateways.ts'
import { grpcClient } from '../support/grpc.ts'
import { deltas } from '../support/requests.ts'
import { eventually } from '../support/spools.ts'

const one = deltas([{ value: 1 }])
const token = 'a-token-of-32-characters-or-more'
const wrong = 'a-token-of-32-characters-or-mare'

interface Secrets {
  bearer: Partial<AuthFiles>
  basic: Partial<AuthFiles>
  tokensFile: string
  passwordFile: string
}

function secretsOf(context: TestContext): Secrets {
  const directory = temporaryDirectory(context)
  const tokensFile = join(directory, 'tokens')
  const passwordFile = join(directory, 'password')
  writeFileSync(tokensFile, `another-token\r\n\n${token}\n`)
  writeFileSync(passwordFile, 'pä:ss word\n')
  return {
    bearer: { bearerTokensFile: tokensFile },
    basic: { basicUsername: 'prometheus', basicPasswordFile: passwordFile },
    tokensFile,
    passwordFile,
  }
}

function basicOf(pair: string): string {
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

const right = basicOf('prometheus:pä:ss word')

test('OTLP/HTTP takes who shows a token of the file, and refuses all others with 401 and how to', async (context) => {
  const { bearer } = secretsOf(context)
  const gateway = await startGateway(context, { auth: { otlpHttp: bearer } })
  const check = async (authorization: string | undefined, want: number): Promise<void> => {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
    headers['idempotency-key'] = randomUUID()
    const { http, headers: answered, said } = await gateway.post(one, headers)
    assert.equal(http, want, authorization)
    assert.equal(answered.get('www-authenticate'), want === 200 ? null : 'Bearer realm="swansong"')
    if (want !== 200) assert.deepEqual('code' in said && said.code, 16)
  }
  await check(`Bearer ${token}`, 200)
  await check(`bearer  ${token}`, 200)
  await check('Bearer another-token', 200)
  await check(undefined, 401)
  await check('', 401)
  await check('Bearer', 401)
  await check('Bearer ', 401)
  await check(`Bearer ${wrong}`, 401)
  await check(`Bearer ${token}x`, 401)
  await check(`Bearer ${token.slice(1)}`, 401)
  await check(`Bearer another-token ${token}`, 401)
  await check(`Basic ${token}`, 401)
  await check(basicOf(`:${token}`), 401)
  await check(token, 401)
  assert.equal(await gateway.work(), 3)
  assert.equal((await gateway.scrape()).get('swansong_requests_rejected_total{reason="unauthenticated"}'), 11)
  const elsewhere = await fetch(new URL('/nothing', gateway.url))
  assert.equal(elsewhere.status, 401, 'what there is, is not told either')
})

test('a JSON sender is refused in JSON', async (context) => {
  const gateway = await startGateway(context, { auth: { otlpHttp: secretsOf(context).bearer } })
  const { http, headers, said } = await gateway.post('{}', { 'content-type': 'application/json' })
  assert.deepEqual([http, headers.get('content-type')], [401, 'application/json'])
  assert.match(said.message, /token or a password/)
})

test('OTLP/HTTP refuses before the body is there', async (context) => {
  const gateway = await startGateway(context, { auth: { otlpHttp: secretsOf(context).bearer } })
  const socket = connect(gateway.gateway.addresses.otlpHttp.port, '127.0.0.1')
  context.after(() => socket.destroy())
  const answered = new Promise<string>((resolve) => socket.once('data', (bytes) => resolve(bytes.toString())))
  socket.write('POST /v1/metrics HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n')
  socket.write('content-length: 60000000\r\n\r\nonly this')
  assert.match(await answered, /^HTTP\/1.1 401 /)
})

test('OTLP/gRPC takes who shows a token or a password, and refuses all others with UNAUTHENTICATED', async (context) => {
  const { bearer, basic } = secretsOf(context)
  const gateway = await startGateway(context, { auth: { otlpGrpc: { ...bearer, ...basic } } })
  const client = grpcClient(context, gateway.grpcPort)
  const check = async (metadata: Record<string, string>, want: number): Promise<void> => {
    const { code, message, details } = await client.call(one, {
      metadata: { ...metadata, 'idempotency-key': randomUUID() },
    })
    assert.equal(code, want)
    assert.equal(details?.retrySeconds, undefined)
    if (want !== 0) assert.match(message, /Bearer realm="swansong", Basic realm="swansong"/)
  }
  await check({ authorization: `Bearer ${token}` }, 0)
  await check({ authorization: right }, 0)
  await check({}, 16)
  await check({ authorization: `Bearer ${wrong}` }, 16)
  assert.equal(await gateway.work(), 2)
  const scraped = await gateway.scrape()
  assert.equal(scraped.get('swansong_requests_rejected_total{reason="unauthenticated"}'), 2)
  assert.equal(scraped.get('swansong_grpc_calls_total{code="16"}'), 2)
})

test('metrics and admin want a password at every path, as Prometheus does by its web.config', async (context) => {
  const { basic } = secretsOf(context)
  const gateway = await startGateway(context, { auth: { metrics: basic, admin: basic } })
  const check = async (url: string, authorization: string, want: number): Promise<void> => {
    const response = await fetch(url, { headers: { authorization } })
    assert.equal(response.status, want, `${authorization} ${url}`)
    await response.text()
    const challenge = want === 401 ? 'Basic realm="swansong", charset="UTF-8"' : null
    assert.equal(response.headers.get('www-authenticate'), challenge)
  }
  const { metricsUrl, adminUrl } = gateway
  for (const path of ['/metrics', '/-/healthy', '/-/ready'].map((at) => `${metricsUrl}${at}`))
    for (const [authorization, want] of [[right, 200] as const, ['', 401] as const])
      await check(path, authorization, want)
  for (const path of ['/api/v1/status', '/api/v1/series'].map((at) => `${adminUrl}${at}`))
    for (const [authorization, want] of [[right, 200] as const, ['', 401] as const])
      await check(path, authorization, want)
  for (const pair of [
    'prometheus:pä:ss',
    'prometheus:',
    'prometheus',
    ':pä:ss word',
    'Prometheus:pä:ss word',
    '',
  ])
    await check(`${metricsUrl}/metrics`, basicOf(pair), 401)
  await check(`${metricsUrl}/metrics`, 'Basic ####', 401)
  await check(`${metricsUrl}/metrics`, `Bearer ${token}`, 401)
  assert.equal((await gateway.post(one)).http, 200, 'each door for itself')
})

test('secrets are read again when the file changes; one that cannot be used leaves those that were', async (context) => {
  const { bearer, basic, tokensFile } = secretsOf(context)
  const said: string[] = []
  const named: unknown[] = []
  const log = openLog('silent')
  log.warn = ((of: { files?: unknown }, text: string) => {
    if (of.files === undefined) return // That a token is refused is said, too.
    said.push(text)
    named.push(of.files)
  }) as Log['warn']
  const gateway = await startGateway(context, { auth: { otlpHttp: { ...bearer, ...basic } }, log })
  const http = async (given: string): Promise<number> =>
    (await gateway.post(one, { authorization: `Bearer ${given}` })).http
  assert.equal(await http(token), 200)
  writeFileSync(tokensFile, 'new-token\n')
  await eventually(async () => assert.equal(await http('new-token'), 200))
  assert.equal(await http(token), 401)
  rmSync(tokensFile)
  await eventually(() => assert.equal(said.length, 1))
  assert.match(said[0] ?? '', /cannot be used: what was read before stays/)
  assert.equal(await http('new-token'), 200)
  writeFileSync(tokensFile, '\n')
  await eventually(() => assert.equal(said.length, 2))
  assert.deepEqual(named, [[tokensFile], [tokensFile]], 'and not the password, which has not changed')
  assert.equal(await http('new-token'), 200)
  assert.equal(await http(''), 401)
  writeFileSync(tokensFile, 'third-token\n')
  await eventually(async () => assert.equal(await http('third-token'), 200))
})

test('a file that cannot be used ends the start with what is wrong, and nothing stays open', async (context) => {
  const directory = temporaryDirectory(context)
  const file = join(directory, 'secrets')
  const check = async (auth: Partial<AuthFiles>, says: RegExp): Promise<void> => {
    await assert.rejects(startGateway(context, { auth: { metrics: auth } }), (error) => {
      assert.ok(error instanceof DoorFileError, String(error))
      assert.match(error.message, says)
      return true
    })
  }
  await check({ bearerTokensFile: file }, /cannot read secrets: ENOENT.*secrets/)
  writeFileSync(file, ' \n\n')
  await check({ bearerTokensFile: file }, /secrets is empty: write the secret into its first line/)
  await check({ basicUsername: 'x', basicPasswordFile: file }, /secrets is empty/)
  writeFileSync(file, 'two tokens\n')
  await check({ bearerTokensFile: file }, /secrets: a token has no blanks in it; write one token a line/)
  assert.ok(existsSync(file))
})

test('a door bound beyond this machine without authentication is said, with what to set', async (context) => {
  const { bearer } = secretsOf(context)
  const start = async (options: Parameters<typeof startGateway>[1]): Promise<string[]> => {
    const said: string[] = []
    const log = openLog('silent')
    log.warn = ((_: object, text: string) => void said.push(text)) as Log['warn']
    const gateway: TestGateway = await startGateway(context, { ...options, log })
    await gateway.close()
    return said
  }
  const everywhere = { host: '0.0.0.0', port: 0 }
  assert.deepEqual(await start({}), [])
  assert.deepEqual(await start({ otlpHttp: { host: 'localhost', port: 0 } }), [])
  const open = await start({
    otlpHttp: everywhere,
    otlpGrpc: everywhere,
    metrics: everywhere,
    admin: everywhere,
  })
  assert.equal(open.length, 4)
  const wants: [string, string][] = [
    ['metrics', '--metrics'],
    ['admin', '--admin'],
    ['otlp.grpc', '--otlp-grpc'],
    ['otlp.http', '--otlp-http'],
  ]
  for (const [at, [key, flag]] of wants.entries()) {
    assert.match(open[at] ?? '', new RegExp(`^${key} listens on 0.0.0.0:\\d+ without authentication`))
    assert.match(
      open[at] ?? '',
      new RegExp(`set ${key}.auth .*or ${key}.tls.client_ca_file.* ${flag} 127.0.0.1:`)
    )
  }
  const plain = await start({ otlpHttp: everywhere, auth: { otlpHttp: bearer } })
  assert.equal(plain.length, 1)
  assert.match(
    plain[0] ?? '',
    /without TLS: its tokens and passwords go in plain text; set otlp.http.tls.cert_file/
  )
})
