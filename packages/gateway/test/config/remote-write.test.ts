import assert from 'node:assert/strict'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeFileSync } from 'node:fs'
import { openConfigFile, readConfigFile } from '../../src/config/file.ts'
import { ConfigError, readSettings } from '../../src/config/read.ts'
import type { RemoteWriteSettings } from '../../src/config/remote-write.ts'
import { temporaryDirectory } from '../support/directories.ts'

function read(yaml: string): readonly RemoteWriteSettings[] {
  return readSettings({ file: readConfigFile('s.yaml', yaml) }).config.remoteWrite
}

function complains(yaml: string, why: RegExp): void {
  assert.throws(
    () => read(yaml),
    (error) => {
      assert.ok(error instanceof ConfigError)
      assert.equal(error.problems.length, 1, error.message)
      assert.match(error.message, why)
      return true
    }
  )
}

test('remote write is off unless a receiver is told, by flag, variable, or the file in the words of Prometheus', () => {
  assert.deepEqual(readSettings({}).config.remoteWrite, [])
  assert.deepEqual(read('remote_write:\n  # - url: http://x/w\n'), [])
  const [one, two] = ['http://prometheus:9090/api/v1/write', 'https://mimir/api/v1/push']
  const flags = { remote_write: `${one},${two}` }
  const environment = { SWANSONG_REMOTE_WRITE: one }
  const urlsOf = (settings: readonly RemoteWriteSettings[]): string[] => settings.map(({ url }) => url)
  assert.deepEqual(urlsOf(readSettings({ flags }).config.remoteWrite), [one, two])
  assert.deepEqual(urlsOf(readSettings({ environment }).config.remoteWrite), [one])
  assert.deepEqual(urlsOf(read(`remote_write: [${one}, { url: "${two}" }]`)), [one, two])
  const [receiver] = readSettings({ environment }).config.remoteWrite
  assert.match(receiver?.name ?? '', /^prometheus-9090-[\da-f]{8}$/)
  assert.deepEqual(receiver?.externalLabels, { instance: hostname() })
  assert.deepEqual([receiver?.protocol, receiver?.intervalMs, receiver?.timeoutMs], [1, 15_000, 30_000])
})

test('all of a receiver is told as Prometheus has it; files are taken from where the file stands', (context) => {
  const directory = temporaryDirectory(context)
  for (const name of ['password', 'ca.pem', 'own.pem', 'own.key'])
    writeFileSync(join(directory, name), '-----BEGIN something')
  writeFileSync(
    join(directory, 's.yaml'),
    `
remote_write:
  - url: https://mimir/api/v1/push
    name: mimir
    protobuf_message: io.prometheus.write.v2.Request
    send_native_histograms: false
    remote_timeout: 5s
    interval: 30s
    headers: { X-Scope-OrgID: team }
    external_labels: { cluster: eu, instance: node-7 }
    basic_auth: { username: u, password_file: password }
    tls_config: { ca_file: ca.pem, cert_file: own.pem, key_file: own.key, server_name: inner }
    queue_config:
      max_bytes: 10MiB
      sample_age_limit: 2h
      max_shards: 2
      max_samples_per_send: 100
      min_backoff: 1s
      max_backoff: 10s
`
  )
  const settings = readSettings({ file: openConfigFile(join(directory, 's.yaml')) })
  const mib = 1024 * 1024
  assert.deepEqual(settings.config.remoteWrite, [
    {
      url: 'https://mimir/api/v1/push',
      name: 'mimir',
      protocol: 2,
      sendsNativeHistograms: false,
      timeoutMs: 5000,
      intervalMs: 30_000,
      headers: { 'x-scope-orgid': 'team' },
      externalLabels: { instance: 'node-7', cluster: 'eu' },
      basicUsername: 'u',
      basicPasswordFile: join(directory, 'password'),
      authorizationType: 'Bearer',
      credentialsFile: undefined,
      caFile: join(directory, 'ca.pem'),
      certFile: join(directory, 'own.pem'),
      keyFile: join(directory, 'own.key'),
      serverName: 'inner',
      queue: {
        bytesMax: 10 * mib,
        ageMaxMs: 7_200_000,
        shardCount: 2,
        requestSamplesMax: 100,
        backoffMinMs: 1000,
        backoffMaxMs: 10_000,
      },
    },
  ])
})

test('what is wrong of a receiver is said with its place, and what to write instead', () => {
  const with_ = (more: string): string => `remote_write: [{ url: "http://x/w", ${more} }]`
  complains('remote_write: x', /s.yaml:1:15: remote_write: write a list of receivers/)
  complains('remote_write: [{ name: a }]', /remote_write\[0\]: it has no url; write where to/)
  complains('remote_write: [ftp://x/y]', /remote_write\[0\].*is no URL; write one, as http:/)
  complains('remote_write: ["http://x"]', /has no path; write http:\/\/x\/api\/v1\/write/)
  complains('remote_write: ["http://u:p@x/w"]', /^(?!.*u:p).*use basic_auth/)
  complains(
    with_('remote_timout: 5s'),
    /remote_write\[0\].remote_timout: there is no such key; did you mean remote_write\[0\].remote_timeout/
  )
  complains(with_('headers: { Content-Type: x }'), /Content-Type is set by the gateway itself; leave it out/)
  complains(with_('headers: { x-prometheus-remote-write-version: 3 }'), /is set by the gateway itself/)
  complains(with_('headers: { Authorization: x }'), /write authorization or basic_auth beside headers/)
  complains(with_('headers: { "a b": x }'), /is no name of a header/)
  complains(with_('external_labels: { "a-b": x }'), /is no name of a label/)
  complains(with_('external_labels: { __name__: x }'), /is no name of a label/)
  complains(with_('external_labels: { a: "" }'), /the label a has no value/)
  complains(with_('external_labels: [a]'), /write names here, each with its value/)
  complains(
    with_('protobuf_message: io.prometheus.write.v2.Requests'),
    /did you mean io.prometheus.write.v2.Request/
  )
  complains(with_('basic_auth: { password_file: x }'), /basic_auth has no username/)
  complains(with_('authorization: { type: Bearer }'), /authorization has no credentials_file/)
  complains(
    with_('basic_auth: { username: u }, authorization: { credentials_file: x }'),
    /both set; leave one of them out/
  )
  complains(with_('tls_config: { cert_file: x }'), /one of cert_file and key_file; set both or none/)
  complains(with_('queue_config: { min_backoff: 1m, max_backoff: 1s }'), /longer than max_backoff/)
  complains(with_('queue_config: { max_bytes: 10 }'), /write at least 1MiB/)
  complains(with_('name: ../x'), /is no name; write letters/)
  complains(
    with_('tls_config: { ca_file: /nowhere }'),
    /remote_write: \/nowhere is not there; make it, or name another/
  )
  complains(
    'remote_write: ["http://x/w", "http://x/w"]',
    /two receivers are x-.*; give each a name of its own/
  )
})
