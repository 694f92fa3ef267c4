import { join } from 'node:path'
import { builtPeer } from './cached.ts'

const builder = 'go.opentelemetry.io/collector/cmd/builder@v0.155.0'

/** The program of an OpenTelemetry Collector, built by its own builder with what examples/collector needs. */
export async function collectorProgram(): Promise<string> {
  const folder = await builtPeer({
    name: 'otelcol',
    folder: 'test/clients/fixtures/otelcol',
    files: ['manifest.yaml'],
    program: 'build/otelcol',
    commands: [['go', 'run', builder, '--config', 'manifest.yaml']],
  })
  return join(folder, 'build', 'otelcol')
}
