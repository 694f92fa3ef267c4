import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfigFile } from '../../src/config/file.ts'
import { ConfigError, readSettings } from '../../src/config/read.ts'
import type { Config } from '../../src/config/config.ts'
import { keys } from '../../src/config/schema.ts'

const topKeys: string = [...new Set(keys.map(({ path }) => path.split('.', 1)[0]))].join(', ')

test('a file says what the Config then has', () => {
  const config = read(`
data_dir: /data
otlp:
  http: { listen: 0.0.0.0:4318 }
  grpc: { listen: off }
  socket: { path: /run/s.sock, mode: 0600, group: 7 }
resource_attributes: { keep: [service.name, 'k8s.*'], drop: k8s.pod.name }
rules:
  - { metrics: http.*, attributes: { keep: [], drop: [a, b] } }
  - metrics: [x]
    scopes: y
    drop: false
    gauge: max
    histogram_bounds: [0.1, 1, 1e3]
presets: [coding-agents]
series_ttl: never
limits:
  body_bytes: 1MiB
  retry_window: 20m
`)
  assert.equal(config.dataDir, '/data')
  assert.equal(config.spoolDir, '/data/spool')
  assert.deepEqual(config.otlpHttp, { host: '0.0.0.0', port: 4318 })
  assert.equal(config.otlpGrpc, undefined)
  assert.deepEqual(config.otlpSocket, { path: '/run/s.sock', mode: 0o600, group: '7' })
  assert.deepEqual(config.resourceAttributes, { keep: ['service.name', 'k8s.*'], drop: ['k8s.pod.name'] })
  assert.deepEqual(config.rules, [
    { metrics: ['http.*'], attributes: { keep: [], drop: ['a', 'b'] } },
    { metrics: ['x'], scopes: ['y'], drop: false, gauge: 'max', histogramBounds: [0.1, 1, 1000] },
  ])
  assert.deepEqual(config.presets, ['coding-agents'])
  assert.equal(config.seriesTtlMs, Infinity)
  assert.equal(config.limits.bodyBytesMax, 2 ** 20)
  assert.equal(config.limits.retryWindowMs, 1_200_000)
  assert.equal(config.limits.seriesCountMax, 1_000_000)
})

test('nothing, comments, and sections with nothing in them are right', () => {
  for (const text of ['', '# data_dir: x\n', 'otlp:\n  http:\n    # listen: x\nlimits:\n']) {
    assert.equal(read(text).dataDir, './swansong-data', JSON.stringify(text))
  }
})

test('anchors, aliases and merge keys mean what YAML has them mean', () => {
  const config = read(`
otlp:
  http: &door { listen: 127.0.0.1:1 }
  grpc: { <<: *door, listen: 127.0.0.1:2 }
gauge_policy: &policy max
rules:
  - gauge: *policy
`)
  assert.deepEqual(config.otlpGrpc, { host: '127.0.0.1', port: 2 })
  assert.equal(config.rules[0]?.gauge, 'max')
})

test('a relative path is taken from where the file stands', () => {
  const { config } = readSettings({
    file: readConfigFile('/etc/swansong/s.yaml', 'data_dir: data\nspool_dir: /spool\n'),
  })
  assert.equal(config.dataDir, '/etc/swansong/data')
  assert.equal(config.spoolDir, '/spool')
})

test('each problem has its line and column, its key, and what to write instead', () => {
  const check = (text: string, ...problems: string[]): void => {
    assert.deepEqual(
      problemsOf(text),
      problems.map((problem) => `s.yaml:${problem}`)
    )
  }
  assert.match(
    problemsOf('foo: x\n')[0] ?? '',
    /^s\.yaml:1:1: foo: there is no such key; the keys here are data_dir, /
  )
  check('data_dri: x\n', '1:1: data_dri: there is no such key; did you mean data_dir?')
  check('dataDir: x\n', '1:1: dataDir: there is no such key; did you mean data_dir?')
  check('otlp_http: x\n', '1:1: otlp_http: there is no such key; did you mean otlp.http?')
  check('series_count: 1\n', '1:1: series_count: there is no such key; did you mean limits.series_count?')
  check(
    'otlp:\n  http:\n    lisen: 1\n    tsl: {}\n',
    '3:5: otlp.http.lisen: there is no such key; did you mean otlp.http.listen?',
    '4:5: otlp.http.tsl: there is no such key; did you mean otlp.http.tls?'
  )
  check(
    'admin:\n  wholly_other: x\n',
    '2:3: admin.wholly_other: there is no such key; the keys here are listen, tls, auth'
  )
  check(
    'otlp:\n  http:\n    listen: 4318\n',
    '3:13: otlp.http.listen: "4318" is no address: write HOST:PORT, as 127.0.0.1:4318'
  )
  check(
    'retries: stric\n',
    '1:10: retries: "stric" is no way to tell retries; did you mean strict? Write auto or strict'
  )
  check(
    'limits: { series_count: 5k }\n',
    '1:25: limits.series_count: "5k" is no count; write digits alone, as 1000000'
  )
  check('limits:\n  keep_alive: 30d\n', '2:15: limits.keep_alive: 30d is out of bounds; write 1ms to 24d')
  check('series_ttl:\n', '1:1: series_ttl: it has no value; write one, or leave the line out')
  check('data_dir: [a]\n', '1:11: data_dir: write one value here: directory')
  check(
    'presets: [coding-agent]\n',
    '1:11: presets[0]: "coding-agent" is no preset; did you mean coding-agents?'
  )
  check(
    'resource_attributes: { keep: { a: b } }\n',
    '1:30: resource_attributes.keep: write a list, as [a, b], here'
  )
  check('log: info\n', '1:6: log: write keys here, each with its value: level')
  check(
    'otlp:\n  grpc: off\n',
    '2:9: otlp.grpc: write keys here, each with its value: listen, tls, auth; did you mean { listen: off }?'
  )
  check(
    'otlp.http.listen: 127.0.0.1:4318\n',
    '1:1: otlp.http.listen: a file has no keys with dots; write otlp: { http: { listen: … } }'
  )
  check('rules: { a: b }\n', '1:8: rules: write a list of rules here')
  check(
    'rules:\n  - metric: x\n  - { drop: yes, histogram_bounds: [2, 1] }\n  - { gauge: mx }\n  - { histogram_bounds: [1, x] }\n',
    '2:5: rules[0].metric: there is no such key; did you mean rules[0].metrics?',
    '3:13: rules[1].drop: "yes" is neither true nor false; write one of them',
    '3:36: rules[1].histogram_bounds: bounds ascend; write them from the least to the greatest',
    '4:14: rules[2].gauge: "mx" is no gauge policy; did you mean max? Write last, min, max or sum',
    '5:29: rules[3].histogram_bounds[1]: "x" is no finite number; write one, as 0.5'
  )
  check('[a, b]\n', `1:1: write keys here, each with its value: ${topKeys}`)
  check(
    'a: &x { listen: q }\nadmin: *x\n',
    `1:1: a: there is no such key; the keys here are ${topKeys}`,
    '1:17: admin.listen: "q" is no address: write HOST:PORT, as 127.0.0.1:4318'
  )
})

test('what is no YAML is said with its line and column', () => {
  const check = (text: string, says: RegExp): void => assert.match(problemsOf(text).join('\n'), says)
  check(
    'data_dir: a\nlog: { level: info }\ndata_dir: b\n',
    /^s\.yaml:3:1: data_dir: this key stands above already; leave one of them out$/
  )
  check('admin:\n\tlisten: x\n', /^s\.yaml:2:1: a tab indents this line; use spaces/)
  check('  a: [1\nb: }\n', /^s\.yaml:2:1: not YAML: [^\n]*$/) // One slip, one problem.
  check('admin: { listen: [::1]:9465 }\n', /^s\.yaml:1:\d+: not YAML: .*quote texts that have/)
  check('data_dir: "x\n', /^s\.yaml:\d:\d+: not YAML/)
  check('data_dir: x\n---\ndata_dir: y\n', /^s\.yaml:2:1: a second document begins here/)
  check('data_dir: *nobody\n', /^s\.yaml:1:\d+: .*nobody/)
  const bomb = `a: &a [x, x, x, x, x, x, x, x, x]\n${Array.from('bcdefg', (name, at) => `${name}: &${name} [${`*${'abcdef'[at]},`.repeat(9)}]\n`).join('')}`
  assert.ok(problemsOf(bomb).length > 0) // Not a billion problems, and soon.
})

function read(text: string): Config {
  return readSettings({ file: readConfigFile('s.yaml', text) }).config
}

function problemsOf(text: string): readonly string[] {
  try {
    read(text)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}
