import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import { freePorts } from './support/ports.ts'

/*
 * Blocks of commands that begin with a gateway, pasted into a shell as a whole, as a newcomer does: no line may need that
 * somebody was slow in typing it.
 */

const root: string = join(import.meta.dirname, '..')
const home: string = await mkdtemp(join(tmpdir(), 'swansong-readme-'))
after(() => rm(home, { recursive: true, force: true }))

test('examples/short-job: what is pasted shows the sum of both runs', async () => {
  const shown = await pasted('examples/short-job/README.md', 'outcome="imported"} 1350')
  assert.match(shown, /^rows_imported_total\{.*outcome="imported"\} 1350$/m)
  assert.match(shown, /^rows_imported_total\{.*outcome="skipped"\} 150$/m)
})

test('examples/cron: what is pasted shows both runs, and the one that failed', async () => {
  const shown = await pasted('examples/cron/README.md', 'job_failures_total')
  assert.match(shown, /^job_runs_total\{job="backup"\} 2$/m)
  assert.match(shown, /^job_failures_total\{exit_code="2",job="backup"\} 1$/m)
  assert.match(shown, /^backup_size_bytes\{directory="docs",job="backup"\} \d+$/m)
})

/**
 * Runs the first block of a document, elsewhere and on other ports, and its last line again until that shows `awaited`: how
 * soon a busy machine shows what was counted is not told. Answers what it shows then.
 */
async function pasted(document: string, awaited: string): Promise<string> {
  const [otlpHttp, otlpGrpc, metrics, admin] = await freePorts(4)
  const text = await readFile(join(root, document), 'utf8')
  const [, block = ''] = /^```(?:sh)?\n([^]*?)^```$/m.exec(text) ?? []
  const lines = block
    .replaceAll('/tmp/', `${await mkdtemp(join(home, 'tmp-'))}/`)
    .replaceAll('127.0.0.1:9464', `127.0.0.1:${metrics}`)
    .trimEnd()
    .split('\n')
  const last = lines.pop() ?? ''
  assert.match(last, /^curl -s http.*\| grep /)
  const script = [
    "trap 'kill $gateway; wait $gateway' EXIT; trap 'exit 1' TERM", // At its timeout, too.
    ...lines.map((line) => (line.endsWith(' &') ? `${line}\ngateway=$!` : line)),
    `until ${last} | grep -qF '${awaited}'; do sleep 0.2; done`,
    last,
  ].join('\n')
  const { stdout } = await promisify(execFile)('sh', ['-c', script], {
    cwd: root,
    env: {
      PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
      SWANSONG_OTLP_HTTP_LISTEN: `127.0.0.1:${otlpHttp}`,
      SWANSONG_OTLP_GRPC_LISTEN: `127.0.0.1:${otlpGrpc}`,
      SWANSONG_METRICS_LISTEN: `127.0.0.1:${metrics}`,
      SWANSONG_ADMIN_LISTEN: `127.0.0.1:${admin}`,
    },
    timeout: 60_000,
  })
  return stdout
}
