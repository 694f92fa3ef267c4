import type { DiagLogger } from '@opentelemetry/api'

/** Where version 1 of the API keeps what was registered with it: read here, so that the API itself need not be loaded. */
const apiGlobal = Symbol.for('opentelemetry.js.api.1')
const said = new Set<string>()

/** Tells whoever listens to the API's `diag`; nobody, unless the job set a logger. */
export function warn(message: string): void {
  try {
    logger()?.warn(`swansong: ${message}`)
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

/** Something is set wrong: to `diag` where the job has a logger, else one line on stderr, so that somebody sees it. */
export function complain(message: string): void {
  if (logger() === undefined) sayLine(message)
  else warn(message)
}

/** One line on stderr, by a plain write: `process.stderr` may be asynchronous, and loading it costs milliseconds. */
export function sayLine(message: string): void {
  try {
    process.getBuiltinModule('node:fs').writeSync(2, `swansong: ${message.replaceAll('\n', ' ')}\n`)
  } catch {
    warn(message) // Stderr is closed or full.
  }
}

function logger(): DiagLogger | undefined {
  return (globalThis as { [apiGlobal]?: { diag?: DiagLogger } })[apiGlobal]?.diag
}
