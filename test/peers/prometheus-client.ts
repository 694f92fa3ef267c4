import { join } from 'node:path'
import { parsersPython } from './parsers.ts'
import { pythonOf } from './python.ts'

const folder = 'test/peers/fixtures/prometheus-client'
/** The newest, and the last whose files have no times in them. */
export const prometheusClients = ['0.26', '0.17'] as const
export type PrometheusClient = (typeof prometheusClients)[number]

/** What jobs of these peers run. */
export const crewScript: string = join(import.meta.dirname, 'fixtures', 'prometheus-client', 'crew.py')
export const collectScript: string = join(import.meta.dirname, 'fixtures', 'prometheus-client', 'collect.py')

/** The Python of a virtual environment that has a version of prometheus_client. */
export function prometheusClient(version: PrometheusClient): Promise<string> {
  return version === '0.26' ? parsersPython() : pythonOf('prometheus-client', folder)
}
