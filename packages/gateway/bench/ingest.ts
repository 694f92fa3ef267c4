/**
 * Ingest over HTTP and gRPC, durable: a built gateway in a process of its own, posted to as fast as it answers.
 * Histograms are of 11 buckets. Prints requests/s, points/s, CPU seconds of the gateway per million points, and latencies. `SECONDS` (3) for each row.
 * `KEYS=none`: without an Idempotency-Key, each body another one.
 */
import { histogramBody, sumBody } from './support/bodies.ts'
import { cpuSecondsOf, residentMiB } from './support/cpu.ts'
import { startGateway } from './support/gateway.ts'
import { runGrpcLoad } from './support/grpc-load.ts'
import { runLoad } from './support/load.ts'

const seconds = Number(process.env['SECONDS'] ?? 3)
interface Row {
  points: number
  series: number
  connections: number
  histograms?: true
  grpc?: true
}
const keys = process.env['KEYS'] !== 'none'
const rows: Row[] = [
  { points: 1, series: 20, connections: 16 },
  { points: 1, series: 20, connections: 128 },
  { points: 20, series: 1000, connections: 16 },
  { points: 20, series: 1000, connections: 128 },
  { points: 1000, series: 100_000, connections: 16 },
  { points: 1000, series: 100_000, connections: 128 },
  { points: 20, series: 1000, connections: 16, histograms: true },
  { points: 20, series: 1000, connections: 128, histograms: true },
  { points: 20, series: 1000, connections: 16, grpc: true },
  { points: 20, series: 1000, connections: 128, grpc: true },
]

console.log(
  'points  kind       by    series  connections     req/s    points/s  CPU-s/Mpt   p50 ms   p99 ms  RSS MiB'
)
for (const { points, series, connections, histograms, grpc } of rows) {
  const body = histograms ? histogramBody : sumBody
  const bodies: Uint8Array[] = []
  for (let first = 0; first < series; first += points) bodies.push(body({ points, first }))
  const gateway = await startGateway()
  const load = { port: grpc ? gateway.grpcPort : gateway.port, connections, bodies, keys }
  const run = grpc ? runGrpcLoad : runLoad
  await run({ ...load, seconds: 1 }) // Births and warming up are not measured.
  const cpuBefore = cpuSecondsOf(gateway.pid)
  const result = await run({ ...load, seconds })
  const cpu = cpuSecondsOf(gateway.pid) - cpuBefore
  const total = result.requests * points
  const cells = [
    String(points).padStart(6),
    histograms ? 'histogram' : 'counter  ',
    grpc ? 'gRPC' : 'HTTP',
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
