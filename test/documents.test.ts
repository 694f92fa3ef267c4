import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'

/* What documents promise of themselves: their links lead somewhere, and their TypeScript is right. */

const root: string = join(import.meta.dirname, '..')
const documents: readonly string[] = globSync(
  ['*.md', '.github/*.md', '{docs,bench}/*.md', '{packages,examples}/*/*.md'],
  { cwd: root }
)
const home: string = await mkdtemp(join(tmpdir(), 'swansong-documents-'))
after(() => rm(home, { recursive: true, force: true }))

test('every link leads to a file, and to a heading of it', () => {
  let count = 0
  for (const document of documents) {
    const text = textOf(document).replaceAll(/^```[^]*?^```/gm, '')
    for (const [, link = ''] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue
      const [path = '', heading] = link.split('#', 2)
      const target = path === '' ? document : join(dirname(document), path)
      assert.ok(existsSync(join(root, target)), `${document}: ${link} is not there`)
      if (heading !== undefined)
        assert.ok(headingsOf(target).includes(heading), `${document}: ${target} has no heading ${heading}`)
      count++
    }
  }
  assert.ok(count > 100, `${count} links were found`)
})

test('every block of TypeScript or JavaScript type-checks as it stands, under strict', async () => {
  const files: string[] = []
  for (const document of documents) {
    for (const [, block = ''] of textOf(document).matchAll(/^```(?:ts|js)\n([^]*?)^```/gm)) {
      if (!/^import /m.test(block) && !block.includes('capture()')) continue // A piece of our own source, quoted.
      const file = `${document.replaceAll(/\W+/g, '-')}-${files.length}.ts`
      await writeFile(join(home, file), `${block}export {}\n`)
      files.push(file)
    }
  }
  assert.ok(files.length >= 8, `${files.length} blocks were found`)
  await writeFile(join(home, 'said-around-it.d.ts'), saidAroundIt)
  await writeFile(join(home, 'package.json'), '{"type":"module"}')
  await writeFile(join(home, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }))
  await symlink(join(root, 'node_modules'), join(home, 'node_modules'))
  assert.equal(await tsc(), '')
  // So that a compiler that saw nothing is not taken for one that found nothing.
  await writeFile(join(home, files[0] as string), "import { counter } from '@swansong/sdk'\ncounter(7)\n")
  assert.match(await tsc(), /TS2345/)
})

test('docs/clients.md names the versions that the tests try', () => {
  const fixtures = 'test/clients/fixtures'
  const versionIn = (file: string, pattern: RegExp): string => pattern.exec(textOf(file))?.[1] ?? 'none'
  const rows = textOf('docs/clients.md')
  for (const [client, version] of [
    [
      'JavaScript, stock SDK',
      versionIn(`${fixtures}/js/package.json`, /"@opentelemetry\/sdk-metrics": "(.+)"/),
    ],
    ['Python, stock SDK', versionIn(`${fixtures}/python/requirements.txt`, /opentelemetry-sdk==(.+)/)],
    ['Go, stock SDK', versionIn(`${fixtures}/go/go.mod`, /otel\/sdk\/metric v(.+)/)],
    ['Collector in front', versionIn('test/peers/collector.ts', /builder@v([\d.]+)/)],
  ] as const) {
    const row = rows.split('\n').find((line) => line.startsWith(`| ${client} |`)) ?? ''
    assert.ok(row.includes(`| ${version}`), `${client}: ${version}`)
  }
})

/** What a text around a block has made already. */
const saidAroundIt = `
declare const assert: typeof import('node:assert/strict')
declare const capture: typeof import('@swansong/sdk/testing').capture
declare function answer(question: string): string
declare const body: Uint8Array
`

const compilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  module: 'nodenext',
  target: 'es2024',
  noEmit: true,
  skipLibCheck: true,
  types: ['node'],
}

/** What the compiler has to say. */
async function tsc(): Promise<string> {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  return promisify(execFile)(process.execPath, [compiler, '--project', home], { cwd: home }).then(
    () => '',
    (error: { stdout: string; stderr: string }) => error.stdout + error.stderr
  )
}

function textOf(document: string): string {
  return readFileSync(join(root, document), 'utf8')
}

/** As GitHub makes anchors of headings. */
function headingsOf(document: string): string[] {
  return [...textOf(document).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .trim()
      .replaceAll(' ', '-')
  )
}
