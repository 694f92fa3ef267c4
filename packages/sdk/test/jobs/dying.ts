import http from 'node:http'
import { cpus } from 'node:os'

/**
 * Counts 1,000 (or, told so, nothing and without the SDK) and dies as it is told: `dying.ts ENDING with|without [MS]`.
 * MS is how long something before the end takes.
 */
const [ending = 'natural', sdk, ms = '0'] = process.argv.slice(2)
let add = (_kind: string, _value: number): void => {}
const handler = (): void => void process.stdout.write('handled\n')
if (ending === 'handler before') process.on('SIGTERM', () => process.exit(5))
if (ending === 'exit handler before') process.on('exit', () => add('late', 5))
if (sdk === 'with') {
  const { counter } = await import('@swansong/sdk')
  const done = counter('done', { attributes: ['kind'] })
  add = (kind, value) => done.add(value, { kind })
}
for (let count = 0; count < 1000; count++) add(count % 4 === 0 ? 'a' : 'b', 1)

const endings: Record<string, () => void> = {
  natural: () => {},
  'natural with an exit code': () => (process.exitCode = 3),
  exit: () => process.exit(7),
  'exit in a promise': () => void Promise.resolve().then(() => process.exit(7)),
  'exit in a timer': () => void setTimeout(() => process.exit(7), 1),
  'exit in beforeExit': () => process.on('beforeExit', () => process.exit(7)),
  'exit handler before': () => {},
  'exit handler after': () => process.on('exit', () => add('late', 5)),
  'exit handler that exits': () => process.on('exit', () => process.exit(9)),
  'exit handler that throws': () =>
    process.on('exit', () => {
      throw new Error('thrown in exit on purpose')
    }),
  uncaught: () => {
    throw new Error('uncaught on purpose')
  },
  rejection: () => void Promise.reject(new Error('rejected on purpose')),
  SIGTERM: () => killed('SIGTERM'),
  SIGINT: () => killed('SIGINT'),
  SIGHUP: () => killed('SIGHUP'),
  'handler before': () => killed('SIGTERM'),
  'handler after': () => {
    process.on('SIGTERM', () => process.exit(5))
    killed('SIGTERM')
  },
  'handler once': () => {
    process.once('SIGTERM', () => process.exit(5))
    killed('SIGTERM')
  },
  'handler removed': () => {
    process.on('SIGTERM', handler)
    process.removeListener('SIGTERM', handler)
    killed('SIGTERM')
  },
  'handler that goes on': () => {
    const alive = setInterval(() => {}, 1000)
    process.once('SIGTERM', () => setTimeout(() => clearInterval(alive), 50))
    process.kill(process.pid, 'SIGTERM')
  },
  'busy loop': () => {
    process.kill(process.pid, 'SIGTERM')
    const end = Date.now() + Number(ms)
    while (Date.now() < end) cpus()
    setInterval(() => {}, 1000)
  },
  // So that what watches requests is seen to see some.
  'own request': () => {
    http.get('http://127.0.0.1:1').on('error', () => void fetch('http://127.0.0.1:2').catch(() => {}))
  },
}

function killed(signal: NodeJS.Signals): void {
  setInterval(() => {}, 1000)
  process.kill(process.pid, signal)
}

endings[ending]?.()
