import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { temporaryDirectory } from './directories.ts'

export interface FakeProcess {
  pid: number
  /** As /proc/PID/stat has it: R, S, T, Z … */
  state?: string
  startTicks?: number
  /** Its pids from this /proc's namespace inwards; its own alone where there is one namespace. */
  pids?: number[]
  /** The inode of its pid namespace; undefined where we may not ask. */
  namespace?: number
  /** Files that it has mapped: inode and path. */
  maps?: readonly (readonly [inode: number, path: string])[]
}

/** A /proc of a namespace, with its first process. */
export class FakeProc {
  readonly directory: string

  constructor(context: Pick<TestContext, 'after'>, bootId: string, namespace: number) {
    this.directory = temporaryDirectory(context)
    mkdirSync(join(this.directory, 'sys/kernel/random'), { recursive: true })
    writeFileSync(join(this.directory, 'sys/kernel/random/boot_id'), `${bootId}\n`)
    mkdirSync(join(this.directory, 'self/ns'), { recursive: true })
    symlinkSync(`pid:[${namespace}]`, join(this.directory, 'self/ns/pid'))
    this.boot(1_700_000_000)
    this.add({ pid: 1, startTicks: 1, namespace })
  }

  boot(unixSeconds: number): void {
    writeFileSync(join(this.directory, 'stat'), `cpu 1 2 3\nbtime ${unixSeconds}\nprocesses 5\n`)
  }

  /** Its name is as bad as a name can be. */
  add({ pid, state = 'S', startTicks = 98_765, pids = [pid], namespace, maps = [] }: FakeProcess): void {
    const folder = join(this.directory, String(pid))
    mkdirSync(join(folder, 'ns'), { recursive: true })
    const before = `${pid} (a) S (b ) R 1) ${state} 1 42 42 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 `
    writeFileSync(join(folder, 'stat'), `${before}${startTicks} 1000000 200 18446744073709551615\n`)
    writeFileSync(join(folder, 'status'), `Name:\ta\nPid:\t${pid}\nNSpid:\t${pids.join('\t')}\nThreads:\t1\n`)
    const lines = maps.map(([inode, path]) => `7f00-7f10 rw-s 00000000 fd:00 ${inode}    ${path}\n`)
    writeFileSync(join(folder, 'maps'), lines.join(''))
    mkdirSync(join(folder, 'fd'), { recursive: true })
    if (namespace !== undefined) symlinkSync(`pid:[${namespace}]`, join(folder, 'ns/pid'))
  }

  /** From here on nothing can be read of it. */
  close(pid: number): void {
    this.remove(pid)
    mkdirSync(join(this.directory, String(pid), 'stat'), { recursive: true })
    mkdirSync(join(this.directory, String(pid), 'status'))
  }

  remove(pid: number): void {
    rmSync(join(this.directory, String(pid)), { recursive: true, force: true })
  }
}
