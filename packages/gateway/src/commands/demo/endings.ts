/** How counts leave a worker: by its journal, or by POST with the spool as the fallback. */
export const ways = ['journal', 'POST'] as const
export type Way = (typeof ways)[number]

/** The code of workers that end by `process.exit`. */
export const exitCode = 3

/** Every way to end, and what the parent must see of it. */
export const endings: Readonly<Record<Ending, { code: number | null; signal: NodeJS.Signals | null }>> = {
  natural: { code: 0, signal: null },
  exit: { code: exitCode, signal: null },
  uncaught: { code: 1, signal: null },
  SIGTERM: { code: null, signal: 'SIGTERM' },
  SIGKILL: { code: null, signal: 'SIGKILL' },
}
export type Ending = 'natural' | 'exit' | 'uncaught' | 'SIGTERM' | 'SIGKILL'

/** Who POSTs can be killed without a word too, but what it had not sent is then gone: only a journal outlives that. */
export const endingsOf: Readonly<Record<Way, readonly Ending[]>> = {
  journal: ['natural', 'exit', 'uncaught', 'SIGTERM', 'SIGKILL'],
  POST: ['natural', 'exit', 'uncaught', 'SIGTERM'],
}

/** What a worker says, on a line of its own, when its work is done and its parent may kill it. */
export const doneWord = 'done'
