/*
 * Every way to die, of a process, of a forked child and of a thread, by every way out, with the gateway up, down, hung and
 * killed: what becomes of a thousand steps, each counted by an instrument of every kind. That each ends with the exit code or
 * signal that it has without the SDK, and within its budget, is looked at in every case. These tables are the promise; the
 * tests read them.
 */
import { type Column, testColumn } from './support/columns.ts'
import type { Case, Promised } from './support/matrix.ts'

/** How much a process, or a thread, can do about its own end. */
type Dies =
  /** It is told that it ends: by an `exit` event, by nothing being left to do, by a signal that it handles. */
  | 'in order'
  /** By a signal of which it is told unless, as by journal, nobody asks for that. A thread is never told. */
  | 'by signal'
  /** The same signal in a loop that never turns: who is told of it is told when the loop ends. */
  | 'by signal, busy'
  /** A moment after its last count, of which it has flushed a part. */
  | 'suddenly'
  /** The same in a loop that counts on. */
  | 'suddenly, busy'

/**
 * all: every step, once · flushed: what it had flushed · but the bound: all but the last 25 ms of counting ·
 * said: none, and one line on stderr says so · lost: none, and nobody could say so
 */
const promises: Record<Column, Record<Dies, Promised>> = {
  journal: row('all', 'all', 'but the bound', 'all', 'but the bound'),
  'journal, gateway killed': row('all', 'all', 'but the bound', 'all', 'but the bound'),
  POST: row('all', 'all', 'all', 'flushed', 'flushed'),
  'POST with a spool': row('all', 'all', 'all', 'flushed', 'flushed'),
  'gateway down': row('said', 'said', 'said', 'lost', 'lost'),
  'gateway down, with a spool': row('all', 'all', 'all', 'flushed', 'flushed'),
  'gateway hung': row('said', 'said', 'said', 'lost', 'lost'),
  'gateway hung, with a spool': row('all', 'all', 'all', 'flushed', 'flushed'),
  'gateway killed mid-answer': row('all', 'all', 'all', 'flushed', 'flushed'),
  'gateway killed mid-answer, with a spool': row('all', 'all', 'all', 'flushed', 'flushed'),
}

const endings: Record<string, Dies> = {
  'natural end': 'in order',
  'an exit code left behind': 'in order',
  'process.exit': 'in order',
  'process.exit in a promise': 'in order',
  'process.exit in a timer': 'in order',
  'process.exit in beforeExit': 'in order',
  'process.exit in an exit handler': 'in order',
  'counting in exit handlers': 'in order',
  'uncaught error': 'in order',
  'uncaught error in a timer': 'in order',
  'uncaught error, handled': 'in order',
  'unhandled rejection': 'in order',
  SIGTERM: 'by signal',
  SIGINT: 'by signal',
  SIGHUP: 'by signal',
  'SIGTERM, handled': 'in order',
  'SIGINT, handled': 'in order',
  'SIGHUP, handled': 'in order',
  'SIGTERM in a busy loop': 'by signal, busy',
  SIGKILL: 'suddenly',
  SIGSEGV: 'suddenly',
  abort: 'suddenly',
  'out of memory': 'suddenly',
  'SIGKILL in a busy loop': 'suddenly, busy',
}

/** A thread of `node:worker_threads` and the main thread each count, and one of them ends itself, the other or both. */
const threadEndings: Record<string, { main: Dies; thread: Dies }> = {
  'the thread ends': { main: 'in order', thread: 'in order' },
  'process.exit in the thread': { main: 'in order', thread: 'in order' },
  'process.exit in a timer of the thread': { main: 'in order', thread: 'in order' },
  'uncaught error in the thread': { main: 'in order', thread: 'in order' },
  'uncaught error in the thread, heard': { main: 'in order', thread: 'in order' },
  'unhandled rejection in the thread': { main: 'in order', thread: 'in order' },
  'terminate()': { main: 'in order', thread: 'suddenly' },
  'terminate() in a busy loop': { main: 'in order', thread: 'suddenly, busy' },
  'the main thread ends': { main: 'in order', thread: 'suddenly' },
  'process.exit in the main thread': { main: 'in order', thread: 'suddenly' },
  'uncaught error in the main thread': { main: 'in order', thread: 'suddenly' },
  SIGTERM: { main: 'by signal', thread: 'suddenly' },
  SIGKILL: { main: 'suddenly', thread: 'suddenly' },
}

/** A forked child dies no other way than its parent would: once by every way out, and each of the gateway's fates. */
const forkedColumns: ReadonlySet<Column> = new Set([
  'journal',
  'POST',
  'gateway down, with a spool',
  'gateway hung',
  'gateway killed mid-answer',
])
/** A worker of a cluster is a forked child as well. */
const clusterColumns: ReadonlySet<Column> = new Set(['journal', 'POST with a spool'])
const clusterEndings = ['natural end', 'process.exit', 'uncaught error', 'SIGTERM', 'SIGKILL']
/** Process 1 of a container: the kernel leaves it no default action of a signal. */
const firstColumns: ReadonlySet<Column> = new Set(['journal', 'POST', 'gateway down, with a spool'])
const firstEndings = [
  'natural end',
  'process.exit',
  'uncaught error',
  'unhandled rejection',
  'SIGTERM, handled',
]

for (const [column, promised] of Object.entries(promises) as [Column, Record<Dies, Promised>][]) {
  const cases = [...ofProcesses('main', Object.keys(endings), promised), ...ofThreads(promised)]
  if (forkedColumns.has(column)) cases.push(...ofProcesses('forked', Object.keys(endings), promised))
  if (clusterColumns.has(column)) cases.push(...ofProcesses('cluster', clusterEndings, promised))
  if (firstColumns.has(column)) cases.push(...ofProcesses('first', firstEndings, promised))
  testColumn(column, cases)
}

function ofProcesses(
  place: Case['place'],
  names: readonly string[],
  promised: Record<Dies, Promised>
): Case[] {
  return names.map((ending) => ({
    job: 'dies',
    ending,
    place,
    promised: {
      main: promised[endings[ending] as Dies],
      ...(place === 'main' || place === 'first' ? {} : { parent: promised['in order'] }),
    },
    countsLate: ending === 'counting in exit handlers',
    env: ending === 'out of memory' ? { NODE_OPTIONS: '--max-old-space-size=24' } : {},
  }))
}

function ofThreads(promised: Record<Dies, Promised>): Case[] {
  return Object.entries(threadEndings).map(([ending, { main, thread }]) => ({
    job: 'dies-in-threads',
    ending,
    place: 'thread',
    promised: { main: promised[main], thread: promised[thread] },
  }))
}

function row(...promised: [Promised, Promised, Promised, Promised, Promised]): Record<Dies, Promised> {
  const [order, signal, busySignal, suddenly, busySuddenly] = promised
  return {
    'in order': order,
    'by signal': signal,
    'by signal, busy': busySignal,
    suddenly,
    'suddenly, busy': busySuddenly,
  }
}
