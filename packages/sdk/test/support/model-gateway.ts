import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { batchSuffix, journalSuffix, readSpoolFile } from '@swansong/otlp/spool'
import { type Point, readRequest } from './read-request.ts'

/** Amounts by series: of a histogram its count, its sum and each bucket. */
export type Amounts = Map<string, number>

/**
 * What a gateway does with batches and journals, and nothing else: an id counts once, a journal by what it has grown.
 * Nothing of it is ever forgotten.
 */
export class ModelGateway {
  readonly counted: Amounts = new Map()
  /** By id: the body that counted, and how many of its points did not. */
  readonly batches: Map<string, { body: Buffer; rejected: number }> = new Map()
  /** What those points held. */
  readonly rejected: Amounts = new Map()
  /** By instance and metric: sums that go both ways, of those who have not taken theirs back, and last values. */
  readonly levels: Map<string, number> = new Map()
  #journals = new Map<string, Amounts>()

  /** Gives how many points were rejected, now or when the batch first came. */
  post(id: string, body: Buffer, rejects = 0): number {
    const known = this.batches.get(id)
    if (known !== undefined) {
      assert.ok(known.body.equals(body), 'what is sent again is the same, byte by byte')
      return known.rejected
    }
    const { resource, points } = readRequest(body)
    const counts = points.filter(({ temporality }) => temporality === 1)
    const rejected = Math.min(rejects, counts.length)
    this.batches.set(id, { body, rejected })
    for (const [at, point] of counts.entries()) addPoint(at < rejected ? this.rejected : this.counted, point)
    this.#setLevels(String(resource['service.instance.id']), points)
    return rejected
  }

  /** Takes what lies in a spool directory, in any order; it all stays there, as if the gateway died before its removal. */
  readSpool(directory: string): void {
    for (const name of readdirSync(directory)) {
      if (name.startsWith('.')) continue
      const { body, header } = readSpoolFile(readFileSync(join(directory, name)))
      if (header.kind === 'batch') this.post(name.slice(0, -batchSuffix.length), Buffer.from(body))
      else this.#readJournal(name.slice(0, -journalSuffix.length), body)
    }
  }

  #readJournal(writer: string, body: Uint8Array): void {
    const { points } = readRequest(body)
    const totals: Amounts = new Map()
    for (const point of points) if (point.monotonic || point.kind === 'histogram') addPoint(totals, point)
    const before = this.#journals.get(writer)
    for (const [series, total] of totals) {
      const grown = total - (before?.get(series) ?? 0)
      assert.ok(grown >= 0, `${series} of a journal went down by ${-grown}`)
      add(this.counted, series, grown)
    }
    this.#journals.set(writer, totals)
    this.#setLevels(writer, points)
  }

  #setLevels(instance: string, points: readonly Point[]): void {
    for (const { kind, monotonic, metric, value, flags } of points) {
      if (kind === 'histogram' || (kind === 'sum' && monotonic)) continue
      if (flags === 1) this.levels.delete(`${instance} ${metric}`)
      else this.levels.set(`${instance} ${metric}`, value)
    }
  }
}

export function add(amounts: Amounts, series: string, amount: number): void {
  if (amount !== 0) amounts.set(series, (amounts.get(series) ?? 0) + amount)
}

/** What all of them have together. */
export function together(...all: readonly Amounts[]): Amounts {
  const sum: Amounts = new Map()
  for (const amounts of all) for (const [series, amount] of amounts) add(sum, series, amount)
  return new Map([...sum].toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

function addPoint(amounts: Amounts, { metric, attributes, value, histogram }: Point): void {
  const series = `${metric}{${attributes}}`
  if (histogram === undefined) return add(amounts, series, value)
  add(amounts, `${series} count`, histogram.count)
  add(amounts, `${series} sum`, value)
  for (const [at, count] of histogram.buckets.entries()) add(amounts, `${series} bucket ${at}`, count)
}

/** What was in a body that never came to a gateway. */
export function amountsOf(body: Uint8Array): Amounts {
  const amounts: Amounts = new Map()
  for (const point of readRequest(body).points) if (point.temporality === 1) addPoint(amounts, point)
  return amounts
}
