import { dirname, join } from 'node:path'
import { builtPeer } from './cached.ts'
import { pythonOf } from './python.ts'

export type Language = 'js' | 'python' | 'go'
export const languages: readonly Language[] = ['js', 'python', 'go']

const root: string = join(import.meta.dirname, '..', '..')
const fixtures = 'test/clients/fixtures'
const npmQuiet = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline', '--save-exact']

/** The program and first arguments that run workers of the stock SDK of a language: test/clients/fixtures/README.md. */
export async function stockWorker(
  language: Language
): Promise<readonly [program: string, ...args: string[]]> {
  if (language === 'js') {
    const folder = await builtPeer({
      name: 'js-sdk',
      folder: `${fixtures}/js`,
      files: ['package.json', 'worker.js'],
      program: 'node_modules',
      commands: [['npm', 'install', ...npmQuiet]],
    })
    return [process.execPath, join(folder, 'worker.js')]
  }
  if (language === 'python') {
    return [await pythonOf('python-sdk', `${fixtures}/python`), join(root, fixtures, 'python', 'worker.py')]
  }
  const folder = await builtPeer({
    name: 'go-sdk',
    folder: `${fixtures}/go`,
    files: ['go.mod', 'go.sum', 'worker.go'],
    program: 'worker',
    commands: [['go', 'build', '-o', 'worker', '.']],
  })
  return [join(folder, 'worker')]
}

/** The folder of a virtual environment with what examples/python needs. */
export async function exampleVenv(): Promise<string> {
  return dirname(dirname(await pythonOf('python-example', 'examples/python')))
}

/** The Python of a virtual environment with what examples/pyspark needs. Java is the machine's. */
export function pysparkPython(): Promise<string> {
  return pythonOf('pyspark', 'examples/pyspark')
}
