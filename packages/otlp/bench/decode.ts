import { decodeExportRequest, encodeExportRequest, type ExportVisitor } from '@swansong/otlp'

/** Run: node --conditions=@swansong/source packages/otlp/bench/decode.ts */

const secondsPerRun = 2

/** A request as workers send it: `metricCount` counters of `pointCount` points in all, three or four attributes each. */
function request(metricCount: number, pointCount: number): Uint8Array {
  const metrics = []
  for (let metric = 0; metric < metricCount; metric++) {
    const dataPoints = []
    for (let point = metric; point < pointCount; point += metricCount) {
      const attributes = [
        { key: 'model', value: { stringValue: `model-${point % 7}` } },
        { key: 'type', value: { stringValue: point % 2 === 0 ? 'input' : 'output' } },
        { key: 'http.response.status_code', value: { intValue: 200 + (point % 5) } },
        { key: 'shard', value: { stringValue: `shard-${point}` } },
      ]
      dataPoints.push({
        attributes: attributes.slice(0, 3 + (point % 2)),
        startTimeUnixNano: 1_790_000_000_000_000_000n,
        timeUnixNano: 1_790_000_001_000_000_000n,
        ...(point % 4 === 0 ? { asDouble: point + 0.5 } : { asInt: point }),
      })
    }
    const sum = { dataPoints, aggregationTemporality: 1, isMonotonic: true }
    metrics.push({ name: `tokens.${metric}`, unit: '{token}', description: 'Tokens that went through.', sum })
  }
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'worker' } }] }
  return encodeExportRequest({
    resourceMetrics: [{ resource, scopeMetrics: [{ scope: { name: 'bench' }, metrics }] }],
  })
}

class Sum implements ExportVisitor {
  value = 0
  points = 0
  ranges = 0

  resource(): void {}
  scope(): void {}
  metric(): void {}
  histogramPoint(): void {}
  exponentialHistogramPoint(): void {}
  summaryPoint(): void {}

  numberPoint(point: { value: number; attributesStart: number; attributesEnd: number }): void {
    this.value += point.value
    this.ranges += point.attributesEnd - point.attributesStart
    this.points++
  }
}

function run(label: string, body: Uint8Array): void {
  const sum = new Sum()
  const cpuBefore = process.cpuUsage()
  const start = performance.now()
  let now = start
  while (now - start < secondsPerRun * 1000) {
    for (let times = 0; times < 100; times++) decodeExportRequest(body, sum)
    now = performance.now()
  }
  const cpu = process.cpuUsage(cpuBefore)
  const cpuSeconds = (cpu.user + cpu.system) / 1e6
  const pointsPerSecond = Math.round((sum.points / (now - start)) * 1000)
  const perMillion = (cpuSeconds / sum.points) * 1e6
  console.log(
    `${label.padEnd(34)} ${pointsPerSecond.toLocaleString('en').padStart(12)} points/s` +
      `  ${perMillion.toFixed(3)} CPU-s/Mpt  (${body.length} bytes, checksum ${sum.value / sum.points})`
  )
}

const bodies: [string, Uint8Array][] = [
  ['20 points in 20 metrics', request(20, 20)],
  ['20 points in 4 metrics', request(4, 20)],
  ['1,000 points in 10 metrics', request(10, 1000)],
]
for (const [label, body] of bodies) run(`${label}, warming up`, body)
for (const [label, body] of bodies) run(label, body)
