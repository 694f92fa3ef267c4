import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'

const root = join(import.meta.dirname, '..')

test('a checkout is made ready once, and then nothing is done', (t) => {
  const checkout = makeCheckout(t)

  assert.deepEqual(checkout.ready(), {
    said: ['installing', 'building'],
    ran: ['npm ci', 'turbo run build'],
    code: 0,
  })
  assert.deepEqual(checkout.ready(), { said: [], ran: [], code: 0 })
})

test('what changed decides what is done again', (t) => {
  const checkout = makeCheckout(t)
  checkout.ready()

  checkout.write('packages/one/src/deep/new.ts', 'export const x = 2\n')
  assert.deepEqual(checkout.ready().ran, ['turbo run build'], 'a new source')
  checkout.write('packages/one/src/deep/new.ts', 'export const x = 22\n')
  assert.deepEqual(checkout.ready().ran, ['turbo run build'], 'a changed source')
  checkout.remove('packages/one/dist')
  assert.deepEqual(checkout.ready().ran, ['turbo run build'], 'no dist')
  checkout.write('packages/one/test/one.test.ts', '// A test is not built.\n')
  assert.deepEqual(checkout.ready().ran, [], 'a test')

  checkout.write('package-lock.json', lockOf('2.0.0'))
  assert.deepEqual(checkout.ready().ran, ['npm ci', 'turbo run build'], 'another version in the lockfile')
  checkout.write('node_modules/.package-lock.json', lockOf('3.0.0'))
  checkout.write('package-lock.json', lockOf('3.0.0'))
  assert.deepEqual(checkout.ready().ran, [], 'another version, but npm install was there already')
  checkout.write('node_modules/.package-lock.json', '{ "torn')
  checkout.remove('node_modules/.swansong-ready.json')
  assert.deepEqual(checkout.ready().ran, ['npm ci', 'turbo run build'], 'a torn record')
})

test('what fails is shown, and is tried again', (t) => {
  const checkout = makeCheckout(t)
  checkout.ready()

  checkout.write('packages/one/src/broken', '')
  const { code, ran } = checkout.ready()
  assert.deepEqual({ code, ran }, { code: 1, ran: ['turbo run build'] })
  assert.match(checkout.output(), /broken is in the way/)
  checkout.remove('packages/one/src/broken')
  checkout.write('packages/one/src/index.ts', 'export const x = 3\n')
  assert.deepEqual(checkout.ready(), { said: ['building'], ran: ['turbo run build'], code: 0 })
})

test('the totals of a test run count every test, and nothing is left out in silence', async () => {
  const { testsCounted } = (await import(new URL('../scripts/totals.js', import.meta.url).href)) as {
    testsCounted: (lines: string[], code: number) => { passed: number; failed: number }
  }
  const check = (lines: string[], code: number, passed: number, failed: number): void => {
    const counted = testsCounted(lines, code)
    assert.deepEqual({ passed: counted.passed, failed: counted.failed }, { passed, failed }, lines.join(' '))
  }
  check(['ℹ tests 3', 'ℹ pass 3', 'ℹ fail 0'], 0, 3, 0)
  check(['ℹ tests 3', 'ℹ pass 1', 'ℹ fail 2'], 1, 1, 2)
  check(['ℹ pass 2', 'ℹ fail 0', 'ℹ pass 3', 'ℹ fail 1'], 1, 5, 1) // A script that runs it twice.
  check(['ℹ pass 2', 'ℹ cancelled 1', 'ℹ skipped 2', 'ℹ todo 1'], 0, 2, 4)
  check(['ℹ pass 0', 'ℹ fail 0'], 0, 0, 1) // Nothing ran.
  check(['✔ test/empty.test.ts (70.9ms)', 'ℹ pass 4', 'ℹ fail 0'], 0, 3, 1) // A file without a test.
  check(['ℹ pass 4', 'ℹ fail 0'], 7, 4, 1) // Crashed after its last test.
  check([], 0, 0, 1)
})

interface Checkout {
  /** Runs scripts/ready.js there: what it says it does, the commands that it ran, its exit code. */
  ready(): { said: string[]; ran: string[]; code: number | null }
  /** All that the last run wrote. */
  output(): string
  write(path: string, text: string): void
  remove(path: string): void
}

/** A checkout of one package, with an npm and a turbo that only say that they ran, and leave what theirs would. */
function makeCheckout(t: TestContext): Checkout {
  const home = mkdtempSync(join(tmpdir(), 'swansong-house-'))
  t.after(() => rmSync(home, { recursive: true }))
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(home, path)), { recursive: true })
    writeFileSync(join(home, path), text, { mode: 0o755 })
  }
  mkdirSync(join(home, 'scripts'))
  cpSync(join(root, 'scripts', 'ready.js'), join(home, 'scripts', 'ready.js'))
  write('package.json', '{ "type": "module" }')
  write('package-lock.json', lockOf('1.0.0'))
  write('tsconfig.json', '{}')
  write('packages/one/package.json', '{}')
  write('packages/one/src/index.ts', 'export const x = 1\n')
  const turbo = `#!/bin/sh
echo "turbo $1 $2" >> ran
[ -e packages/one/src/broken ] && { echo 'broken is in the way'; exit 1; }
mkdir -p packages/one/dist`
  write('turbo', turbo)
  write(
    'npm.cjs',
    `const { appendFileSync, cpSync, mkdirSync, rmSync } = require('node:fs')
appendFileSync('ran', \`npm \${process.argv[2]}\\n\`)
rmSync('node_modules', { recursive: true, force: true })
mkdirSync('node_modules/.bin', { recursive: true })
cpSync('turbo', 'node_modules/.bin/turbo')
cpSync('package-lock.json', 'node_modules/.package-lock.json')`
  )
  const env = { ...process.env, npm_execpath: join(home, 'npm.cjs'), npm_node_execpath: process.execPath }
  let output = ''
  return {
    ready() {
      rmSync(join(home, 'ran'), { force: true })
      const done = spawnSync(process.execPath, ['scripts/ready.js'], { cwd: home, env, encoding: 'utf8' })
      output = done.stdout + done.stderr
      const said = [...done.stdout.matchAll(/^swansong: (\w+) .*…$/gm)].map(([, what]) => what as string)
      const ran = existsSync(join(home, 'ran'))
        ? readFileSync(join(home, 'ran'), 'utf8').trim().split('\n')
        : []
      return { said, ran, code: done.status }
    },
    output: () => output,
    write,
    remove: (path) => rmSync(join(home, path), { recursive: true }),
  }
}

function lockOf(version: string): string {
  return JSON.stringify({
    packages: { '': {}, 'node_modules/thing': { version, integrity: `sha512-${version}` } },
  })
}
