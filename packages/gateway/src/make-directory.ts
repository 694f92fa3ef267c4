import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Makes a directory, and those above it that are not there. Throws what the file system says. Node's own way, `recursive`, never
 * returns where nothing can be made in a directory that is there, as in /proc.
 */
export function makeDirectory(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, { mode })
  } catch (error) {
    const parent = dirname(path)
    if (isDirectory(path)) return
    if (existsSync(parent)) throw error
    makeDirectory(parent, mode)
    makeDirectory(path, mode)
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}
