import { chmodSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What tells a file from its copy: neither is taken along by cp, rsync, a backup, or mv to another file system. */
export interface FileIdentity {
  inode: bigint
  /** When the file was made, Unix nanoseconds; 0 where the file system does not keep it. */
  birthUnixNano: bigint
}

export function identityOf(file: string): FileIdentity {
  const { ino, birthtimeNs } = statSync(file, { bigint: true })
  return { inode: ino, birthUnixNano: birthtimeNs }
}

/**
 * Whether two identities are of one file. Births that are alike to the nanosecond are, also where a network's file system
 * numbers its inodes anew; the number of a file that was removed is given to another, so that alone it says little.
 */
export function isSameFile(before: FileIdentity, now: FileIdentity, directory: string): boolean {
  const hasBirths = before.birthUnixNano > 0n && now.birthUnixNano > 0n
  if (hasBirths && before.birthUnixNano === now.birthUnixNano) return true
  if (before.inode !== now.inode) return false
  return !hasBirths || !keepsBirths(directory)
}

/** Changing a file takes at least one tick of the kernel's coarse clock to be seen in its times. */
const tickMs = 20

/** False where Node shows the time of the last change as the birth: without statx(2), as old sandboxes have it. */
function keepsBirths(directory: string): boolean {
  const probe = join(directory, `probe-${process.pid}`)
  try {
    writeFileSync(probe, '')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, tickMs)
    chmodSync(probe, 0o600)
    const { birthtimeNs, ctimeNs } = statSync(probe, { bigint: true })
    return birthtimeNs !== ctimeNs
  } finally {
    rmSync(probe, { force: true })
  }
}
