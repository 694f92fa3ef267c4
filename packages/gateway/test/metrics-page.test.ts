import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { metricsPage } from '../scripts/metrics-page.ts'
import { completeConfig } from '../src/config/config.ts'
import { plainText } from '../src/out/own-text.ts'
import { renderOwn } from '../src/out/own.ts'
import { refusals, rejections } from '../src/refusal.ts'
import { newStats } from '../src/stats.ts'

const root: string = join(import.meta.dirname, '..', '..', '..')
const page: string = readFileSync(join(root, 'docs/metrics.md'), 'utf8')
const onPage: ReadonlySet<string> = new Set(page.match(/(?<=^\| `)swansong_\w+/gm))

test('docs/metrics.md is what `npm run docs -w packages/gateway` writes', () => {
  assert.equal(page, metricsPage())
})

test('every metric that the code has a name for is on that page', () => {
  const source = readFileSync(join(root, 'packages/gateway/src/out/own.ts'), 'utf8')
  const named = [...source.matchAll(/own\.(?:one|each|many|byName)\(\s*'(\w+)'/g)].map(([, name]) => name)
  assert.ok(named.length > 50, `${named.length} names were found`)
  assert.deepEqual(
    named.filter((name) => !onPage.has(`swansong_${name}`)),
    []
  )
})

test('a reason that was not met yet is shown at 0, so that its first time is an increase', () => {
  const shown = renderOwn(newStats(), '0', completeConfig().limits, plainText).split('\n')
  for (const [name, reasons] of Object.entries({ points: rejections, requests: refusals })) {
    for (const reason of Object.keys(reasons))
      assert.ok(shown.includes(`swansong_${name}_rejected_total{reason="${reason.toLowerCase()}"} 0`), reason)
  }
})

test('documents and examples name no metric of the gateway that it does not have', () => {
  const files = globSync(
    ['README.md', 'docs/*.md', 'packages/*/README.md', 'examples/**/*.{md,yml,yaml,json}'],
    {
      cwd: root,
      exclude: (path) => /node_modules|\.venv/.test(path),
    }
  )
  let count = 0
  for (const file of files) {
    for (const [name] of readFileSync(join(root, file), 'utf8').matchAll(
      /\bswansong_[a-z]+(?:_[a-z]+)+\b/g
    )) {
      assert.ok(onPage.has(name), `${file}: there is no ${name}`)
      count++
    }
  }
  assert.ok(count > 100, `${count} were found`)
})
