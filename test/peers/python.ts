import { join } from 'node:path'
import { builtPeer } from './cached.ts'

/** The Python of a virtual environment with what a folder's requirements.txt names. */
export async function pythonOf(name: string, folder: string): Promise<string> {
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
