/**
 * Ingest over HTTP, durable: a built gateway in a process of its own, posted to as fast as it answers.
 * Histograms are of 11 buckets. Prints requests/s, points/s, CPU seconds of the gateway per million points, and latencies. `SECONDS` (3) for each row.
 */
import { histogramBody, sumBody } from './support/bodies.ts'
import { cpuSecondsOf, residentMiB } from './support/cpu.ts'
import { startGateway } from './support/gateway.ts'
import { runLoad } from './support/load.ts'

const seconds = Number(process.env['SECONDS'] ?? 3)
const rows: { points: number; series: number; connections: number; histograms?: true }[] = [
  { points: 1, series: 20, connections: 16 },
  { points: 1, series: 20, connections: 128 },
  { points: 20, series: 1000, connections: 16 },
  { points: 20, series: 1000, connections: 128 },
  { points: 1000, series: 100_000, connections: 16 },
  { points: 1000, series: 100_000, connections: 128 },
  { points: 20, series: 1000, connections: 16, histograms: true },
  { points: 20, series: 1000, connections: 128, histograms: true },
]

console.log(
  'points  kind        series  connections     req/s    points/s  CPU-s/Mpt   p50 ms   p99 ms  RSS MiB'
)
for (const { points, series, connections, histograms } of rows) {
  const body = histograms ? histogramBody : sumBody
  const bodies: Uint8Array[] = []
  for (let first = 0; first < series; first += points) bodies.push(body({ points, first }))
  const gateway = await startGateway()
  await runLoad({ port: gateway.port, connections, bodies, seconds: 1 }) // Births and warming up are not measured.
  const cpuBefore = cpuSecondsOf(gateway.pid)
  const result = await runLoad({ port: gateway.port, connections, bodies, seconds })
  const cpu = cpuSecondsOf(gateway.pid) - cpuBefore
  const total = result.requests * points
  const cells = [
    String(points).padStart(6),
    histograms ? 'histogram' : 'counter  ',
    String(series).padStart(7),
    String(connections).padStart(12),
    (result.requests / result.seconds).toFixed(0).padStart(9),
    (total / result.seconds).toFixed(0).padStart(11),
    ((cpu / total) * 1e6).toFixed(2).padStart(10),
    result.p50.toFixed(2).padStart(8),
    result.p99.toFixed(2).padStart(8),
    residentMiB(gateway.pid).toFixed(0).padStart(8),
  ]
  console.log(cells.join(' '))
  await gateway.stop()
}
