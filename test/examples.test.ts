import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promtools, startPrometheus } from './peers/prometheus.ts'
import { verifiedUnit } from './peers/systemd.ts'
import { deltas } from './support/deltas.ts'
import { startGateway, swansong } from './support/gateway.ts'
import { ask } from './support/http.ts'
import { until } from './support/wait.ts'

const examples: string = join(import.meta.dirname, '..', 'examples')
const home: string = await mkdtemp(join(tmpdir(), 'swansong-examples-'))
after(() => rm(home, { recursive: true, force: true }))

interface Panel {
  title: string
  targets?: { expr: string }[]
}

test('the dashboard and the alerts ask Prometheus for what the gateway shows', async () => {
  const file = await readFile(join(examples, 'grafana', 'dashboard.json'), 'utf8')
  const { panels } = JSON.parse(file) as { panels: Panel[] }
  const alerts = await readFile(join(examples, 'prometheus', 'alerts.yml'), 'utf8')

  const gone = await mkdtemp(join(home, 'gone-'))
  const gateway = await startGateway({
    flags: [
      '--textfile',
      join(gone, 's.prom'),
      '--otlp-out',
      'http://127.0.0.1:1/v1/metrics',
      '--remote-write',
      'http://127.0.0.1:1/write',
    ],
    env: { SWANSONG_TEXTFILE_INTERVAL: '1s', SWANSONG_OTLP_OUT_INTERVAL: '1s' },
  })
  await rename(gone, `${gone}-away`)
  assert.equal((await gateway.post(deltas([{ name: 'jobs', value: 3 }]))).status, 200)
  const rejectOne = async (): Promise<void> => {
    await gateway.post(deltas([{ name: 'jobs', value: Number.NaN }]))
    assert.equal((await gateway.post(Buffer.from('no OTLP'))).status, 400)
  }
  await rejectOne()
  const prometheus = await startPrometheus({ targets: [`127.0.0.1:${gateway.ports.metrics}`] })

  const shown = async (): Promise<string> => (await ask(`${gateway.urls.metrics}/metrics`)).body.toString()
  const named = new Set(`${file}${alerts}`.match(/swansong_[a-z_]+(?<!_)/g))
  assert.ok(named.size >= 15)
  await until('all has happened that is asked for', async () => {
    const names = new Set([...(await shown()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name))
    return [...named].every((name) => names.has(name))
  }).catch(async () => {
    const text = await shown()
    assert.deepEqual(
      [...named].filter((name) => !text.includes(`# TYPE ${name} `)),
      [],
      'there is no such metric'
    )
  })

  for (const { title, targets = [] } of panels) {
    for (const { expr } of targets) {
      const asked = Object.entries(variables).reduce(
        (text, [name, value]) => text.replaceAll(name, value),
        expr
      )
      assert.doesNotMatch(asked, /\$/, expr)
      await until(`${title} shows something: ${asked}`, async () => {
        if (asked.includes('_rejected_')) await rejectOne() // Again, while somebody looks: what is shown is how often.
        return (await prometheus.query(asked)).length > 0
      })
    }
  }
})

/** What Grafana puts into an expression, longest names first. */
const variables: Readonly<Record<string, string>> = {
  $__rate_interval: '1m',
  $__range: '5m',
  $instance: '.+',
  $counter: 'jobs_total',
  $job: '.+',
}

test("Prometheus' own tool finds its configuration and the alerts right", async () => {
  const files = [
    ['config', 'prometheus.yml'],
    ['rules', 'alerts.yml'],
  ] as const
  for (const promtool of await promtools()) {
    for (const [what, file] of files) {
      const args = ['check', what, join(examples, 'prometheus', file)]
      assert.match(execFileSync(promtool, args, { encoding: 'utf8' }), /SUCCESS/)
    }
  }
})

test('systemd finds nothing wrong in the service', async () => {
  const unit = await readFile(join(examples, 'systemd', 'swansong.service'), 'utf8')
  assert.ok(unit.includes('ExecStart=/usr/local/bin/swansong gateway'))
  const file = join(home, 'swansong.service')
  const here = unit.replace('/usr/local/bin/swansong', swansong)
  await writeFile(file, here)
  assert.equal(await verifiedUnit(file), '')
  await writeFile(file, here.replace('NoNewPrivileges', 'NoNewPrivilege'))
  assert.match(await verifiedUnit(file), /Unknown key .*NoNewPrivilege/)
})
