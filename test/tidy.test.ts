import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { test } from 'node:test'
import {
  importsAgainstTheWay,
  importsOf,
  linesPerFileMax,
  nodeOffTheEdges,
  notKebabCase,
  type Source,
  tooLong,
  unwanted,
} from './tidy/rules.ts'

const root = join(import.meta.dirname, '..')
const paths = filesOfTheProject()
assert.ok(paths.includes('test/tidy.test.ts')) // Otherwise all that follows would hold of nothing.
const sources: Source[] = paths
  .filter((path) => /\.(ts|js)$/.test(path) && !path.includes('/fixtures/'))
  .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
const written = sources.filter(({ path }) => !path.startsWith('test/tidy')) // Here the unwanted is quoted.

test('imports follow the datum: in → ledger ← out, sdk → otlp ← gateway', () => {
  none(importsAgainstTheWay(sources))

  complains(
    importsAgainstTheWay,
    'packages/gateway/src/ledger/pages.ts',
    "import { body } from '../in/body.ts'"
  )
  complains(
    importsAgainstTheWay,
    'packages/gateway/src/ledger/values/sum.ts',
    "import { x } from '../../out/text.ts'"
  )
  complains(
    importsAgainstTheWay,
    'packages/gateway/src/in/http.ts',
    "import type { Text } from '../out/text.ts'"
  )
  complains(importsAgainstTheWay, 'packages/gateway/src/out/scrape.ts', "export { x } from '../in/http.ts'")
  complains(
    importsAgainstTheWay,
    'packages/gateway/src/limits.ts',
    "import {\n  a,\n  b,\n} from './ledger/series.ts'"
  )
  complains(
    importsAgainstTheWay,
    'packages/gateway/src/gateway.ts',
    "import { run } from './commands/run.ts'"
  )
  complains(
    importsAgainstTheWay,
    'packages/gateway/src/in/http.ts',
    "const x = await import('@swansong/sdk')"
  )
  complains(importsAgainstTheWay, 'packages/gateway/src/new-place/x.ts', "import { a } from '../limits.ts'")
  complains(importsAgainstTheWay, 'packages/sdk/src/post/send.ts', "import { x } from '@swansong/gateway'")
  complains(importsAgainstTheWay, 'packages/otlp/src/index.ts', "import '@swansong/sdk/register'")
  complains(
    importsAgainstTheWay,
    'packages/sdk/src/post/send.ts',
    "import { x } from '../../../otlp/src/wire/writer.ts'"
  )
  complains(importsAgainstTheWay, 'packages/sdk/src/post/send.ts', "import { x } from './spool.js'")

  complains(
    importsAgainstTheWay,
    'packages/sdk/src/record/meter.ts',
    "import { Deltas } from '../encode/batch.ts'"
  )
  complains(importsAgainstTheWay, 'packages/sdk/src/spool/spool.ts', "import '../post/send.ts'")
  complains(importsAgainstTheWay, 'packages/sdk/src/post/send.ts', "import '../reader/batch-files.ts'")
  complains(importsAgainstTheWay, 'packages/sdk/src/encode/batch.ts', "import '../worker.ts'")
  complains(importsAgainstTheWay, 'packages/sdk/src/new-place/x.ts', "import '../record/meter.ts'")

  accepts(importsAgainstTheWay, 'packages/sdk/src/post/send.ts', "import { a } from '../spool/spool.ts'")
  accepts(importsAgainstTheWay, 'packages/sdk/src/encode/batch.ts', "import '../record/recorder.ts'")
  accepts(
    importsAgainstTheWay,
    'packages/gateway/src/in/http.ts',
    "import { post } from '../ledger/ledger.ts'"
  )
  accepts(importsAgainstTheWay, 'packages/gateway/src/ledger/x.ts', "import { a } from '../limits.ts'")
  accepts(
    importsAgainstTheWay,
    'packages/gateway/src/commands/demo.ts',
    "import { counter } from '@swansong/sdk'"
  )
  accepts(
    importsAgainstTheWay,
    'packages/gateway/src/in/body.ts',
    "import { decode } from '@swansong/otlp/wire'"
  )
})

test('node: appears only at the edges', () => {
  none(nodeOffTheEdges(sources))

  complains(nodeOffTheEdges, 'packages/otlp/src/spool.ts', "import { crc32 } from 'node:zlib'")
  complains(nodeOffTheEdges, 'packages/otlp/src/text.ts', 'const text = Buffer.from(bytes).toString()')
  complains(nodeOffTheEdges, 'packages/gateway/src/in/receive.ts', "import type { Socket } from 'node:net'")
  complains(
    nodeOffTheEdges,
    'packages/gateway/src/ledger/series.ts',
    "import { gzipSync, crc32 } from 'node:zlib'"
  )
  complains(
    nodeOffTheEdges,
    'packages/gateway/src/ledger/values/sum.ts',
    "import { readFileSync } from 'node:fs'"
  )
  complains(nodeOffTheEdges, 'packages/gateway/src/out/text.ts', 'const begun = process.hrtime()')
  complains(
    nodeOffTheEdges,
    'packages/gateway/src/out/names.ts',
    "const { join } = await import('node:path')"
  )

  accepts(
    nodeOffTheEdges,
    'packages/gateway/src/ledger/store.ts',
    "import { DatabaseSync } from 'node:sqlite'"
  )
  accepts(nodeOffTheEdges, 'packages/gateway/src/ledger/pages.ts', "import { crc32 } from 'node:zlib'")
  accepts(nodeOffTheEdges, 'packages/gateway/src/ledger/pages.ts', "import assert from 'node:assert/strict'")
  accepts(nodeOffTheEdges, 'packages/otlp/src/crc32.ts', ' * `node:zlib` would cost more; Buffer.from too.')
})

test('a file fits in a sitting', () => {
  none(tooLong(sources))

  complains(tooLong, 'packages/otlp/src/decode.ts', 'line\n'.repeat(linesPerFileMax + 1))
  accepts(tooLong, 'packages/otlp/src/decode.ts', 'line\n'.repeat(linesPerFileMax))
})

test('what the project does without stays out', () => {
  none(unwanted(written))

  for (const bad of [
    'enum Kind { Sum }',
    'export const enum Kind { Sum }',
    "export * from './a.ts'",
    "export type * from './a.ts'",
    'export default function f() {}',
    '// TODO: write this',
    '  * FIXME one day',
  ]) {
    complains(unwanted, 'packages/sdk/src/x.ts', bad)
  }
  for (const good of [
    "// An enum of none, 'export *' of nothing.",
    "import { enumerate } from './a.ts'",
    '// TODO: https://github.com/swansong/swansong/issues/12',
  ]) {
    accepts(unwanted, 'packages/sdk/src/x.ts', good)
  }
})

test('files are named in kebab-case', () => {
  const others = /\.md$|(^|\/)(LICENSE|Dockerfile|__init__\.py)$|_[a-z]+\.py$/ // Named by customs of their own.
  none(notKebabCase(paths.filter((path) => !others.test(path))))

  assert.equal(
    notKebabCase(['packages/sdk/src/exitHandlers.ts', 'test/Peers/x.ts', 'test/exit_codes.ts']).length,
    3
  )
  assert.deepEqual(notKebabCase(['packages/sdk/src/exit.ts', 'test/check-config.test.ts', 'test/.keep']), [])
})

test('an import is found however it is written', () => {
  const text = `import assert from 'node:assert'
import './side.ts'
import type { A } from "./a.ts"
import {
  b,
  type C,
} from './b.ts'
export { d } from './d.ts'
export const e = 'no import'
const f = await import('./f.ts')
import g, * as h from './g.ts'
export const i = "x from 'y'"
`
  const found = importsOf(text).map(({ name, names, line }) => `${line} ${name} ${names}`)
  assert.deepEqual(found, [
    '1 node:assert assert',
    '2 ./side.ts ',
    '3 ./a.ts { A }',
    '4 ./b.ts { b, type C, }',
    '8 ./d.ts { d }',
    '11 ./g.ts g, * as h',
    '10 ./f.ts ',
  ])
})

function none(complaints: string[]): void {
  assert.equal(complaints.length, 0, `\n${complaints.slice(0, 50).join('\n')}`)
}

function complains(rule: (sources: Source[]) => string[], path: string, text: string): void {
  assert.equal(rule([{ path, text }]).length, 1, `not one complaint of ${path}: ${text}`)
}

function accepts(rule: (sources: Source[]) => string[], path: string, text: string): void {
  assert.deepEqual(rule([{ path, text }]), [], `complains of ${path}: ${text}`)
}

function filesOfTheProject(): string[] {
  const notOurs = new Set(['node_modules', 'dist', '__pycache__', '.turbo'])
  const places = ['packages/*/{src,test,bench}/**', '{test,bench,examples,scripts}/**']
  const entries = globSync(places, {
    cwd: root,
    withFileTypes: true,
    exclude: ({ name }) => notOurs.has(name),
  })
  const files = entries.filter((entry) => entry.isFile())
  return files.map(({ parentPath, name }) => relative(root, join(parentPath, name)).replaceAll('\\', '/'))
}
