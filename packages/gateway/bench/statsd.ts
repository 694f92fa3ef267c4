/*
 * StatsD by UDP from one client at a steady rate: how much of it is counted, what the kernel dropped, and what it cost.
 * node --conditions=@swansong/source packages/gateway/bench/statsd.ts [datagrams a second] [seconds]
 */
import { createSocket } from 'node:dgram'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { completeConfig } from '../src/config/config.ts'
import { openGateway } from '../src/gateway.ts'
import { openLog } from '../src/log.ts'

interface Sending {
  port: number
  rate: number
  seconds: number
}

const anyPort = { host: '127.0.0.1', port: 0 }
const seriesCount = 20

if (isMainThread) {
  const [rate = 20_000, seconds = 5] = process.argv.slice(2).map(Number)
  const dataDir = mkdtempSync(join(tmpdir(), 'swansong-bench-'))
  const doors = {
    otlpHttp: anyPort,
    otlpGrpc: undefined,
    metrics: anyPort,
    admin: anyPort,
    statsd: { udp: anyPort },
  }
  const gateway = await openGateway(completeConfig({ dataDir, ...doors }), {
    log: openLog('silent'),
    onFailed: (error) => {
      throw error
    },
  })
  const { metrics, statsd } = gateway.addresses
  const sender = new Worker(import.meta.filename, { workerData: { port: statsd?.udp?.port, rate, seconds } })
  let senderCpuMs = 0
  sender.on('message', (ms: number) => (senderCpuMs = ms))
  const before = process.cpuUsage()
  await new Promise((resolve) => sender.once('exit', resolve))
  await sleep(1000)
  const { user, system } = process.cpuUsage(before)
  const text = await (await fetch(`http://127.0.0.1:${metrics.port}/metrics`)).text()
  const valueOf = (line: string): number =>
    Number(
      text
        .split('\n')
        .find((one) => one.startsWith(line))
        ?.split(' ')[1]
    )
  let counted = 0
  for (let at = 0; at < seriesCount; at++)
    counted += valueOf(`visits_total{country="de",job="statsd",page="${at}"}`)
  const cpuS = (user + system) / 1e6 - senderCpuMs / 1e3
  process.stdout.write(
    `${rate}/s for ${seconds} s: ${counted} of ${rate * seconds} counted, ` +
      `${valueOf('swansong_statsd_dropped_total{by="kernel"}')} dropped by the kernel, ` +
      `${(cpuS / (counted / 1e6)).toFixed(1)} CPU-s/Mpt (sender apart)\n`
  )
  await gateway.close()
  rmSync(dataDir, { recursive: true })
} else {
  const { port, rate, seconds } = workerData as Sending
  const socket = createSocket('udp4')
  await new Promise<void>((resolve) => socket.connect(port, '127.0.0.1', resolve))
  const begun = performance.now()
  const total = rate * seconds
  const answers = { count: 0 }
  let sent = 0
  while (sent < total) {
    const due = Math.min(total, ((performance.now() - begun) / 1000) * rate)
    for (; sent < due; sent++)
      socket.send(`visits:1|c|#country:de,page:${sent % seriesCount}`, () => answers.count++)
    await sleep(1)
  }
  while (answers.count < total) await sleep(10)
  socket.close()
  const { user, system } = process.threadCpuUsage()
  parentPort?.postMessage((user + system) / 1000, [])
}
