import type { Command } from 'commander'
import { ConfigError, readSettings } from '../config/read.ts'
import type { Settings } from '../config/settings.ts'
import { openGateway, type Gateway } from '../gateway.ts'
import { SpoolDirError } from '../in/heartbeat.ts'
import { DataDirError } from '../ledger/database.ts'
import { StoreError } from '../ledger/store.ts'
import { openLog } from '../log.ts'
import { addFlags, type Flags, flagsOf } from './flags.ts'

/** What the process ends with (DESIGN: exit codes). */
const exitCodes = { stopped: 0, usage: 1, dataDir: 2, storeFailed: 3 } as const

/** `swansong gateway`: runs until SIGTERM or SIGINT; reads its configuration again at SIGHUP. */
export function addGateway(program: Command): void {
  const command = program
    .command('gateway')
    .description('take counts in, add them up durably, show the sums to Prometheus')
    .option('--config <file>', 'YAML; flags win over variables, those over the file (SWANSONG_CONFIG)')
    .option('--adopt', 'take a data directory that is a copy or was restored: its totals begin at 0')
  addFlags(command)
  command.action(({ adopt, ...flags }: Flags & { adopt?: true }) => run(flags, adopt === true))
}

async function run(options: Flags, adopt: boolean): Promise<void> {
  let gateway: Gateway | undefined
  process.on('SIGHUP', () => gateway?.reload()) // From the first moment: one that came early would end the process.
  try {
    const read = await settingsReader(options)
    const settings = read()
    const log = openLog(settings.config.logLevel)
    gateway = await openGateway(settings.config, {
      log,
      adopt,
      onFailed: (error) => {
        log.fatal(
          { error: error.message },
          'the store failed; what the disk holds is read again at the next start'
        )
        process.exit(exitCodes.storeFailed)
      },
      readSettings: read,
    })
    stopAt(['SIGTERM', 'SIGINT'], gateway, (signal) => log.info({ signal }, 'stopping'))
  } catch (error) {
    process.stderr.write(`${wordsOf(error)}\n`)
    process.exit(exitCodeOf(error))
  }
}

/** Of what kept it from starting. A store fails there where what became of a damaged page cannot be written. */
function exitCodeOf(error: unknown): number {
  if (error instanceof DataDirError || error instanceof SpoolDirError) return exitCodes.dataDir
  if (!(error instanceof StoreError)) return exitCodes.usage
  return error.code === 'full' ? exitCodes.dataDir : exitCodes.storeFailed
}

/** A problem of a file begins with its place, as compilers have it, so that editors find it. */
function wordsOf(error: unknown): string {
  if (error instanceof ConfigError) return error.message
  if (error instanceof StoreError)
    return error.code === 'full'
      ? `swansong: the disk of the data directory is full: ${error.message}; make room, and start again`
      : `swansong: the store failed: ${error.message}; what the disk holds is read again at the next start`
  return `swansong: ${error instanceof Error ? error.message : String(error)}`
}

/** Reads all sources, now and at each reload. What reads YAML is loaded only where there is a file. */
async function settingsReader(options: Flags): Promise<() => Settings> {
  const flags = flagsOf(options)
  const path = options['config'] ?? (process.env['SWANSONG_CONFIG'] || undefined)
  if (path === undefined) return () => readSettings({ flags, environment: process.env })
  const { openConfigFile } = await import('../config/file.ts')
  return () => readSettings({ flags, environment: process.env, file: openConfigFile(path) })
}

function stopAt(
  signals: readonly NodeJS.Signals[],
  gateway: Gateway,
  onStop: (signal: NodeJS.Signals) => void
): void {
  let stopping = false
  for (const each of signals) {
    process.on(each, (signal) => {
      if (stopping) return
      stopping = true
      onStop(signal)
      void gateway.close().then(() => process.exit(exitCodes.stopped))
    })
  }
}
