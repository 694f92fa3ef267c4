import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promtools } from './prometheus.ts'
import { pythonOf } from './python.ts'

const folder = 'test/peers/fixtures/parsers'
const root: string = join(import.meta.dirname, '..', '..')
const parseMsMax = 60_000

/** What a parser found. Values are as Python writes them, so that infinities can be told. */
export interface ParsedFamily {
  name: string
  type: string
  unit: string
  help: string
  samples: {
    name: string
    labels: Record<string, string>
    value: string
    exemplar: { labels: Record<string, string>; value: string } | undefined
  }[]
}

/** The Python of a virtual environment that has Prometheus' client library. */
export function parsersPython(): Promise<string> {
  return pythonOf('parsers', folder)
}

type Row = [string, string, string, string, [string, Record<string, string>, string, Mark | undefined][]]
type Mark = [labels: Record<string, string>, value: string]

/** What Prometheus' Python client reads of an exposition. Throws what it says where it cannot. */
export async function parsedByPython(
  format: 'text' | 'openmetrics',
  exposition: string
): Promise<ParsedFamily[]> {
  const script = join(root, folder, 'parse.py')
  const { code, stdout, stderr } = await fed(await parsersPython(), [script, format], exposition)
  if (code !== 0) throw new Error(`prometheus_client cannot read it: ${stderr.trim().slice(-2000)}`)
  return (JSON.parse(stdout) as Row[]).map(([name, type, unit, help, samples]) => ({
    name,
    type,
    unit,
    help,
    samples: samples.map(([sample, labels, value, mark]) => {
      const exemplar = mark ? { labels: mark[0], value: mark[1] } : undefined
      return { name: sample, labels, value, exemplar }
    }),
  }))
}

/** Throws what `promtool check metrics`, of Prometheus 2 and of 3, says of text that it cannot read; advice on names is none of it. */
export async function checkedByPromtool(exposition: string): Promise<void> {
  for (const promtool of await promtools()) {
    const { code, stderr } = await fed(promtool, ['check', 'metrics'], exposition)
    if (code !== 0 && code !== 3) throw new Error(`${promtool} ended with ${code}: ${stderr}`)
  }
}

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

async function fed(program: string, args: readonly string[], stdin: string): Promise<Ended> {
  const child = spawn(program, args, { timeout: parseMsMax })
  child.stdin.end(stdin)
  const closed = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)])
  return { code: await closed, stdout, stderr }
}
