import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfigFile } from '../../src/config/file.ts'
import { ConfigError, readSettings } from '../../src/config/read.ts'

function complains(yaml: string, why: RegExp): void {
  assert.throws(
    () => readSettings({ file: readConfigFile('/etc/s.yaml', yaml) }),
    (error) => error instanceof ConfigError && why.test(error.message)
  )
}

test('there is no textfile unless a path is told, and then it is written every 15 s', () => {
  assert.equal(readSettings({}).config.textfile.path, undefined)
  const flags = { 'textfile.path': '/var/lib/node/swansong.prom' }
  const told = readSettings({ flags }).config.textfile
  assert.deepEqual(told, { path: '/var/lib/node/swansong.prom', intervalMs: 15_000 })
  const file = readConfigFile('/etc/s.yaml', 'textfile: { path: x/swansong.prom, interval: 1m }')
  assert.deepEqual(readSettings({ file }).config.textfile, {
    path: '/etc/x/swansong.prom',
    intervalMs: 60_000,
  })
})

test('a name that node_exporter would not read, and an interval of nothing, are wrong', () => {
  complains('textfile: { path: /x/swansong.txt }', /would not read .*write a name that ends in \.prom/)
  complains('textfile: { path: /x/.prom }', /ends in \.prom/)
  complains('textfile: { path: /x/a.prom, interval: 10ms }', /write 1s to/)
  complains('textfile: { interval: 5s }', /s\.yaml:1:23: textfile.interval: it needs textfile.path too/)
})
