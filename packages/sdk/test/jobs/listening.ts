import { diag, DiagLogLevel } from '@opentelemetry/api'

/** A logger for `diag` that writes what it hears to stdout. */
const hear = (message: string): void => void process.stdout.write(`${message}\n`)
diag.setLogger({ error: hear, warn: hear, info: hear, debug: hear, verbose: hear }, DiagLogLevel.WARN)
