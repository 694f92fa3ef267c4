import { join } from 'node:path'
import { builtPeer } from './cached.ts'
import { parsersPython } from './parsers.ts'

const folder = 'test/peers/fixtures/prometheus-client'
/** The newest, and the last whose files have no times in them. */
export const prometheusClients = ['0.26', '0.17'] as const
export type PrometheusClient = (typeof prometheusClients)[number]

/** What jobs of these peers run. */
export const crewScript: string = join(import.meta.dirname, 'fixtures', 'prometheus-client', 'crew.py')
export const collectScript: string = join(import.meta.dirname, 'fixtures', 'prometheus-client', 'collect.py')

/** The Python of a virtual environment that has a version of prometheus_client. */
export async function prometheusClient(version: PrometheusClient): Promise<string> {
  if (version === '0.26') return parsersPython()
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt']
  const home = await builtPeer({
    name: 'prometheus-client',
    folder,
    files: ['requirements.txt'],
    program: 'venv/bin/python',
    commands: [
      ['python3', '-m', 'venv', 'venv'],
      ['venv/bin/python', ...pip],
    ],
  })
  return join(home, 'venv', 'bin', 'python')
}
