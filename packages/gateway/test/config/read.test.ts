import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Command } from 'commander'
import { addFlags, flagsOf } from '../../src/commands/flags.ts'
import { readConfigFile } from '../../src/config/file.ts'
import { ConfigError, readSettings, type Sources } from '../../src/config/read.ts'
import { configurationPage } from '../../scripts/configuration-page.ts'
import { temporaryDirectory } from '../support/directories.ts'

const root = join(import.meta.dirname, '../../../..')

test('flags win over variables, those over the file, that over the defaults; each value knows its place', () => {
  const file = readConfigFile(
    's.yaml',
    'data_dir: /file\nretries: strict\nadmin: { listen: "127.0.0.1:1" }\n'
  )
  const environment = { SWANSONG_DATA_DIR: '/variable', SWANSONG_ADMIN_LISTEN: '127.0.0.1:2' }
  const { config, told } = readSettings({ file, environment, flags: { data_dir: '/flag' } })
  assert.equal(config.dataDir, '/flag')
  assert.deepEqual(config.admin, { host: '127.0.0.1', port: 2 })
  assert.equal(config.retries, 'strict')
  assert.deepEqual(config.metrics, { host: '127.0.0.1', port: 9464 })
  const places = Object.fromEntries([...told].map(([path, { where }]) => [path, where]))
  assert.deepEqual(places, {
    data_dir: '--data-dir',
    retries: 's.yaml:2:10',
    'admin.listen': 'SWANSONG_ADMIN_LISTEN',
  })
})

test('a door that is off in one place can be opened in a stronger one, and the other way', () => {
  const file = readConfigFile('s.yaml', 'otlp: { grpc: { listen: off } }')
  assert.equal(readSettings({ file }).config.otlpGrpc, undefined)
  const flags = { 'otlp.grpc.listen': ':1' }
  assert.deepEqual(readSettings({ file, flags }).config.otlpGrpc, { host: '127.0.0.1', port: 1 })
  const environment = { SWANSONG_OTLP_GRPC_LISTEN: 'off' }
  assert.equal(readSettings({ environment }).config.otlpGrpc, undefined)
})

test('a list has commas in a variable; an empty variable is none', () => {
  const environment = { SWANSONG_RESOURCE_ATTRIBUTES_KEEP: 'a, b.*,', SWANSONG_DATA_DIR: '' }
  const { config } = readSettings({ environment })
  assert.deepEqual(config.resourceAttributes.keep, ['a', 'b.*'])
  assert.equal(config.dataDir, './swansong-data')
})

test('all problems of all sources are said at once, each with its place', () => {
  const problems = problemsOf({
    file: readConfigFile('s.yaml', 'retries: x\nseries_ttl: y\n'),
    environment: {
      SWANSONG_METRICS_LISTEN: 'z',
      SWANSONG_DATADIR: '/data',
      SWANSONG_PORT: 'tcp://10.0.0.1:80',
    },
    flags: { 'log.level': 'loud' },
  })
  const places = problems.map((problem) => problem.split(': ', 1)[0])
  assert.deepEqual(places, [
    's.yaml:1:10',
    's.yaml:2:13',
    '--log-level',
    'SWANSONG_METRICS_LISTEN',
    'SWANSONG_DATADIR',
  ])
  assert.match(
    problems.join('\n'),
    /SWANSONG_DATADIR: there is no such variable; did you mean SWANSONG_DATA_DIR\?/
  )
})

test('variables of the SDK, and of others, are not taken for misspelt ones', () => {
  const environment = {
    SWANSONG_EXPORT: '1',
    SWANSONG_SPOOL_SYNC: '1',
    SWANSONG_EXIT_BUDGET_MS: '5',
    SWANSONG_SERVICE_HOST: 'x',
    SWANSONG_METRICS_SERVICE_PORT: '1',
  }
  assert.equal(readSettings({ environment }).told.size, 0)
})

test('what is wrong beside something else is said where it was told', () => {
  const check = (text: string, says: RegExp): void => {
    assert.match(problemsOf({ file: readConfigFile('s.yaml', text) }).join('\n'), says, text)
  }
  check(
    'admin: { listen: "127.0.0.1:9464" }',
    /^s\.yaml:1:18: admin\.listen: metrics\.listen and admin\.listen are both .*:9464; give one/
  )
  check('metrics: { listen: "0.0.0.0:4318" }', /otlp\.http\.listen and metrics\.listen are both/)
  check('otlp: { http: { listen: "0.0.0.0:9464" } }', /otlp\.http\.listen and metrics\.listen are both/)
  check('otlp: { grpc: { listen: ":4318" } }', /otlp\.http\.listen and otlp\.grpc\.listen are both/)
  check('spool_dir: /s\ndata_dir: /s\n', /data_dir \(\/s\) is within spool_dir \(\/s\)/)
  check('spool_dir: /s\ndata_dir: /s/data\n', /^s\.yaml:1:12: spool_dir: .*put it elsewhere$/)
  const secret = join(root, 'LICENSE') // Any file that can be read.
  for (const [one, other] of [
    ['tls.cert_file', 'tls.key_file'],
    ['tls.key_file', 'tls.cert_file'],
    ['tls.client_ca_file', 'tls.cert_file'],
    ['auth.basic.password_file', 'auth.basic.username'],
  ]) {
    const nested = String(one)
      .split('.')
      .reduceRight((inner, name) => `{ ${name}: ${inner} }`, secret)
    const says = `s.yaml:1:\\d+: metrics.${one}: it needs metrics.${other} too; set both or none`
    check(`metrics: ${nested}`, new RegExp(says))
  }
  const right = [
    'otlp: { http: { listen: ":0" }, grpc: { listen: ":0" } }',
    'data_dir: /s\nspool_dir: /s/spool',
    'data_dir: /sd\nspool_dir: /s',
  ]
  for (const text of right) assert.deepEqual(problemsOf({ file: readConfigFile('s.yaml', text) }), [], text)
})

test('files that are named must be there, be files, be readable and hold something', (context) => {
  const directory = temporaryDirectory(context)
  const tokens = join(directory, 'tokens')
  const check = (path: string, says: RegExp | undefined): void => {
    const problems = problemsOf({ environment: { SWANSONG_ADMIN_AUTH_BEARER_TOKENS_FILE: path } })
    if (says === undefined) assert.deepEqual(problems, [])
    else assert.match(problems.join('\n'), says)
  }
  check(
    tokens,
    /^SWANSONG_ADMIN_AUTH_BEARER_TOKENS_FILE: admin\.auth\.bearer_tokens_file: .*tokens is not there; make it/
  )
  check(directory, /is no file; name a file/)
  writeFileSync(tokens, '\n')
  check(tokens, /is empty/)
  writeFileSync(tokens, 'secret\n')
  check(tokens, undefined)
  const certificate = problemsOf({ environment: { SWANSONG_METRICS_TLS_CERT_FILE: tokens } })
  assert.match(certificate.join('\n'), /metrics\.tls\.cert_file: .*tokens is not in PEM, which begins with/)
  chmodSync(tokens, 0)
  if (process.getuid?.() !== 0) check(tokens, /cannot be read by the user/)
})

test('docs/configuration.md is what `npm run docs -w packages/gateway` writes', () => {
  assert.equal(readFileSync(join(root, 'docs/configuration.md'), 'utf8'), configurationPage())
})

test('the example with comments is right', () => {
  const path = join(root, 'examples/gateway/swansong.yaml')
  const { told } = readSettings({ file: readConfigFile(path, readFileSync(path, 'utf8')) })
  assert.ok(told.size > 10)
})

function problemsOf(sources: Sources): readonly string[] {
  try {
    readSettings(sources)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

test('multiprocess directories: a job before each or none, by commas or by the flag again, each of them once', () => {
  const dirs = (sources: Sources): readonly string[] => readSettings(sources).config.multiprocess.dirs
  const file = readConfigFile('/etc/s.yaml', 'multiprocess: { dirs: [shop=run/shop, /run/a=b, jobs] }')
  assert.deepEqual(dirs({ file }), ['shop=/etc/run/shop', '/run/a=b', '/etc/jobs'])
  assert.deepEqual(dirs({ environment: { SWANSONG_MULTIPROCESS_DIRS: 'a=/x, /y' } }), ['a=/x', '/y'])
  const command = new Command()
  addFlags(command)
  command.parse(['--multiprocess-dir', 'a=/x', '--multiprocess-dir', '/y'], { from: 'user' })
  assert.deepEqual(dirs({ flags: flagsOf(command.opts()) }), ['a=/x', '/y'])
  const refused = (written: string, want: RegExp): void => {
    assert.throws(() => dirs({ environment: { SWANSONG_MULTIPROCESS_DIRS: written } }), want)
  }
  refused(
    'a=/x,b=/x/',
    /SWANSONG_MULTIPROCESS_DIRS: multiprocess.dirs: \/x is one of multiprocess.dirs too; name each/
  )
  refused('./swansong-data', /is data_dir too/)
  refused('a=', /"a=" names no directory; write JOB=DIR, or DIR/)
})
