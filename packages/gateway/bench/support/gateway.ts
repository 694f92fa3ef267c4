import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface RunningGateway {
  pid: number
  port: number
  grpcPort: number
  metricsUrl: string
  spoolDir: string
  stop(): Promise<void>
}

const main = fileURLToPath(new URL('../../dist/main.js', import.meta.url))

/** A gateway of its own, built, on free ports, with its data in a directory that goes when it stops. */
export async function startGateway(spoolDir?: string): Promise<RunningGateway> {
  const dataDir = mkdtempSync(join(tmpdir(), 'swansong-bench-'))
  const spool = spoolDir ?? join(dataDir, 'spool')
  const ports = ['--otlp-http', '--otlp-grpc', '--metrics', '--admin'].flatMap((flag) => [
    flag,
    '127.0.0.1:0',
  ])
  const child = spawn(
    process.execPath,
    [main, 'gateway', '--data-dir', dataDir, '--spool-dir', spool, ...ports],
    {
      stdio: ['ignore', 'inherit', 'pipe'],
    }
  )
  const { otlpHttp, otlpGrpc, metrics } = await readyLine(child)
  return {
    pid: child.pid as number,
    port: otlpHttp.port,
    grpcPort: otlpGrpc.port,
    metricsUrl: `http://127.0.0.1:${metrics.port}/metrics`,
    spoolDir: spool,
    async stop() {
      child.kill('SIGTERM')
      await once(child, 'exit')
      rmSync(dataDir, { recursive: true })
    },
  }
}

interface ReadyLine {
  otlpHttp: { port: number }
  otlpGrpc: { port: number }
  metrics: { port: number }
}

async function readyLine(child: ChildProcess): Promise<ReadyLine> {
  for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
    const entry = JSON.parse(line) as ReadyLine & { msg: string }
    if (entry.msg === 'the gateway is ready') return entry
    process.stderr.write(`${line}\n`)
  }
  throw new Error('the gateway ended before it was ready')
}
