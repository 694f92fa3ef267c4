import { crc32 } from 'node:zlib'

/** Series whose last points are stored in one row: with its checksum a row stays on one page of the database. */
const seriesPerRow = 1012

/** When series were told of is stored so often; at once of one that was idle for longer. */
const saveS = 600
/** What is stored is behind by less than this: a save may be just before a series is told of, and the next so long after. */
const behindS: number = 2 * saveS

/** Part of when series were last told of: as many as stand in one row of the store. */
export interface TouchedRow {
  /** Its first series is this × the series of a row. */
  row: number
  bytes: Uint8Array
}

/**
 * When each series began, by the clock, and when it was last told of, by the gateway's uptime: a gateway that was away for
 * a month, or whose clock was set, must not end series that nobody could tell of meanwhile.
 */
export class Lives {
  /** The uptime now, whole seconds: what is told of now is told of then. */
  uptimeS = 0
  #unixMs = 0
  /** When the last series ended: what begins now begins later (CONFORMANCE B8), also if the clock was set back. */
  #lastEndUnixMs = 0
  #starts: Float64Array = new Float64Array(64)
  #touched: Uint32Array = new Uint32Array(64)
  /** What was told of before this uptime is known from the store alone. */
  #loadedUptimeS = 0
  /** Rows with series that were told of after they were idle for long. */
  readonly #behind: Set<number> = new Set()
  /** Rows are to be stored in which anything was told of since. */
  #savedUptimeS = 0
  #savingUptimeS = 0

  get lastEndUnixMs(): number {
    return this.#lastEndUnixMs
  }

  /** The times of what comes next. */
  now(uptimeMs: number, unixMs: number): void {
    this.uptimeS = Math.floor(uptimeMs / 1000)
    this.#unixMs = unixMs
  }

  /** Series end now, or ended then. */
  end(unixMs: number): void {
    this.#lastEndUnixMs = Math.max(this.#lastEndUnixMs, unixMs)
  }

  /**
   * A series begins. Its start is before any time at which it may be shown, also where times are cut to milliseconds
   * (CONFORMANCE B7, trap 4).
   */
  begin(series: number): void {
    this.restore(series, Math.max(this.#unixMs - 1, this.#lastEndUnixMs + 1), this.uptimeS)
  }

  restore(series: number, startUnixMs: number, touchedUptimeS: number): void {
    if (series >= this.#starts.length) this.#grow(series)
    this.#starts[series] = startUnixMs
    this.#touched[series] = touchedUptimeS
  }

  startOf(series: number): number {
    return this.#starts[series] as number
  }

  touchedOf(series: number): number {
    return this.#touched[series] as number
  }

  /** When it was last told of, or later: no line may end too early because of a crash. */
  touchedAtMostOf(series: number): number {
    const touched = this.touchedOf(series)
    return touched < this.#loadedUptimeS ? Math.min(touched + behindS, this.#loadedUptimeS) : touched
  }

  /** There is news of these series. */
  touch(series: Int32Array, count: number): void {
    const touched = this.#touched
    const now = this.uptimeS
    const longAgo = now - saveS
    for (let at = 0; at < count; at++) {
      const id = series[at] as number
      if ((touched[id] as number) < longAgo) this.#behind.add(Math.floor(id / seriesPerRow))
      touched[id] = now
    }
  }

  touchOne(series: number): void {
    if (this.touchedOf(series) < this.uptimeS - saveS) this.#behind.add(Math.floor(series / seriesPerRow))
    this.#touched[series] = this.uptimeS
  }

  /** What was told of is to be stored at once. */
  get isBehind(): boolean {
    return this.#behind.size > 0
  }

  /** What is to be stored of the first `end` series: of most nothing more often than each ten minutes, unless `always`. */
  rows(end: number, always: boolean): TouchedRow[] {
    const rows: TouchedRow[] = []
    const isTime = always || this.uptimeS - this.#savedUptimeS >= saveS
    this.#savingUptimeS = isTime ? this.uptimeS : this.#savedUptimeS
    if (!isTime) {
      for (const row of this.#behind) if (row * seriesPerRow < end) rows.push(this.#row(row, end))
      return rows
    }
    for (let row = 0; row * seriesPerRow < end; row++)
      if (this.#behind.has(row) || this.#isNews(row, end)) rows.push(this.#row(row, end))
    return rows
  }

  #touchedIn(row: number, end: number): Uint32Array {
    return this.#touched.subarray(row * seriesPerRow, Math.min((row + 1) * seriesPerRow, end))
  }

  #isNews(row: number, end: number): boolean {
    return this.#touchedIn(row, end).some((uptimeS) => uptimeS >= this.#savedUptimeS)
  }

  #row(row: number, end: number): TouchedRow {
    const touched = this.#touchedIn(row, end)
    const words = new Uint32Array(touched.length + 1)
    words.set(touched)
    const bytes = new Uint8Array(words.buffer)
    words[touched.length] = crc32(bytes.subarray(0, touched.length * 4))
    return { row, bytes }
  }

  /** They are stored. */
  saved(): void {
    this.#savedUptimeS = this.#savingUptimeS
    this.#behind.clear()
  }

  /** After loading: the first `end` series are there, as they were born. The rest of what is known of them is put in. */
  restoreAll(
    end: number,
    floors: { startFloorUnixMs: number; lastEndUnixMs: number; touchedFloorUptimeS: number },
    rows: readonly TouchedRow[]
  ): void {
    this.end(floors.lastEndUnixMs)
    for (let series = 0; series < end; series++) {
      this.#starts[series] = Math.max(this.startOf(series), floors.startFloorUnixMs)
      this.#touched[series] = Math.max(this.touchedOf(series), floors.touchedFloorUptimeS)
    }
    for (const row of rows) this.#restoreRow(row, end)
    this.#loadedUptimeS = this.#savedUptimeS = this.#savingUptimeS = this.uptimeS
  }

  /** Where it is damaged they were told of now: too late rather than too early. */
  #restoreRow({ row, bytes }: TouchedRow, end: number): void {
    const words = new Uint32Array(bytes.slice().buffer, 0, Math.floor(bytes.length / 4))
    const count = words.length - 1
    const isWhole = count >= 0 && words[count] === crc32(bytes.subarray(0, count * 4))
    for (let at = 0; at < (isWhole ? count : seriesPerRow); at++) {
      const series = row * seriesPerRow + at
      if (series >= end) return
      // A series that was born in the place of another began later than what is stored here.
      this.#touched[series] = Math.max(this.touchedOf(series), isWhole ? (words[at] as number) : this.uptimeS)
    }
  }

  #grow(series: number): void {
    const capacity = Math.ceil(Math.max(series + 1, this.#starts.length * 1.5))
    const starts = new Float64Array(capacity)
    const touched = new Uint32Array(capacity)
    starts.set(this.#starts)
    touched.set(this.#touched)
    this.#starts = starts
    this.#touched = touched
  }
}
