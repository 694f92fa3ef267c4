/**
 * `npm test`: every check that the project has, one step after another, each shown as it runs and timed; what the system's
 * tests need is fetched and built meanwhile, and shown once it is there. Tool steps count
 * one each, `node --test` steps what they ran; the last line is `N passed, N failed`, and 1 is the exit code when any
 * failed. A skipped test, a `todo`, a test file without a test and a step without tests are failures: nothing is left out
 * in silence. `npm test -- lint otlp` runs only the steps whose names contain one of the words.
 */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { constants, setPriority } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { testsCounted } from './totals.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const packages = readdirSync(join(root, 'packages')).filter((name) =>
  existsSync(join(root, 'packages', name, 'package.json'))
)
const npmRun = (script, ...args) => ['npm', 'run', '--silent', script, ...args]

const steps = [
  { name: 'build', command: ['node', 'scripts/ready.js'] },
  { name: 'types', command: npmRun('types') },
  { name: 'lint', command: npmRun('lint') },
  { name: 'format', command: npmRun('format:check') },
  { name: 'knip', command: npmRun('knip') },
  ...packages.map((name) => ({ name: `pack ${name}`, command: npmRun('pack', '-w', `packages/${name}`) })),
  ...packages.map((name) => ({
    name: `test ${name}`,
    command: npmRun('test', '-w', `packages/${name}`),
    tests: true,
  })),
  { name: 'peers', command: ['node', 'test/peers/install.ts'], beside: true },
  { name: 'system', command: npmRun('system'), tests: true },
]

const words = process.argv.slice(2)
const chosen = steps.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
if (chosen.length === 0) throw new Error(`no step is called ${words.join(' or ')}`)

const beside = chosen.filter((step) => step.beside).map((step) => ({ step, result: runStep(step) }))
const results = []
for (const step of chosen)
  results.push(await (beside.find((each) => each.step === step)?.result ?? runStep(step)))
report()

async function runStep(step) {
  const head = `\n=== ${step.name}\n`
  const begun = performance.now()
  if (step.beside !== true) process.stdout.write(head)
  const { lines, code } = await runCommand(step.command, step.beside !== true)
  if (step.beside === true) process.stdout.write(`${head}${lines.join('\n')}`)
  const result =
    step.tests === true
      ? testsCounted(lines, code)
      : { passed: Number(code === 0), failed: Number(code !== 0) }
  const seconds = (performance.now() - begun) / 1000
  for (const why of result.why ?? []) process.stdout.write(`${why}\n`)
  process.stdout.write(
    `=== ${step.name}: ${result.failed === 0 ? 'ok' : 'FAILED'} in ${seconds.toFixed(1)} s\n`
  )
  return { name: step.name, seconds, ...result }
}

/** Runs a command, shows what it prints as it comes if that is wanted, and answers with its lines and its exit code. */
function runCommand([command, ...args], isShown) {
  const { promise, resolve } = Promise.withResolvers()
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  if (!isShown && child.pid !== undefined) setPriority(child.pid, constants.priority.PRIORITY_LOW) // Tests have clocks.
  let output = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text) => {
    if (isShown) process.stdout.write(text)
    output += text
  })
  child.on('error', (error) => resolve({ lines: [String(error)], code: 1 }))
  child.on('close', (code) => resolve({ lines: output.split('\n'), code: code ?? 1 }))
  return promise
}

function report() {
  process.stdout.write('\n')
  let passed = 0
  let failed = 0
  for (const result of results) {
    passed += result.passed
    failed += result.failed
    const counts = `${result.passed} passed, ${result.failed} failed`
    process.stdout.write(
      `${result.failed === 0 ? '  ' : '✖ '}${result.name.padEnd(14)} ${result.seconds.toFixed(1).padStart(6)} s  ${counts}\n`
    )
  }
  process.stdout.write(`${passed} passed, ${failed} failed\n`)
  process.exitCode = failed === 0 ? 0 : 1
}
