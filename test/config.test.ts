import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { after, test } from 'node:test'
import { spawnThatDiesWithUs } from './support/child.ts'
import { runSwansong } from './support/command.ts'
import { deltas, lineOf } from './support/deltas.ts'
import { type Gateway, startGateway, swansong } from './support/gateway.ts'
import { ask } from './support/http.ts'
import { startStorm } from './support/storm.ts'
import { until } from './support/wait.ts'

const successful = 'swansong_config_last_reload_successful'

test('check-config says ok and how many keys, or every problem with its place and what to write instead', async () => {
  const file = await configFile('data_dir: data\nlimits: { body_bytes: 1MiB }\n')
  const right = await runSwansong('check-config', file)
  assert.deepEqual(right, { code: 0, stdout: 'ok: 2 keys set\n', stderr: '' })
  const shown = await runSwansong('check-config', '--show', file)
  assert.match(shown.stdout, new RegExp(`^limits\\.body_bytes: 1MiB {2}# ${file}:2:23$`, 'm'))
  assert.match(shown.stdout, /^limits\.retry_window: 10m {2}# default$/m)

  await writeFile(file, 'data_dri: data\nlimits: { body_bytes: 1mb }\n')
  const wrong = await runSwansong('check-config', file)
  assert.equal(wrong.code, 1)
  assert.equal(wrong.stdout, '')
  const [first, second, rest] = wrong.stderr.trimEnd().split('\n')
  assert.equal(first, `${file}:1:1: data_dri: there is no such key; did you mean data_dir?`)
  assert.match(
    second ?? '',
    new RegExp(`^${file}:2:23: limits\\.body_bytes: "1mb" is no size; write .*64MiB$`)
  )
  assert.equal(rest, undefined)

  const missing = await runSwansong('check-config', join(file, 'nowhere'))
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /it cannot be read/)
})

test('check-config - reads stdin', async () => {
  const child = spawnThatDiesWithUs(swansong, ['check-config', '-'], { stdio: ['pipe', 'pipe', 'pipe'] })
  child.stdin?.end('retries: never\n')
  const [stderr, [code]] = await Promise.all([text(child.stderr as Readable), once(child, 'exit')])
  assert.equal(code, 1)
  assert.equal(stderr, '<stdin>:1:10: retries: "never" is no way to tell retries; write auto or strict\n')
})

test('a gateway that is told nonsense does not start: 1, and all of it, by file, variable and flag', async () => {
  const file = await configFile('retires: auto\n')
  const args = ['gateway', '--config', file, '--metrics', 'here']
  const env = { PATH: process.env['PATH'] ?? '', SWANSONG_SERIES_TTL: 'long' }
  const child = spawnThatDiesWithUs(swansong, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  const [stderr, [code]] = await Promise.all([text(child.stderr as Readable), once(child, 'exit')])
  assert.equal(code, 1)
  const places = stderr
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/: .*/, ''))
  assert.deepEqual(places, [`${file}:1:1`, '--metrics', 'SWANSONG_SERIES_TTL'])

  const nowhere = await runSwansong('gateway', '--config', `${file}.nowhere`)
  assert.equal(nowhere.code, 1)
  assert.match(nowhere.stderr, /nowhere: it cannot be read: .*; name another file/)
})

test('a gateway follows its file, SIGHUP and POST alike; what is wrong, or needs a restart, changes nothing', async () => {
  const file = await configFile('limits: { label_value_bytes: 30 }\nadmin: { listen: "127.0.0.1:1" }\n')
  const env = { SWANSONG_CONFIG: file, SWANSONG_LIMITS_KEEP_ALIVE: '70s' } // The flags of its ports win over the file.
  const gateway = await startGateway({ env })
  const counts = async (length: number): Promise<boolean> => {
    const value = 'x'.repeat(length)
    await gateway.post(deltas([{ name: 'jobs', value: 1, attributes: { at: value } }]))
    return [...(await gateway.metrics()).keys()].some((line) => line.includes(`at="${value}"`))
  }
  assert.deepEqual([await counts(30), await counts(40)], [true, false])
  const { limits } = await gateway.status()
  assert.equal(limits['keep_alive']?.limit, 70)
  assert.equal(limits['label_value_bytes']?.limit, 30)

  await writeFile(file, 'limits: { label_value_bytes: 40, keep_alive: 5s }\n')
  process.kill(gateway.pid, 'SIGHUP')
  await until(
    'SIGHUP is followed',
    async () => (await gateway.status()).limits['label_value_bytes']?.limit === 40
  )
  assert.equal((await gateway.status()).limits['keep_alive']?.limit, 70) // The variable wins again.
  assert.equal(await counts(40), true)

  await writeFile(file, 'limits: { label_value_bytes: 50, key: 1 }\n')
  assert.match((await reload(gateway, 400)).join(), /:1:34: limits\.key: there is no such key/)
  assert.equal(await gateway.metric(successful), 0)
  await writeFile(file, 'limits: { label_value_bytes: 50 }\notlp: { socket: { path: /run/x.sock } }\n')
  assert.match(
    (await reload(gateway, 400)).join(),
    /:2:25: otlp\.socket\.path: .*not set.*restart the gateway/
  )
  process.kill(gateway.pid, 'SIGHUP')
  await until('SIGHUP is answered in the log', () => /"problems":.*nothing has changed/.test(gateway.said()))
  assert.equal(await counts(50), false)

  await writeFile(file, 'limits: { label_value_bytes: 50 }\nlog: { level: warn }\n')
  assert.deepEqual(await reload(gateway, 200), ['log.level', 'limits.label_value_bytes'])
  assert.equal(await gateway.metric(successful), 1)
  assert.equal(await counts(50), true)
})

test('reloads under load lose nothing and count nothing twice', async (t) => {
  const file = await configFile('')
  const gateway = await startGateway({ env: { SWANSONG_CONFIG: file } })
  const storm = startStorm({ url: gateway.urls.otlp, name: 'jobs', connections: 16, ids: true })
  await until('posts come in', () => storm.batches > 200)
  let reloads = 0
  const giveUpAt = performance.now() + 20_000
  while (reloads < 40 && performance.now() < giveUpAt) {
    const limits = `limits: { batch_id_count: ${1_000_000 + reloads}, retry_window: ${10 + (reloads % 2)}m }`
    const rules = `rules: [{ metrics: other, drop: ${reloads % 2 === 0} }]\ngauge_policy: ${reloads % 2 === 0 ? 'max' : 'last'}`
    await writeFile(file, reloads % 5 === 4 ? 'wrong: [' : `${limits}\n${rules}\n`)
    if (reloads % 2 === 0) process.kill(gateway.pid, 'SIGHUP')
    else await reload(gateway, reloads % 5 === 4 ? 400 : 200)
    reloads++
  }
  const during = storm.batches
  await storm.end()
  assert.ok(during > 400, `only ${during} batches came while it was reloaded`)
  assert.equal(await gateway.metric(lineOf('jobs')), storm.acknowledged)
  await gateway.kill9()
  await writeFile(file, '')
  await gateway.restart({ SWANSONG_CONFIG: file })
  assert.equal(await gateway.metric(lineOf('jobs')), storm.acknowledged)
  t.diagnostic(`${reloads} reloads, ${storm.batches} batches`)
})

/** Asks for a reload. Gives the keys that changed, or the problems. */
async function reload(gateway: Gateway, status: number): Promise<readonly string[]> {
  const answer = await ask(`${gateway.urls.admin}/-/reload`, { method: 'POST' })
  assert.equal(answer.status, status, answer.body.toString())
  const reloaded = JSON.parse(answer.body.toString()) as { changed?: string[]; problems?: string[] }
  return reloaded.changed ?? reloaded.problems ?? []
}

async function configFile(content: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'swansong-config-'))
  after(() => rm(directory, { recursive: true, force: true }))
  const file = join(directory, 'swansong.yaml')
  await writeFile(file, content)
  return file
}
