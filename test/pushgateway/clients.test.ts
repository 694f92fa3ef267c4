import assert from 'node:assert/strict'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { pusher, type PusherName } from '../peers/pushers.ts'
import { spawnThatDiesWithUs } from '../support/child.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/wait.ts'

/* Stock clients in processes of their own, unchanged, against the door of `--pushgateway`. */

interface Door {
  gateway: Gateway
  url: string
}

async function start(env: Record<string, string> = {}): Promise<Door> {
  const [port] = await freePorts(1)
  const gateway = await startGateway({ flags: ['--pushgateway', `127.0.0.1:${port}`], env })
  return { gateway, url: `http://127.0.0.1:${port}` }
}

/** Runs one to its end; gives whether it says that it pushed. */
async function run(name: PusherName, ...args: string[]): Promise<boolean> {
  const [program, ...first] = await pusher(name)
  const child = spawnThatDiesWithUs(program, [...first, ...args], { stdio: ['ignore', 'ignore', 'pipe'] })
  const said = child.stderr === null ? '' : text(child.stderr)
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) lastWords = await said
  return code === 0
}

let lastWords = ''

for (const name of ['go', 'python', 'js'] as const) {
  test(`${name}: push replaces, add replaces the same names, delete takes away, and what is added adds up`, async () => {
    const { gateway, url } = await start({ SWANSONG_PUSHGATEWAY_ADD: 'job/adds-*' })
    const rows = (job: string): string => `rows_total{instance="",job="${job}",shard="a/b",table="patients"}`
    for (const method of ['replace', 'replace', 'add'])
      assert.ok(await run(name, url, 'one', method, 'protobuf'), lastWords)
    const shown = await gateway.metrics()
    assert.equal(shown.get(rows('one')), 3)
    const labels = 'instance="",job="one",shard="a/b"'
    assert.equal(shown.get(`run_seconds_bucket{${labels},le="1"}`), 1)
    assert.equal(shown.get(`run_seconds_sum{${labels}}`), 0.75)
    assert.equal(shown.get(`sizes_sum{${labels}}`), 7)
    assert.ok((shown.get(`push_time_seconds{${labels}}`) ?? 0) > 1.7e9)
    assert.ok(await run(name, url, 'one', 'delete', 'protobuf'), lastWords)
    assert.equal((await gateway.metrics()).get(rows('one')), undefined)

    for (let times = 0; times < 3; times++)
      assert.ok(await run(name, url, 'adds-up', 'replace', 'text'), lastWords)
    const added = await gateway.metrics()
    const own = 'job="adds-up",shard="a/b"'
    assert.equal(added.get(`rows_total{${own},table="patients"}`), 9)
    assert.equal(added.get(`run_seconds_bucket{${own},le="1"}`), 3)
    assert.equal(added.get(`run_seconds_sum{${own}}`), 2.25)
    assert.equal(added.get(`sizes_sum{${own}}`), 21)
    assert.equal(added.get(`sizes_count{${own}}`), 3)
  })
}

test('through kill -9: groups stay whole, and what a pusher was told was added is in the sum, once', async () => {
  const { gateway, url } = await start({ SWANSONG_PUSHGATEWAY_ADD: 'job/adds-*' })
  assert.ok(await run('go', url, 'stays', 'replace', 'protobuf'), lastWords)
  const group = async (): Promise<[string, number][]> =>
    [...(await gateway.metrics())].filter(([key]) => key.includes('"stays"'))
  const before = await group()
  let succeeded = 0
  let failed = 0
  const over = new AbortController()
  const pushing = Array.from({ length: 4 }, async () => {
    while (!over.signal.aborted) {
      if (await run('go', url, 'adds-up', 'replace', 'protobuf')) succeeded++
      else failed++
    }
  })
  for (let kills = 0; kills < 2; kills++) {
    const from = succeeded
    await until('some are pushed', () => succeeded > from + 5)
    await gateway.kill9()
    await gateway.restart({ SWANSONG_PUSHGATEWAY_ADD: 'job/adds-*' })
    assert.deepEqual(await group(), before)
  }
  over.abort()
  await Promise.all(pushing)
  const sum = await gateway.metric('rows_total{job="adds-up",shard="a/b",table="patients"}')
  assert.ok(sum >= 3 * succeeded, `${sum} of ${succeeded} that were told so`)
  assert.ok(sum <= 3 * (succeeded + failed), `${sum} of ${succeeded} and ${failed} that were not told`)
  assert.equal(sum % 3, 0)
})
