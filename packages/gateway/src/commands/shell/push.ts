import type { Metric } from '@swansong/otlp'
import { asksForHelp, exportOf, labelsOf, readArguments, say, UsageError, valueOf } from './arguments.ts'
import { readMetric, serviceNameOf, types } from './push-metric.ts'

const flags = ['--label', '--type', '--unit', '--description', '--bounds', '--service'] as const
const usage = `Usage: swansong push NAME[=VALUE] [--label key=value]... [--type ${types.join('|')}] [--unit UNIT]

Adds VALUE (1 where there is none) to a counter, once and durably, from a shell.

  --type TYPE        counter (the default) and updown add, gauge sets, histogram records
  --label key=value  one label, as often as there are labels
  --unit UNIT        UCUM: s, By, {row}
  --bounds A,B,...   upper bounds of a histogram's buckets
  --description TEXT
  --service NAME     the job; else OTEL_SERVICE_NAME

By file where a gateway of this machine keeps /var/spool/swansong, or SWANSONG_SPOOL_DIR is set; by POST where
OTEL_EXPORTER_OTLP_ENDPOINT is. Exit code 0: it cannot be lost any more; 1: wrong usage; 2: not delivered.
`

/** `swansong push`: gives its exit code. */
export async function push(given: readonly string[]): Promise<number> {
  if (asksForHelp(given)) {
    process.stdout.write(usage)
    return 0
  }
  let metric: Metric
  let serviceName: string | undefined
  try {
    const read = readArguments(given, flags, false)
    serviceName = valueOf(read, '--service') ?? serviceNameOf(process.env)
    metric = readMetric(read.words, labelsOf(read), {
      type: valueOf(read, '--type'),
      unit: valueOf(read, '--unit'),
      bounds: valueOf(read, '--bounds'),
      description: valueOf(read, '--description'),
    })
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    say(`push: ${error.message}`)
    return 1
  }
  const { handOver } = await import('@swansong/sdk/hand-over')
  try {
    await handOver([metric], { serviceName, export: exportOf(process.env) })
    return 0
  } catch (error) {
    say(`push: ${metric.name} is lost: ${messageOf(error)}`)
    return 2
  }
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/^swansong: /, '')
}
