import { closeSync, existsSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** Kept free for the hour in which the disk is full. */
const reserveBytes: number = 64 * 1024 * 1024
const reserveName = 'reserve'

/**
 * Makes the reserve in a data directory, where there is none and the disk has at least three times its size: a file that
 * holds room on the disk. Written, not only sized, as a sparse file would hold none.
 */
export function makeReserve(dataDir: string): void {
  const file = join(dataDir, reserveName)
  const { bavail, bsize } = statfsSync(dataDir)
  if (existsSync(file) || bavail * bsize < 3 * reserveBytes) return
  const descriptor = openSync(file, 'w', 0o600)
  try {
    const zeros = new Uint8Array(1024 * 1024)
    for (let written = 0; written < reserveBytes; written += zeros.length) writeSync(descriptor, zeros)
  } catch {
    rmSync(file) // Less room than was said, for a quota say. Without a reserve it works as well, until the disk is full.
  } finally {
    closeSync(descriptor)
  }
}

/** Gives the room back. False where there was no reserve. */
export function releaseReserve(dataDir: string): boolean {
  const file = join(dataDir, reserveName)
  if (!existsSync(file)) return false
  rmSync(file)
  return true
}
