import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { exampleVenv } from '../peers/stock-sdks.ts'
import { startGateway } from '../support/gateway.ts'
import { makeProject } from '../support/project.ts'

const example = join(import.meta.dirname, '..', '..', 'examples', 'python')

test('examples/python: what its README says to type gives the sums that it says', async () => {
  const gateway = await startGateway()
  const readme = await readFile(join(example, 'README.md'), 'utf8')
  const [install = '', run = ''] = [...readme.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, block]) => block)
  const project = await makeProject('python')
  await project.copy('examples/python', 'python')
  // It was installed as the README says, from the same list, and is kept.
  assert.match(
    install,
    /^python3 -m venv .venv\n.venv\/bin\/python -m pip install --quiet -r requirements.txt\n$/
  )
  await symlink(await exampleVenv(), project.at('python', '.venv'))

  const here = run
    .replaceAll('127.0.0.1:4318', `127.0.0.1:${gateway.ports.otlpHttp}`)
    .replaceAll('127.0.0.1:9464', `127.0.0.1:${gateway.ports.metrics}`)
  const { stdout, stderr } = await promisify(execFile)('sh', ['-ec', here], {
    cwd: project.at('python'),
    env: { PATH: process.env['PATH'] ?? '' },
    timeout: 60_000,
  })
  assert.equal(stderr, '')

  const linesOf = (text: string): string[] => text.split('\n').slice(0, -1)
  const wordsOf = (text: string): number => text.split(/\s+/).filter((word) => word !== '').length
  const requirements = await readFile(join(example, 'requirements.txt'), 'utf8')
  const want = [
    ['lines_total', '.md', 2 * linesOf(readme).length],
    ['lines_total', '.txt', linesOf(requirements).length],
    ['words_per_line_count', '.md', 2 * linesOf(readme).length],
    ['words_per_line_sum', '.md', 2 * wordsOf(readme)],
    ['words_total', '.md', 2 * wordsOf(readme)],
    ['words_total', '.txt', wordsOf(requirements)],
  ] as const
  for (const [name, suffix, value] of want) {
    const shown = linesOf(stdout).find(
      (line) => line.startsWith(`${name}{`) && line.includes(`suffix="${suffix}"`)
    )
    assert.match(shown ?? '', /job="count-words"/, name)
    assert.equal(Number(shown?.split(' ').at(-1)), value, `${name} of ${suffix} in ${stdout}`)
  }
})
