import assert from 'node:assert/strict'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { ListenError } from '../../src/index.ts'
import { temporaryDirectory } from '../support/directories.ts'
import { startGateway, type TestGateway } from '../support/gateways.ts'
import { startJob } from '../support/jobs.ts'
import { deltas } from '../support/requests.ts'

const one = deltas([{ value: 1 }])

function post(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/x-protobuf' }
    const options = { socketPath: path, path: '/v1/metrics', method: 'POST', headers, agent: false } as const
    const sent = request(options, (response) => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end(one)
  })
}

function startOn(
  context: TestContext,
  path: string,
  more: { mode?: number; group?: string } = {}
): Promise<TestGateway> {
  return startGateway(context, { otlpSocket: { path, ...more } })
}

/** A gateway is refused the path, with the flag that changes it, and leaves what is there. */
async function refused(context: TestContext, path: string, says: RegExp): Promise<void> {
  const there = lstatSync(path, { throwIfNoEntry: false })?.ino
  await assert.rejects(startOn(context, path), (error) => {
    assert.ok(error instanceof ListenError, String(error))
    assert.match(error.message, says)
    assert.match(error.message, /choose another with --otlp-socket PATH/)
    return true
  })
  assert.equal(lstatSync(path, { throwIfNoEntry: false })?.ino, there)
}

test('the socket has its mode and group, and nothing else is left beside it', async (context) => {
  const directory = temporaryDirectory(context)
  const path = join(directory, 'otlp.sock')
  const check = async (
    given: { mode?: number; group?: string },
    mode: number,
    gid: number
  ): Promise<void> => {
    const gateway = await startOn(context, path, given)
    const state = lstatSync(path)
    assert.ok(state.isSocket())
    assert.deepEqual([state.mode & 0o7777, state.gid], [mode, gid])
    assert.deepEqual(readdirSync(directory), ['otlp.sock'])
    assert.equal(await post(path), 200)
    await gateway.close()
    assert.deepEqual(readdirSync(directory), [], 'it goes with the gateway')
  }
  const own = process.getegid?.() ?? 0
  const umask = process.umask(0o077)
  context.after(() => process.umask(umask))
  await check({}, 0o660, own)
  await check({ mode: 0o606 }, 0o606, own)
  await check({ group: String(own) }, 0o660, own)
  if (process.geteuid?.() === 0) await check({ group: 'daemon' }, 0o660, gidOf('daemon'))
  assert.equal(process.umask(), 0o077, 'what other files are made with is as it was')
})

function gidOf(group: string): number {
  return Number(new RegExp(`^${group}:[^:]*:(\\d+):`, 'm').exec(readFileSync('/etc/group', 'utf8'))?.[1])
}

test('a group that does not exist is refused with what to write', async (context) => {
  const path = join(temporaryDirectory(context), 'otlp.sock')
  await assert.rejects(
    startOn(context, path, { group: 'no-such-group' }),
    /no group no-such-group; write its number/
  )
  assert.equal(existsSync(path), false)
})

test('the socket of a gateway that was killed is replaced', async (context) => {
  const path = join(temporaryDirectory(context), 'otlp.sock')
  const job = startJob('listen', [path])
  await job.saw('listening')
  job.kill('SIGKILL')
  await job.ended
  assert.ok(lstatSync(path).isSocket(), 'it is still there')
  await startOn(context, path)
  assert.equal(await post(path), 200)
})

test('what is no socket, or has somebody listening, is left alone', async (context) => {
  const directory = temporaryDirectory(context)
  const path = (name: string): string => join(directory, name)
  writeFileSync(path('file'), 'precious')
  await refused(context, path('file'), /something that is no socket; it is left alone/)
  assert.equal(readFileSync(path('file'), 'utf8'), 'precious')
  mkdirSync(path('folder'))
  await refused(context, path('folder'), /no socket/)
  symlinkSync(path('nowhere'), path('link'))
  await refused(context, path('link'), /no socket/)
  const other = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => other.listen(path('taken'), resolve))
  context.after(() => other.close())
  await refused(context, path('taken'), /another process listens there/)
  await refused(context, path('no/such/folder'), /its directory does not exist/)
  await refused(context, path('x'.repeat(150)), /over the 107 bytes/)
  await assert.rejects(startOn(context, path('file/below')), /not a directory/)
  assert.deepEqual(readdirSync(directory).toSorted(), ['file', 'folder', 'link', 'taken'])
})

test("a gateway removes its own socket, not another's that has taken its place", async (context) => {
  const path = join(temporaryDirectory(context), 'otlp.sock')
  const first = await startOn(context, path)
  rmSync(path)
  const second = await startOn(context, path)
  await first.close()
  assert.equal(await post(path), 200)
  assert.equal(await second.work(), 1)
})
