import { type Command, Option } from 'commander'
import { completeConfig, type ConfigInput } from '../config/config.ts'
import { parseAddress } from '../config/values.ts'
import { openGateway, type Gateway } from '../gateway.ts'
import { SpoolDirError } from '../in/heartbeat.ts'
import { DataDirError } from '../ledger/database.ts'
import { logLevels, openLog } from '../log.ts'

/** What the process ends with (DESIGN: exit codes). */
const exitCodes = { stopped: 0, usage: 1, dataDir: 2, storeFailed: 3 } as const

interface Flags {
  dataDir?: string
  spoolDir?: string
  otlpHttp?: string
  otlpGrpc?: string
  otlpSocket?: string
  metrics?: string
  admin?: string
  logLevel?: string
  adopt?: boolean
}

const defaults = completeConfig()

/** `swansong gateway`: runs until SIGTERM or SIGINT. */
export function addGateway(program: Command): void {
  program
    .command('gateway')
    .description('take counts in, add them up durably, show the sums to Prometheus')
    .option('--data-dir <dir>', `where the ledger is kept (default: ${defaults.dataDir})`)
    .option('--spool-dir <dir>', 'where workers leave counts as files (default: <data-dir>/spool)')
    .option('--otlp-http <host:port>', `OTLP/HTTP, POST /v1/metrics (default: ${shown(defaults.otlpHttp)})`)
    .option(
      '--otlp-grpc <host:port>',
      `OTLP/gRPC, or off (default: ${defaults.otlpGrpc === undefined ? 'off' : shown(defaults.otlpGrpc)})`
    )
    .option('--otlp-socket <path>', 'OTLP/HTTP on a Unix socket, for its owner and its group (default: none)')
    .option(
      '--metrics <host:port>',
      `GET /metrics for Prometheus, /-/healthy, /-/ready (default: ${shown(defaults.metrics)})`
    )
    .option('--admin <host:port>', `GET /api/v1/status (default: ${shown(defaults.admin)})`)
    .option('--adopt', 'take a data directory that is a copy or was restored: its series start anew')
    .addOption(
      new Option('--log-level <level>', `how much is said on stderr (default: ${defaults.logLevel})`).choices(
        logLevels
      )
    )
    .action((flags: Flags) => run(flags))
}

async function run(flags: Flags): Promise<void> {
  const config = completeConfig(inputOf(flags))
  const log = openLog(config.logLevel)
  let gateway: Gateway
  try {
    gateway = await openGateway(config, {
      log,
      adopt: flags.adopt === true,
      onFailed: (error) => {
        log.fatal(
          { error: error.message },
          'the store failed; what the disk holds is read again at the next start'
        )
        process.exit(exitCodes.storeFailed)
      },
    })
  } catch (error) {
    const isDirectory = error instanceof DataDirError || error instanceof SpoolDirError
    process.stderr.write(`swansong: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(isDirectory ? exitCodes.dataDir : exitCodes.usage)
  }
  let stopping = false
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return
    stopping = true
    log.info({ signal }, 'stopping')
    void gateway.close().then(() => process.exit(exitCodes.stopped))
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
}

function inputOf(flags: Flags): ConfigInput {
  const input: ConfigInput = {}
  try {
    if (flags.dataDir !== undefined) input.dataDir = flags.dataDir
    if (flags.spoolDir !== undefined) input.spoolDir = flags.spoolDir
    if (flags.otlpHttp !== undefined) input.otlpHttp = parseAddress(flags.otlpHttp)
    if (flags.otlpGrpc !== undefined)
      input.otlpGrpc = flags.otlpGrpc === 'off' ? undefined : parseAddress(flags.otlpGrpc)
    if (flags.otlpSocket !== undefined) input.otlpSocket = { path: flags.otlpSocket }
    if (flags.metrics !== undefined) input.metrics = parseAddress(flags.metrics)
    if (flags.admin !== undefined) input.admin = parseAddress(flags.admin)
    if (flags.logLevel !== undefined) input.logLevel = flags.logLevel
  } catch (error) {
    process.stderr.write(`swansong: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exit(exitCodes.usage)
  }
  return input
}

function shown(address: { host: string; port: number }): string {
  return `${address.host}:${address.port}`
}
