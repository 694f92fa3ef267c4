import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { stripVTControlCharacters } from 'node:util'
import { makeProjectWithSdk } from '../support/project.ts'

/*
 * examples/testing as its README says, with what npm installs of Vitest and Jest: the tests of it run, they fail when the
 * code they test does not count, and no run leaves anything in a spool, unless it is told to.
 */

const runMsMax = 60_000
const runners = ['node', 'vitest', 'jest'] as const
const project = await makeProjectWithSdk('vitest@5.1.1', 'jest@30.5.2')
await project.copy('examples/testing', '.')
const spool = await mkdtemp(join(tmpdir(), 'swansong-testing-'))
after(() => rm(spool, { recursive: true, force: true }))

/** How a test without a capture begins: what leaves then is up to the environment. */
const uncaptured = {
  node: "import { test } from 'node:test'\n",
  vitest: "import { test } from 'vitest'\n",
  jest: "import { test } from '@jest/globals'\n",
} as const
const folders = { node: 'node-test', vitest: 'vitest', jest: 'jest' } as const

for (const runner of runners) {
  test(`${runner}: the example's tests pass, and see when nothing is counted`, async () => {
    const { code, said } = await run(runner, {})
    assert.equal(code, 0, said)
    assert.match(said, /(pass|Tests:?) +3\b/, said)
    assert.doesNotMatch(said, /swansong:/)
    assert.deepEqual(await readdir(spool), [])

    const path = project.at('answer.js')
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace('tokens.add(said.length', 'tokens.add(0'))
    const broken = await run(runner, {})
    await writeFile(path, text)
    assert.equal(broken.code, 1, broken.said)
    assert.match(broken.said, /tokens are counted by model and type/)
    assert.deepEqual(await readdir(spool), [])
  })

  test(`${runner}: without a capture nothing leaves a test run, unless SWANSONG_EXPORT=1`, async () => {
    const file = join(folders[runner], 'answer.test.js')
    const text = await readFile(project.at(file), 'utf8')
    const job =
      "import { answer } from '../answer.js'\ntest('it answers', () => void answer('who is there'))\n"
    await project.write(file, uncaptured[runner] + job)
    const quiet = await run(runner, {})
    const left = await readdir(spool)
    const asked = await run(runner, { SWANSONG_EXPORT: '1' })
    await project.write(file, text)
    assert.deepEqual([quiet.code, asked.code, left], [0, 0, []], quiet.said + asked.said)
    const files = await readdir(spool)
    for (const each of files) await rm(join(spool, each))
    assert.equal(files.length, 1, asked.said)
  })
}

/** Runs one of the example's scripts, in a process that would leave its counts in the spool. */
async function run(
  runner: (typeof runners)[number],
  env: Record<string, string>
): Promise<{ code: number; said: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      cwd: project.folder,
      timeout: runMsMax,
      env: {
        PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`,
        HOME: project.folder,
        SWANSONG_SPOOL_DIR: spool,
        ...env,
      },
    }
    execFile('npm', ['run', '--silent', `test:${runner}`], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      if (typeof code === 'number') resolve({ code, said: stripVTControlCharacters(stdout + stderr) })
      else reject(error ?? new Error('no exit code'))
    })
  })
}
