import { pino, type Logger } from 'pino'

export type Log = Logger

/** From all to nothing. */
export const logLevels: readonly string[] = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']

/** Lines of JSON on stderr, so that stdout stays the command's own. `level` is one of `logLevels`. */
export function openLog(level: string): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true })
  )
}
