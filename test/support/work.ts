/** What test/jobs/work.ts is told, as JSON. */
export interface Work {
  metric: string
  /** Adds go round these, as `series="0"` and so on. */
  seriesCount: number
  /** Adds of 1, in all. */
  adds: number
  /** Over how long they are spread; 0: at once, without a turn of the event loop. */
  liveMs: number
  ending: Ending
}

export type Ending = 'natural end' | 'exit code' | 'uncaught error' | 'SIGTERM' | 'flush and SIGKILL'

/** How a process ends that was told so. */
export const ends: Record<Ending, { code: number | null; signal: NodeJS.Signals | null }> = {
  'natural end': { code: 0, signal: null },
  'exit code': { code: 7, signal: null },
  'uncaught error': { code: 1, signal: null },
  SIGTERM: { code: null, signal: 'SIGTERM' },
  'flush and SIGKILL': { code: null, signal: 'SIGKILL' },
}

/** Adds to the truth, by series, what a job that was told this counts. */
export function addTruth(truth: Map<string, number>, work: Work): void {
  for (let added = 0; added < work.adds; added++) {
    const series = String(added % work.seriesCount)
    truth.set(series, (truth.get(series) ?? 0) + 1)
  }
}
