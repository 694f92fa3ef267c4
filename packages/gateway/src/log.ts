import { pino, type Logger } from 'pino'

export type Log = Logger

/** Lines of JSON on stderr, so that stdout stays the command's own. `level`: a pino level, or `silent`. */
export function openLog(level: string): Log {
  return pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true })
  )
}
