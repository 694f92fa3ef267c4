import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { countBytes, type Counts, typeOf } from './count.ts'

/** How much is counted, so that the demo is over in seconds. */
const filesMax = 4000
const fileBytesMax: number = 256 * 1024
const filesSeenMax = 30_000
/** Fewer are no demo: then Node's own files are taken. */
const filesMin = 500

/** Real files, each a path under the root. */
export interface Files {
  root: string
  paths: string[]
}

/** The files of the nearest `node_modules` that holds this package, else those that came with Node. */
export function findFiles(): Files {
  const here = findNodeModules(import.meta.dirname)
  const prefix = dirname(dirname(realpathSync(process.execPath)))
  const candidates = [here, join(prefix, 'lib', 'node_modules'), join(prefix, 'include', 'node')]
  const found = candidates
    .filter((root) => root !== undefined)
    .map((root) => ({ root, paths: thinned(listFiles(root)) }))
  const enough = found.find(({ paths }) => paths.length >= filesMin)
  const most = enough ?? found.toSorted((a, b) => b.paths.length - a.paths.length)[0]
  if (most === undefined || most.paths.length === 0) {
    throw new Error(`there are no files to count: looked in ${candidates.filter(Boolean).join(', ')}`)
  }
  return most
}

/** The truth: every file counted once, in this one process. */
export function countFiles({ root, paths }: Files): Map<string, Counts> {
  const sums = new Map<string, Counts>()
  for (const path of paths) {
    const type = typeOf(path)
    const { lines, words, bytes } = countBytes(readFileSync(join(root, path)))
    const sum = sums.get(type) ?? { lines: 0, words: 0, bytes: 0 }
    sums.set(type, { lines: sum.lines + lines, words: sum.words + words, bytes: sum.bytes + bytes })
  }
  return sums
}

/** In a checkout, packages have a `node_modules` of their own that holds little: the one that holds us is meant. */
function findNodeModules(from: string): string | undefined {
  const candidate = join(from, 'node_modules')
  if (existsSync(join(candidate, '@swansong', 'gateway'))) return candidate
  const parent = dirname(from)
  return parent === from ? undefined : findNodeModules(parent)
}

/** Sorted. Without links, and without what begins with a dot: tools keep what changes there. */
function listFiles(root: string): string[] {
  const paths: string[] = []
  const directories = [root]
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    if (paths.length >= filesSeenMax || !existsSync(directory)) continue
    for (const entry of readdirSync(directory, { withFileTypes: true })) {
      const path = join(directory, entry.name)
      if (entry.name.startsWith('.')) continue
      if (entry.isDirectory()) directories.push(path)
      else if (entry.isFile() && statSync(path).size <= fileBytesMax) paths.push(relative(root, path))
    }
  }
  return paths.sort()
}

/** Every so-manieth, so that what is counted is a cross-section. */
function thinned(paths: readonly string[]): string[] {
  const step = Math.max(1, paths.length / filesMax)
  const count = Math.min(paths.length, filesMax)
  return Array.from({ length: count }, (_, index) => paths[Math.floor(index * step)] as string)
}
