import { measureOf, parseExposition, type Sums, sumsOf } from './sums.ts'

/** What the gateway counts of itself that is of interest here; it begins anew with each start. */
const ownSeries = {
  answered: 'swansong_requests_total{code="200"}',
  duplicates: 'swansong_duplicates_total',
  batches: 'swansong_spool_files_taken_total{kind="batch"}',
  journals: 'swansong_spool_files_taken_total{kind="journal"}',
  rejected: 'swansong_spool_files_rejected_total',
} as const

/** Scrapes the gateway, as Prometheus would, from before its first count to the last. */
export class Watch {
  /** What was seen last. */
  sums: Sums = new Map()
  scrapes = 0
  /** Series that were once seen lower than before: there may be none. */
  readonly fallen: string[] = []
  readonly #scrape: () => Promise<string | undefined>
  readonly #ended = new Map<string, number>()
  #values: ReadonlyMap<string, number> = new Map()
  #scraping: Promise<boolean> = Promise.resolve(true)

  constructor(scrape: () => Promise<string | undefined>) {
    this.#scrape = scrape
  }

  /** Looks once; false when nobody answered. One after another, so that what is seen is in order. */
  look(): Promise<boolean> {
    this.#scraping = this.#scraping.then(() => this.#look())
    return this.#scraping
  }

  /** The gateway was killed: what it counted of itself since its start, as last seen, is kept here. */
  endLife(): void {
    for (const series of Object.values(ownSeries)) this.#ended.set(series, this.#ownSum(series))
    this.#values = new Map([...this.#values].filter(([series]) => measureOf(series) !== undefined))
  }

  /** Over all starts. What a killed gateway counted after the last look at it is missing. */
  own(name: keyof typeof ownSeries): number {
    return this.#ownSum(ownSeries[name])
  }

  async #look(): Promise<boolean> {
    const text = await this.#scrape()
    if (text === undefined) return false
    const values = parseExposition(text)
    for (const [series, before] of this.#values) {
      const value = values.get(series) ?? 0
      if (measureOf(series) !== undefined && value < before) {
        this.fallen.push(`${series} fell from ${before} to ${value}`)
      }
    }
    this.scrapes++
    this.#values = values
    this.sums = sumsOf(values)
    return true
  }

  #ownSum(series: string): number {
    return (this.#ended.get(series) ?? 0) + (this.#values.get(series) ?? 0)
  }
}
