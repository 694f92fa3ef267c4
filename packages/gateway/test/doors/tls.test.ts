import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect, type ConnectionOptions } from 'node:tls'
import { credentials } from '@grpc/grpc-js'
import type { Door, TlsFiles } from '../../src/config/config.ts'
import { DoorFileError } from '../../src/index.ts'
import { openLog, type Log } from '../../src/log.ts'
import { makeAuthority, type Authority } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/directories.ts'
import { startGateway, type TestGateway } from '../support/gateways.ts'
import { grpcClient } from '../support/grpc.ts'
import { deltas } from '../support/requests.ts'
import { eventually } from '../support/spools.ts'

const one = deltas([{ value: 1 }])
/** By gRPC the same once more would be a retry. */
const another = deltas([{ name: 'another', value: 1 }])
const authority = makeAuthority({ after })
const other = makeAuthority({ after })
for (const name of ['server', 'renewed', 'client']) authority.issue(name)
other.issue('client')

function filesOf(name: string, clients = false): TlsFiles {
  return {
    certFile: authority.path(`${name}.pem`),
    keyFile: authority.path(`${name}.key`),
    clientCaFile: clients ? authority.path('ca.pem') : undefined,
  }
}

const doors: readonly Door[] = ['otlpHttp', 'otlpGrpc', 'pushgateway', 'metrics', 'admin']

function all(files: TlsFiles): Record<Door, TlsFiles> {
  return { otlpHttp: files, otlpGrpc: files, pushgateway: files, metrics: files, admin: files }
}

/** The status of an answer over HTTPS, or the code of the error. */
function ask(port: number, path: string, body?: Uint8Array, client?: Authority): Promise<number | string> {
  return new Promise((resolve) => {
    const shown = client && { cert: client.text('client.pem'), key: client.text('client.key') }
    const asked = request(
      {
        host: '127.0.0.1',
        port,
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'content-type': 'application/x-protobuf' },
        ca: authority.text('ca.pem'),
        agent: false,
        ...shown,
      },
      (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode ?? 0))
      }
    )
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    asked.end(body)
  })
}

function portOf({ gateway }: TestGateway, door: Door): number {
  return gateway.addresses[door]?.port ?? 0
}

/** What the server shows: its common name, and the version of TLS; or the error. */
function shake(
  port: number,
  options: ConnectionOptions = {}
): Promise<{ name: string; version: string } | string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, ca: authority.text('ca.pem'), ...options }, () => {
      const name = String(socket.getPeerCertificate().subject.CN)
      resolve({ name, version: socket.getProtocol() ?? '' })
      socket.destroy()
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
}

test('every door speaks TLS where it has a certificate, from 1.2 on, and no plain text', async (context) => {
  const gateway = await startGateway(context, { tls: all(filesOf('server')) })
  assert.equal(await ask(portOf(gateway, 'otlpHttp'), '/v1/metrics', one), 200)
  const secure = credentials.createSsl(authority.text('ca.pem'))
  assert.equal((await grpcClient(context, gateway.grpcPort, secure).call(another)).code, 0)
  assert.equal(await ask(portOf(gateway, 'metrics'), '/metrics'), 200)
  assert.equal(await ask(portOf(gateway, 'admin'), '/api/v1/status'), 200)
  assert.equal(gateway.gateway.status().points, 2)
  for (const door of doors) {
    const port = portOf(gateway, door)
    assert.deepEqual(await shake(port, { minVersion: 'TLSv1.3' }), { name: 'server', version: 'TLSv1.3' })
    assert.deepEqual(await shake(port, { maxVersion: 'TLSv1.2' }), { name: 'server', version: 'TLSv1.2' })
    const old = await shake(port, {
      minVersion: 'TLSv1.1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    assert.equal(typeof old, 'string', `${door}: ${JSON.stringify(old)}`)
    const plain = await new Promise<string>((resolve) => {
      const socket = connectPlain(port, '127.0.0.1')
      let text = ''
      socket.on('data', (bytes) => (text += bytes.toString('latin1')))
      socket.on('error', () => {})
      socket.on('close', () => resolve(text))
      socket.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n')
    })
    assert.doesNotMatch(plain, /200/, door)
  }
})

test('with an authority of clients, only who shows a certificate of it comes in', async (context) => {
  const gateway = await startGateway(context, { tls: all(filesOf('server', true)) })
  for (const [door, path, body] of [
    ['otlpHttp', '/v1/metrics', one],
    ['metrics', '/-/ready', undefined],
    ['admin', '/api/v1/status', undefined],
  ] as const) {
    const port = portOf(gateway, door)
    assert.equal(await ask(port, path, body, authority), 200, door)
    assert.equal(typeof (await ask(port, path, body)), 'string', `${door} without a certificate`)
    assert.equal(typeof (await ask(port, path, body, other)), 'string', `${door}, by another authority`)
  }
  const shown = (by: Authority): ReturnType<typeof credentials.createSsl> =>
    credentials.createSsl(authority.text('ca.pem'), by.text('client.key'), by.text('client.pem'))
  const call = async (as: ReturnType<typeof credentials.createSsl>): Promise<number> =>
    (await grpcClient(context, gateway.grpcPort, as).call(another, { deadlineMs: 3000 })).code
  assert.equal(await call(shown(authority)), 0)
  assert.equal(await call(shown(other)), 14)
  assert.equal(await call(credentials.createSsl(authority.text('ca.pem'))), 14)
  assert.equal(gateway.gateway.status().points, 2)
  const metrics = await new Promise<string>((resolve, reject) => {
    const shownByUs = { cert: authority.text('client.pem'), key: authority.text('client.key') }
    const options = { host: '127.0.0.1', port: portOf(gateway, 'metrics'), path: '/metrics', agent: false }
    const asked = request({ ...options, ...shownByUs, ca: authority.text('ca.pem') }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece))
      response.on('end', () => resolve(text))
    })
    asked.on('error', reject)
    asked.end()
  })
  assert.ok(Number(/^swansong_tls_handshakes_failed_total (\d+)$/m.exec(metrics)?.[1]) >= 8)
})

test('certificates are taken up when they change, at every door, and half a pair is not', async (context) => {
  const directory = temporaryDirectory(context)
  const place = (name: string): string => join(directory, name)
  copyFileSync(authority.path('server.pem'), place('tls.crt'))
  copyFileSync(authority.path('server.key'), place('tls.key'))
  const said: string[] = []
  const log = openLog('silent')
  log.warn = ((_: object, text: string) => void said.push(text)) as Log['warn']
  const files = { certFile: place('tls.crt'), keyFile: place('tls.key'), clientCaFile: undefined }
  const gateway = await startGateway(context, { tls: all(files), log })
  const check = async (name: string): Promise<void> => {
    for (const door of doors) {
      const shaken = await shake(portOf(gateway, door))
      assert.equal(typeof shaken === 'string' ? shaken : shaken.name, name, door)
    }
  }
  const client = grpcClient(context, gateway.grpcPort, credentials.createSsl(authority.text('ca.pem')))
  assert.equal((await client.call(one)).code, 0)
  await check('server')

  copyFileSync(authority.path('renewed.pem'), place('tls.crt'))
  await eventually(() => assert.equal(said.length, doors.length))
  for (const text of said) assert.match(text, /cannot be used: what was read before stays/)
  await check('server')
  copyFileSync(authority.path('renewed.key'), place('tls.key'))
  await eventually(() => check('renewed'))
  writeFileSync(place('tls.crt'), '')
  await eventually(() => assert.equal(said.length, 2 * doors.length))
  await check('renewed')
  assert.equal((await client.call(one)).code, 0, 'connections that stand go on')
})

test('a link that leads to a new directory is a change, as Kubernetes makes them', async (context) => {
  const directory = temporaryDirectory(context)
  for (const [folder, name] of [
    ['first', 'server'],
    ['second', 'renewed'],
  ] as const) {
    mkdirSync(join(directory, folder))
    copyFileSync(authority.path(`${name}.pem`), join(directory, folder, 'tls.crt'))
    copyFileSync(authority.path(`${name}.key`), join(directory, folder, 'tls.key'))
  }
  const link = join(directory, 'current')
  symlinkSync('first', link)
  const files = { certFile: join(link, 'tls.crt'), keyFile: join(link, 'tls.key'), clientCaFile: undefined }
  const gateway = await startGateway(context, { tls: { metrics: files } })
  assert.deepEqual(await shake(portOf(gateway, 'metrics')), { name: 'server', version: 'TLSv1.3' })
  symlinkSync('second', join(directory, 'next'))
  renameSync(join(directory, 'next'), link)
  await eventually(async () =>
    assert.deepEqual(await shake(portOf(gateway, 'metrics')), { name: 'renewed', version: 'TLSv1.3' })
  )
})

test('files that cannot be used end the start with what is wrong', async (context) => {
  const check = async (tls: Partial<TlsFiles>, says: RegExp): Promise<void> => {
    await assert.rejects(startGateway(context, { tls: { otlpHttp: tls } }), (error) => {
      assert.ok(error instanceof DoorFileError, String(error))
      assert.match(error.message, says)
      return true
    })
  }
  const { certFile, keyFile } = filesOf('server')
  await check({ certFile }, /TLS needs a certificate and its key: there is no key/)
  await check({ keyFile }, /there is no certificate/)
  await check({ clientCaFile: authority.path('ca.pem') }, /there is no certificate/)
  await check(
    { certFile, keyFile: authority.path('client.key') },
    /cannot use .*server.pem.*client.key: .*mismatch/i
  )
  await check({ certFile, keyFile: '/no/such/file' }, /cannot read the key: ENOENT/)
  await check({ certFile: authority.path('names.ext'), keyFile }, /names.ext holds no certificate in PEM/)
})

test('a stop does not wait for who has connected and begins no handshake', async (context) => {
  const limits = { stopMs: 300 }
  const gateway = await startGateway(context, { tls: all(filesOf('server')), limits })
  const sockets = doors.map((door) => connectPlain(portOf(gateway, door), '127.0.0.1'))
  for (const socket of sockets) {
    context.after(() => socket.destroy())
    socket.on('error', () => {})
  }
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
  assert.equal(await ask(portOf(gateway, 'otlpHttp'), '/v1/metrics', one), 200)
  const begun = performance.now()
  await gateway.close()
  assert.ok(performance.now() - begun < 5000)
})
