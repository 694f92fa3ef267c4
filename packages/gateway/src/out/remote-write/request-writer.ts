import type { Writer } from '@swansong/otlp/wire'
import type { Exemplar } from '../../ledger/exemplars.ts'
import type { Exponential } from '../../ledger/values/exponential.ts'

/** Says that a series has ended: these very bits, which a number would not keep (CONFORMANCE F9, trap 7). */
const staleBits = 0x7ff0000000000002n
/** Any other that is not a number, as Prometheus has it. */
const notANumberBits = 0x7ff8000000000001n

/** What metadata says of a series: a type by its number, and symbols of help and unit, -1 where there is none. */
export interface Described {
  metadata: number
  help: number
  unit: number
}

/** Writes one request after the other: a series is begun by its labels, then has samples, oldest first. */
export interface RequestWriter {
  /** Whether starts and exemplars go, and native histograms can. */
  readonly isVersion2: boolean
  /** Bytes of the request so far. */
  readonly length: number
  /** `labels`: symbols, name by value, sorted by names; the first `count`. */
  begin(labels: Uint32Array, count: number, family: Described): void
  /** `startUnixMs` 0: not known. */
  sample(value: number, unixMs: number, startUnixMs: number): void
  staleSample(unixMs: number): void
  histogram(histogram: Exponential, sum: number, unixMs: number, startUnixMs: number): void
  staleHistogram(unixMs: number): void
  exemplar(exemplar: Exemplar, unixMs: number): void
  end(): void
  /** What was written, uncompressed; the next request begins. */
  finish(): Uint8Array
}

/** Writes a field of eight bytes that are a double. */
export function writeDouble(writer: Writer, field: number, value: number): void {
  if (Number.isNaN(value)) writer.fixed64(field, notANumberBits)
  else writer.double(field, value)
}

export function writeStale(writer: Writer, field: number): void {
  writer.fixed64(field, staleBits)
}
