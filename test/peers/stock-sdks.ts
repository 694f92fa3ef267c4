import { dirname, join } from 'node:path'
import { builtPeer } from './cached.ts'

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
    return [await venv('python-sdk', `${fixtures}/python`), join(root, fixtures, 'python', 'worker.py')]
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
  return dirname(dirname(await venv('python-example', 'examples/python')))
}

/** The Python of a virtual environment with what examples/pyspark needs. Java is the machine's. */
export function pysparkPython(): Promise<string> {
  return venv('pyspark', 'examples/pyspark')
}

/** The Python of a virtual environment with what a folder's requirements.txt names. */
async function venv(name: string, folder: string): Promise<string> {
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt']
  const built = await builtPeer({
    name,
    folder,
    files: ['requirements.txt'],
    program: 'venv/bin/python',
    commands: [
      ['python3', '-m', 'venv', 'venv'],
      ['venv/bin/python', ...pip],
    ],
  })
  return join(built, 'venv', 'bin', 'python')
}
