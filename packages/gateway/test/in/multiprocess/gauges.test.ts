import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { open, rendered, shown, type Opened } from '../../support/ledgers.ts'
import { type Entry, FakeApplication } from '../../support/multiprocess.ts'
import { SimStore } from '../../support/sim-store.ts'

const modes = ['all', 'min', 'max', 'sum', 'mostrecent'] as const

function gauge(mode: string, value: number, time = 0): Entry {
  return { metric: `busy_${mode}`, value, time }
}

/** Every mode, living or not, of a process that has the same value in all of them. */
function writeAll(application: FakeApplication, pid: number, value: number, time: number): string[] {
  const names: string[] = []
  for (const mode of [...modes, ...modes.map((one) => `live${one}`)]) {
    const name = `gauge_${mode}_${pid}.db`
    application.write(name, [gauge(mode, value, mode.endsWith('mostrecent') ? time : 0)])
    names.push(name)
  }
  return names
}

/** As they are shown, without what they have in common. */
function gauges(opened: Opened): Record<string, number> {
  const lines = [...shown(opened)].map(([line, value]): [string, number] => {
    return [line.replace('busy_', '').replace('job="shop",', '').replace('{job="shop"}', ''), value]
  })
  return Object.fromEntries(lines)
}

const living = { livemin: 3, livemax: 7, livesum: 10, livemostrecent: 7 }

test('gauges of all modes are shown as prometheus_client shows them, and dead processes leave what their mode says', async (context) => {
  const application = new FakeApplication(context)
  application.starts(70, ...writeAll(application, 70, 7, 200))
  application.starts(71, ...writeAll(application, 71, 3, 100))
  const store = new SimStore()
  const opened = open(store)
  const follower = application.follow(opened)
  const both = { min: 3, max: 7, sum: 10, mostrecent: 7 }
  await application.eventually(() =>
    assert.deepEqual(gauges(opened), {
      'all{pid="70"}': 7,
      'all{pid="71"}': 3,
      'liveall{pid="70"}': 7,
      'liveall{pid="71"}': 3,
      ...both,
      ...living,
    })
  )
  application.dies(70)
  const left = { 'all{pid="70"}': 7, 'all{pid="71"}': 3, ...both }
  const of71 = { 'liveall{pid="71"}': 3, livemin: 3, livemax: 3, livesum: 3, livemostrecent: 3 }
  await application.eventually(() => {
    assert.deepEqual(gauges(opened), { ...left, ...of71 })
    assert.equal(application.files().length + application.aside().length, 10)
  })
  follower.close()

  application.dies(71) // While there is no gateway.
  const again = open(store.restarted())
  application.follow(again)
  await application.settles()
  await application.eventually(() => assert.deepEqual(gauges(again), left))

  writeAll(application, 71, 20, 300) // Its pid is reused.
  await application.settles()
  const more = { 'all{pid="70"}': 7, 'all{pid="71"}': 20, min: 3, max: 20, sum: 30, mostrecent: 20 }
  await application.eventually(() => assert.deepEqual(gauges(again), more))
})

test('what a dead process leaves is kept once, also where the gateway dies before its file is gone', async (context) => {
  const application = new FakeApplication(context)
  const store = new SimStore()
  const opened = open(store)
  const follower = application.follow(opened)
  application.write('gauge_sum_70.db', [gauge('sum', 5)])
  await application.eventually(() => assert.deepEqual(gauges(opened), { sum: 5 }))
  await application.settles()
  follower.close()
  const [state = ''] = readdirSync(join(application.dataDir, 'multiprocess'))
  const kept = readFileSync(join(application.dataDir, 'multiprocess', state), 'utf8')
  const { buried } = JSON.parse(kept) as { buried: string[] }
  assert.equal(buried.length, 1)
  application.write(join('.swansong', buried[0] ?? ''), [gauge('sum', 5)])
  application.write('gauge_sum_71.db', [gauge('sum', 2)])
  const again = open(store.restarted())
  application.follow(again)
  await application.settles()
  await application.eventually(() => assert.deepEqual(gauges(again), { sum: 7 }))
})

test('as long as what dead processes leave cannot be kept, their files stay', async (context) => {
  const application = new FakeApplication(context)
  const store = new SimStore()
  const opened = open(store)
  application.follow(opened)
  writeFileSync(join(application.dataDir, 'multiprocess'), 'in the way')
  application.write('counter_70.db', [{ metric: 'jobs', name: 'jobs_total', value: 1 }])
  application.write('gauge_sum_70.db', [gauge('sum', 5)])
  await application.eventually(() => {
    assert.deepEqual([application.files(), application.aside().length], [[], 1])
    assert.equal(shown(opened).get('jobs_total{job="shop"}'), 1)
  })
  rmSync(join(application.dataDir, 'multiprocess'))
  mkdirSync(join(application.dataDir, 'multiprocess'))
  await application.settles()
  await application.eventually(() => assert.equal(gauges(opened)['sum'], 5))
})

test('of each process by itself the last thousand dead ones are kept, so that lines do not grow with processes', async (context) => {
  const application = new FakeApplication(context)
  const opened = open(new SimStore())
  const limits = { multiprocessFileBytesMax: 100_000, multiprocessSilenceMs: 1e9, deadGaugeCountMax: 2 }
  application.follow(opened, { limits })
  for (let pid = 70; pid < 75; pid++) {
    application.write(`gauge_all_${pid}.db`, [gauge('all', pid)])
    await application.settles()
  }
  await application.eventually(() =>
    assert.deepEqual(gauges(opened), { 'all{pid="73"}': 73, 'all{pid="74"}': 74 })
  )
})

test('values that are no numbers, and gauges that were made and never set to be the latest', async (context) => {
  const application = new FakeApplication(context)
  const store = new SimStore()
  const opened = open(store)
  const follower = application.follow(opened)
  application.write('gauge_all_70.db', [gauge('a', NaN), gauge('b', Infinity), gauge('c', -Infinity)])
  application.write('gauge_mostrecent_70.db', [gauge('d', 0, 0)])
  await application.settles()
  follower.close()
  const again = open(store.restarted())
  application.follow(again)
  await application.eventually(() => {
    const lines = rendered(again.exposition).split('\n')
    const values = lines.filter((line) => line.startsWith('busy')).map((line) => line.split(' ')[1])
    assert.deepEqual(new Set(values), new Set(['+Inf', '-Inf', 'NaN']))
  })
})
