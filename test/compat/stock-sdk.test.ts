import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { startGateway } from '../support/gateway.ts'
import { makeProjectWithSdk } from '../support/project.ts'
import { wayOut } from '../support/worker.ts'
import { startJob } from './job.ts'

/*
 * `@swansong/sdk/reader` beside the versions of the stock SDK: from what would be published, with a real gateway.
 */

const gateway = await startGateway()
const tsc = join(import.meta.dirname, '..', '..', 'node_modules', 'typescript', 'bin', 'tsc')

for (const [version, api] of [
  ['2.0.0', '1.9.0'],
  ['2.12.1', '1.9.1'],
  ['3.1.1', '1.10.0'],
] as const) {
  test(`sdk-metrics ${version}: counted whole at the natural end and at process.exit(), by POST and by the spool`, async () => {
    const stock = [`@opentelemetry/api@${api}`, `@opentelemetry/sdk-metrics@${version}`]
    const project = await makeProjectWithSdk(...stock, `@opentelemetry/resources@${version}`)
    await project.copy('test/compat/fixtures/reader.mjs', 'reader.mjs')
    await project.copy('test/compat/fixtures/reader-types.ts', 'reader-types.ts')
    const { post, journal: spool } = wayOut(gateway)
    for (const [way, given] of Object.entries({ post, spool })) {
      for (const [ending, code] of [
        ['natural', 0],
        ['exit', 3],
      ] as const) {
        const service = `stock-${version}-${way}-${ending}`
        const job = { program: process.execPath, project, file: 'reader.mjs', args: [ending] }
        const ended = await startJob(job, { ...given, OTEL_SERVICE_NAME: service })
        assert.deepEqual([ended.code, ended.stdout, ended.stderr], [code, '', ''])
        await gateway.shows(`jobs_total{job="${service}"}`, 100)
        await gateway.shows(`reads_total{job="${service}"}`, 7)
      }
    }
    const flags = [
      '--noEmit',
      '--strict',
      '--exactOptionalPropertyTypes',
      '--module',
      'nodenext',
      '--target',
      'es2022',
    ]
    await project.install(['@types/node@22'])
    await promisify(execFile)(process.execPath, [tsc, ...flags, '--types', 'node', 'reader-types.ts'], {
      cwd: project.folder,
    }).catch((error: { stdout: string }) => assert.fail(error.stdout))
  })
}

test('sdk-metrics 1 is refused by name, where the provider is made', async () => {
  const stock = [
    '@opentelemetry/api@1.9.0',
    '@opentelemetry/sdk-metrics@1.30.1',
    '@opentelemetry/resources@1.30.1',
  ]
  const project = await makeProjectWithSdk('--legacy-peer-deps', ...stock) // npm would refuse it too.
  const text = await readFile(join(import.meta.dirname, 'fixtures', 'reader.mjs'), 'utf8')
  const old = text.replace('import { resourceFromAttributes }', 'import { Resource }')
  await project.write('reader.mjs', old.replace('resourceFromAttributes(', 'new Resource('))
  const job = { program: process.execPath, project, file: 'reader.mjs', args: [] }
  const ended = await startJob(job, wayOut(gateway).post)
  assert.equal(ended.code, 1)
  assert.match(
    ended.stderr,
    /^Error: swansong: .* needs @opentelemetry\/sdk-metrics 2 or 3, .* is of version 1$/m
  )
})

test('without sdk-metrics the reader can still be imported: it loads nothing of it', async () => {
  const project = await makeProjectWithSdk()
  await project.write(
    'alone.mjs',
    "import { SwansongReader } from '@swansong/sdk/reader'\nnew SwansongReader()\n"
  )
  const ended = await startJob({ program: process.execPath, project, file: 'alone.mjs', args: [] }, {})
  assert.deepEqual([ended.code, ended.stderr], [0, ''])
})
