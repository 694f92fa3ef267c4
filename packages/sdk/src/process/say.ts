import type { DiagLogger } from '@opentelemetry/api'

/** Where version 1 of the API keeps what was registered with it: read here, so that the API itself need not be loaded. */
const apiGlobal = Symbol.for('opentelemetry.js.api.1')
const said = new Set<string>()

/** The levels of OTEL_LOG_LEVEL, from silence on; a warning is heard from `warn` on. */
const levels = ['none', 'error', 'warn', 'info', 'debug', 'verbose', 'all']
const warnLevel = 2

/** Tells whoever listens to the API's `diag`; without a logger of the job's, stderr, if OTEL_LOG_LEVEL asks for it. */
export function warn(message: string): void {
  try {
    const listening = logger()
    if (listening !== undefined) listening.warn(`swansong: ${message}`)
    else if ((level() ?? 0) >= warnLevel) writeLine(message)
  } catch {
    // The job's logger is broken: not a reason to break the job.
  }
}

/** The same message once in the life of the process. */
export function warnOnce(message: string): void {
  if (said.has(message)) return
  said.add(message)
  warn(message)
}

/**
 * Something is set wrong: to `diag` where the job has a logger, else one line on stderr, so that somebody sees it;
 * unless OTEL_LOG_LEVEL says that warnings are not wanted.
 */
export function complain(message: string): void {
  if (logger() !== undefined) warn(message)
  else if ((level() ?? warnLevel) >= warnLevel) sayLine(message)
}

/**
 * One line on stderr, whatever the level: a loss is no warning about the SDK, it is the job's news. By a plain write, as
 * `process.stderr` may be asynchronous, and loading it costs milliseconds.
 */
export function sayLine(message: string): void {
  try {
    writeLine(message)
  } catch {
    try {
      logger()?.warn(`swansong: ${message}`) // Stderr is closed or full.
    } catch {
      // Nobody can be told.
    }
  }
}

/** Whether a text is a level of OTEL_LOG_LEVEL; nothing is. */
export function isLogLevel(text: string | undefined): boolean {
  return text === undefined || levels.includes(text.toLowerCase())
}

function writeLine(message: string): void {
  process.getBuiltinModule('node:fs').writeSync(2, `swansong: ${message.replaceAll('\n', ' ')}\n`)
}

function level(): number | undefined {
  const index = levels.indexOf(process.env['OTEL_LOG_LEVEL']?.trim().toLowerCase() ?? '')
  return index < 0 ? undefined : index
}

function logger(): DiagLogger | undefined {
  return (globalThis as { [apiGlobal]?: { diag?: DiagLogger } })[apiGlobal]?.diag
}
