/*
 * A command-line agent: answers questions about the files of a folder, and ends. No model and no network: what plans and
 * words its answers is a few rules, called as a model would be. Every run counts what it did, however it ends.
 *
 * Usage: node agent.js [--model small|large] FOLDER [QUESTION…]   without a question, a line of stdin is one
 * Exit codes: 0 answered, 1 something was asked that it cannot answer, 2 bad usage. Ctrl-C ends it, as ever.
 */
import { createInterface } from 'node:readline'
import { counter, histogram } from '@swansong/sdk'
import { complete, models } from './model.js'
import { tools } from './tools.js'

// By OpenTelemetry's semantic conventions for generative AI, its boundaries too; the rest are this agent's own.
const usage = histogram('gen_ai.client.token.usage', {
  unit: '{token}',
  description: 'Tokens of each call of a model',
  boundaries: Array.from({ length: 14 }, (_, power) => 4 ** power),
  attributes: ['gen_ai.operation.name', 'gen_ai.request.model', 'gen_ai.token.type'],
})
const tokens = counter('agent.tokens', { unit: '{token}', attributes: ['model', 'type'] })
const runs = counter('agent.runs', { unit: '{run}', attributes: ['model'] })
const questions = counter('agent.questions', { unit: '{question}', attributes: ['model', 'outcome'] })
const toolCalls = counter('agent.tool_calls', { unit: '{call}', attributes: ['tool', 'outcome'] })

const { model, folder, question } = readArguments(process.argv.slice(2))
runs.add(1, { model })
if (question !== '') answer(question)
else {
  const lines = createInterface({ input: process.stdin })
  for await (const line of lines) if (line.trim() !== '') answer(line)
}

/** One question: the model picks a tool, the tool is used, the model words what it found. */
function answer(asked) {
  const plan = ask(`Which of ${Object.keys(tools).join(', ')} answers: ${asked}`)
  const found = plan === 'none' ? undefined : use(...plan.split(' '))
  if (found === undefined) process.exitCode = 1
  questions.add(1, { model, outcome: found === undefined ? 'failed' : 'answered' })
  process.stdout.write(`${found === undefined ? 'I cannot tell.' : ask(`Say what was found: ${found}`)}\n`)
}

function ask(prompt) {
  const { text, inputTokens, outputTokens } = complete(model, prompt)
  for (const [type, count] of Object.entries({ input: inputTokens, output: outputTokens })) {
    tokens.add(count, { model, type })
    usage.record(count, {
      'gen_ai.operation.name': 'text_completion',
      'gen_ai.request.model': model,
      'gen_ai.token.type': type,
    })
  }
  return text
}

/** What the tool says, or `undefined` if it fails: a missing file is no reason to end. */
function use(tool, ...given) {
  try {
    const found = tools[tool](folder, ...given)
    toolCalls.add(1, { tool, outcome: 'done' })
    return found
  } catch (error) {
    toolCalls.add(1, { tool, outcome: 'failed' })
    process.stderr.write(`${tool}: ${error.message}\n`)
    return undefined
  }
}

function readArguments([...given]) {
  const flag = given.indexOf('--model')
  const [, chosen = 'small'] = flag < 0 ? [] : given.splice(flag, 2)
  const [where = '', ...words] = given
  if (where === '' || !models.includes(chosen)) {
    process.stderr.write(`usage: node agent.js [--model ${models.join('|')}] FOLDER [QUESTION…]\n`)
    process.exit(2)
  }
  return { model: chosen, folder: where, question: words.join(' ') }
}
