import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { spawnThatDiesWithUs } from './support/child.ts'
import { type Gateway, startGateway } from './support/gateway.ts'
import { runAll, wayOut } from './support/worker.ts'

/*
 * examples/agent-cli, as its README says, and as a busy machine would have it: many runs at once, by both ways out, some
 * of them ended by Ctrl-C.
 */

const root = join(import.meta.dirname, '..')
const runMsMax = 30_000
/** What the model is asked, and says, about the folder below: its tokens, counted by hand. */
const question = 'how many words'
const answered = '3 words in 1 files'
const tokensOf = {
  // Whic|h| of| coun|t|,| grep|,| summ|aris|e| answ|ers|:| how| many| word|s, and Say| what| was| foun|d|:| 3| word|s| in| 1| file|s
  input: 18 + 13,
  // coun|t| word|s, and 3| word|s| in| 1| file|s
  output: 4 + 7,
}
const folder = mkdtempSync(join(tmpdir(), 'swansong-agent-'))
after(() => rmSync(folder, { recursive: true, force: true }))
writeFileSync(join(folder, 'a.txt'), 'one two three\n')

test('its README runs as it says', async () => {
  const gateway = await startGateway()
  const readme = readFileSync(join(root, 'examples/agent-cli/README.md'), 'utf8')
  const commands = [...readme.matchAll(/^node examples\/agent-cli\/agent\.js (.*\w+ .*)$/gm)]
  assert.equal(commands.length, 3)
  for (const [, given = ''] of commands) {
    const ended = await startAgent(given.split(' '), env(gateway, 'journal')).ended
    assert.deepEqual([ended.code, ended.stderr], [0, ''])
    assert.ok(ended.stdout.length > 10, ended.stdout)
  }
  for (const [line, count] of [
    ['agent_runs_total{job="agent",model="small"}', 2],
    ['agent_runs_total{job="agent",model="large"}', 1],
    ['agent_questions_total{job="agent",model="small",outcome="answered"}', 2],
    ['agent_tool_calls_total{job="agent",outcome="done",tool="count"}', 1],
    ['agent_tool_calls_total{job="agent",outcome="done",tool="grep"}', 1],
    ['agent_tool_calls_total{job="agent",outcome="done",tool="summarise"}', 1],
  ] as const) {
    await gateway.shows(line, count)
  }
  const names = new Set([...(await gateway.metrics()).keys()].map((line) => line.split('{')[0]))
  const promised = readme.match(/`(agent_\w+_total)`/g) ?? []
  assert.equal(promised.length, 4)
  for (const name of promised) assert.ok(names.has(name.slice(1, -1)), name)
})

test('sixty runs, eight at once, by both ways out, some ended by Ctrl-C: every token', async () => {
  const gateway = await startGateway()
  const kinds = ['asked', 'asked twice by stdin', 'Ctrl-C', 'not answerable', 'bad usage'] as const
  const runs = Array.from({ length: 60 }, (_, index) => async () => {
    const kind = kinds[index % kinds.length] as (typeof kinds)[number]
    const way = index % 2 === 0 ? 'journal' : 'post'
    const model = index % 3 === 0 ? 'large' : 'small'
    const given = ['--model', model, folder]
    if (kind === 'Ctrl-C') await interruptOne(gateway, way, `agent-${index}`, given, model)
    else await runOnce(kind, given, env(gateway, way))
    return { kind, model }
  })
  const done = await runAll(runs, 8)
  for (const model of ['small', 'large']) {
    const count = (kind: string): number =>
      done.filter((run) => run.model === model && run.kind === kind).length
    const answers = count('asked') + 2 * count('asked twice by stdin')
    const labels = `job="agent",model="${model}"`
    const runsCounted = count('asked') + count('asked twice by stdin') + count('not answerable')
    await gateway.shows(`agent_runs_total{${labels}}`, runsCounted)
    await gateway.shows(`agent_questions_total{${labels},outcome="answered"}`, answers)
    await gateway.shows(`agent_questions_total{${labels},outcome="failed"}`, count('not answerable'))
    // `Which of … answers: why?` is 16 tokens, and `none` is one.
    const failed = count('not answerable')
    await gateway.shows(`agent_tokens_total{${labels},type="input"}`, answers * tokensOf.input + failed * 16)
    await gateway.shows(`agent_tokens_total{${labels},type="output"}`, answers * tokensOf.output + failed)
    for (const [type, sum] of [
      ['input', answers * tokensOf.input + failed * 16],
      ['output', answers * tokensOf.output + failed],
    ] as const) {
      const usage = usageLabels('agent', model, type)
      await gateway.shows(`gen_ai_client_token_usage_sum{${usage}}`, sum)
      await gateway.shows(`gen_ai_client_token_usage_count{${usage}}`, 2 * answers + failed)
    }
  }
})

async function runOnce(kind: string, given: string[], variables: Record<string, string>): Promise<void> {
  if (kind === 'asked') {
    const ended = await startAgent([...given, ...question.split(' ')], variables).ended
    assert.deepEqual(ended, { code: 0, signal: null, stdout: `${answered}\n`, stderr: '' })
  } else if (kind === 'asked twice by stdin') {
    const agent = startAgent(given, variables)
    agent.ask(question)
    agent.ask(question)
    agent.over()
    const stdout = `${answered}\n${answered}\n`
    assert.deepEqual(await agent.ended, { code: 0, signal: null, stdout, stderr: '' })
  } else if (kind === 'not answerable') {
    const ended = await startAgent([...given, 'why?'], variables).ended
    assert.deepEqual(ended, { code: 1, signal: null, stdout: 'I cannot tell.\n', stderr: '' })
  } else {
    const ended = await startAgent(['--model', 'huge', ...given], variables).ended
    assert.equal(ended.code, 2)
    assert.match(ended.stderr, /^usage: .*\n$/)
  }
}

/**
 * One that has answered, and waits for the next question. By journal nothing is told to a process that SIGINT ends: what
 * it has counted is seen while it lives, within what a checkpoint takes on this machine.
 */
async function interruptOne(
  gateway: Gateway,
  way: 'journal' | 'post',
  job: string,
  given: string[],
  model: string
): Promise<void> {
  const agent = startAgent(given, { ...env(gateway, way), OTEL_SERVICE_NAME: job })
  agent.ask(question)
  await agent.answered
  const last = `gen_ai_client_token_usage_count{${usageLabels(job, model, 'output')}}`
  if (way === 'journal') await gateway.shows(last, 2)
  agent.interrupt()
  assert.deepEqual(await agent.ended, { code: null, signal: 'SIGINT', stdout: `${answered}\n`, stderr: '' })
  await gateway.shows(`agent_questions_total{job="${job}",model="${model}",outcome="answered"}`, 1)
  await gateway.shows(last, 2)
  for (const type of ['input', 'output'] as const) {
    await gateway.shows(`agent_tokens_total{job="${job}",model="${model}",type="${type}"}`, tokensOf[type])
  }
}

function usageLabels(job: string, model: string, type: string): string {
  const usage = `gen_ai_request_model="${model}",gen_ai_token_type="${type}"`
  return `gen_ai_operation_name="text_completion",${usage},job="${job}"`
}

interface Agent {
  ended: Promise<{ code: number | null; signal: string | null; stdout: string; stderr: string }>
  /** Resolves with the first line that it says. */
  answered: Promise<void>
  ask: (line: string) => void
  over: () => void
  interrupt: () => void
}

function startAgent(given: string[], variables: Record<string, string>): Agent {
  const path = join('examples', 'agent-cli', 'agent.js')
  const child = spawnThatDiesWithUs(process.execPath, [path, ...given], {
    cwd: root,
    env: { PATH: process.env['PATH'] ?? '', ...variables },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), runMsMax)
  let stdout = ''
  let stderr = ''
  child.stdin?.on('error', () => {}) // It ended before it read all.
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended = new Promise<Awaited<Agent['ended']>>((resolve) => {
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ code, signal, stdout, stderr })
    })
  })
  const first = new Promise<void>((resolve) => {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      if (stdout.includes('\n')) resolve()
    })
    void ended.then(() => resolve())
  })
  return {
    ended,
    answered: first,
    ask: (line) => void child.stdin?.write(`${line}\n`),
    over: () => void child.stdin?.end(),
    interrupt: () => void child.kill('SIGINT'),
  }
}

function env(gateway: Gateway, way: 'journal' | 'post'): Record<string, string> {
  return { OTEL_SERVICE_NAME: 'agent', ...wayOut(gateway)[way] }
}
