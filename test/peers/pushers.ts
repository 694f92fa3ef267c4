import { join } from 'node:path'
import { builtPeer } from './cached.ts'
import { pythonOf } from './python.ts'

export type PusherName = 'go' | 'python' | 'js'

const folder = 'test/pushgateway/fixtures'
const root: string = join(import.meta.dirname, '..', '..')

/** The program and first arguments that run the stock client of a language: see the fixtures of test/pushgateway. */
export async function pusher(name: PusherName): Promise<readonly [program: string, ...args: string[]]> {
  if (name === 'python') return [await pushersPython(), join(root, folder, 'python', 'pusher.py')]
  if (name === 'js') return [process.execPath, join(await pushersJs(), 'pusher.js')]
  const built = await builtPeer({
    name: 'pusher-go',
    folder: `${folder}/go`,
    files: ['go.mod', 'go.sum', 'pusher.go'],
    program: 'pusher',
    commands: [['go', 'build', '-o', 'pusher', '.']],
  })
  return [join(built, 'pusher')]
}

/** The Python that has the clients of Pushgateway and StatsD. */
export function pushersPython(): Promise<string> {
  return pythonOf('pushers-python', `${folder}/python`)
}

/** The folder that has those of Node. */
export function pushersJs(): Promise<string> {
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline', '--omit=optional']
  return builtPeer({
    name: 'pushers-js',
    folder: `${folder}/js`,
    files: ['package.json', 'pusher.js'],
    program: 'node_modules',
    commands: [['npm', 'install', ...quiet]],
  })
}
