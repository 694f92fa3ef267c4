import assert from 'node:assert/strict'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { test } from 'node:test'
import { runtime } from './peers/runtimes.ts'
import { spawnThatDiesWithUs } from './support/child.ts'

const main = join(import.meta.dirname, '..', 'packages', 'gateway', 'dist', 'main.js')

for (const name of ['node@20.19.0', 'node@22.13.0'] as const) {
  test(`by ${name} the command says which Node it needs`, async () => {
    const stdio = ['ignore', 'ignore', 'pipe'] as const
    const child = spawnThatDiesWithUs(await runtime(name), [main, 'gateway', '--help'], { stdio: [...stdio] })
    const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
    const [code, said] = await Promise.all([ended, buffer(child.stderr as Readable)])
    assert.equal(
      said.toString(),
      `swansong needs Node 24.15 or later; this is ${name.slice('node@'.length)}\n`
    )
    assert.equal(code, 1)
  })
}
