/** What test/jobs/posts.ts is told, as JSON. */
export interface Posts {
  url: string
  metric: string
  seriesCount: number
  /** Each worker has a service.instance.id; else nothing tells one from another. */
  instances: boolean
  /** Workers in all, and how many of them live at once. */
  workerCount: number
  atOnce: number
  /** Batches of each worker, and how long it pauses between two, at most. */
  batchCount: number
  pauseMsMax: number
}
