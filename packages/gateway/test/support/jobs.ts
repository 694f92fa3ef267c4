import { spawn } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Owner } from '@swansong/otlp/spool'

export interface Job {
  pid: number
  kill: (signal: NodeJS.Signals) => void
  /** Resolves when the job has written this to its stdout. */
  saw: (text: string) => Promise<void>
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>
}

/** Starts test/jobs/NAME.ts. `fileBlocksMax`: writing a file past so many blocks of 512 bytes is an error. */
export function startJob(name: string, given: string[], limits: { fileBlocksMax?: number } = {}): Job {
  const path = fileURLToPath(new URL(`../jobs/${name}.ts`, import.meta.url))
  const command = [process.execPath, '--conditions=@swansong/source', path, ...given]
  // The signal that comes with the error is ignored, as it is in a service that has no such limit.
  const limited = `trap '' XFSZ; ulimit -f ${limits.fileBlocksMax ?? 'unlimited'}; exec "$@"`
  const child = spawn('sh', ['-c', limited, 'sh', ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  const watchers = new Set<() => void>()
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
    for (const watch of watchers) watch()
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const ended: Job['ended'] = new Promise((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return {
    pid: child.pid ?? 0,
    kill: (signal) => child.kill(signal),
    saw: (text) =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          if (!stdout.includes(text)) return
          watchers.delete(watch)
          resolve()
        }
        watchers.add(watch)
        watch()
        void ended.then(() => reject(new Error(`${name} ended without ${text}: ${stderr}`)))
      }),
    ended,
  }
}

/** Who a process is, as the SDK writes it into the header of a spool file. */
export function ownerOf(pid: number): Owner {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return {
    bootId: readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
    pidNamespace: Number(/\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0]),
    pid,
    startTicks: Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]),
  }
}
