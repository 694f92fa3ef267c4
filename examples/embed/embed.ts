// An application that embeds the gateway: it counts what it does itself, and short-lived processes hand their counts to it.
// One port shows both. Usage: node embed.ts [data directory]
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus'
import { MeterProvider } from '@opentelemetry/sdk-metrics'
import { completeConfig, openGateway, openLog } from '@swansong/gateway'

const { OTLP_PORT = '4318', METRICS_PORT = '9464', SCRAPE_INTERVAL_MS = '15000' } = process.env
const onLoopback = (port: string | number): { host: string; port: number } => ({
  host: '127.0.0.1',
  port: Number(port),
})

const gateway = await openGateway(
  completeConfig({
    dataDir: process.argv[2] ?? './swansong-data',
    otlpHttp: onLoopback(OTLP_PORT),
    otlpGrpc: undefined, // Shut.
    metrics: onLoopback(0), // The gateway's own /metrics, on any free port: the exporter below is what is scraped.
    admin: onLoopback(0),
    firstIncrementHoldMs: 2 * Number(SCRAPE_INTERVAL_MS), // The gateway does not see who scrapes the exporter.
  }),
  { log: openLog('warn'), onFailed: () => process.exit(3) } // Restarted, it reads what the disk holds.
)

const exporter = new PrometheusExporter({
  ...onLoopback(METRICS_PORT),
  metricProducers: [gateway.producer('prometheus')],
})
const provider = new MeterProvider({ readers: [exporter] })

const requests = provider.getMeter('app').createCounter('requests')
setInterval(() => requests.add(1, { route: '/' }), 1000)

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    await gateway.close() // First, so that what it took in last is shown once more.
    await provider.shutdown()
    process.exit(0)
  })
}
