import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

const tables = ['/proc/self/net/udp', '/proc/self/net/udp6']
/** It is not looked more often. */
const lookMs = 200

/**
 * How many datagrams the kernel dropped of those that came for our socket on a port, as its buffer was full: from the last
 * column of `/proc/net/udp`, in the row of our socket. To be asked again and again; where there is no such file, 0.
 */
export function kernelDrops(port: number): () => number {
  let last = 0
  let lookedAt = -Infinity
  const inode = inodeOn(port)
  return () => {
    if (inode === undefined || performance.now() - lookedAt < lookMs) return last
    lookedAt = performance.now()
    for (const row of rowsOf(port)) if (row.inode === inode) last = row.drops
    return last
  }
}

interface Row {
  inode: string
  drops: number
}

/** The sockets on a port. */
function rowsOf(port: number): Row[] {
  const rows: Row[] = []
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  for (const table of tables) {
    for (const line of linesOf(table)) {
      const columns = line.trim().split(/\s+/)
      if (columns[1]?.endsWith(suffix) !== true) continue
      rows.push({ inode: columns[9] ?? '', drops: Number(columns[12] ?? 0) })
    }
  }
  return rows
}

function linesOf(table: string): string[] {
  try {
    return readFileSync(table, 'latin1').split('\n').slice(1)
  } catch {
    return [] // Not on Linux, or there is no IPv6.
  }
}

/** Of the sockets on a port the one that is ours: others may have it on other addresses. */
function inodeOn(port: number): string | undefined {
  const inodes = new Set(rowsOf(port).map(({ inode }) => inode))
  if (inodes.size === 0) return undefined
  for (const descriptor of readdirSync('/proc/self/fd')) {
    const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/self/fd/${descriptor}`))?.[1]
    if (inode !== undefined && inodes.has(inode)) return inode
  }
  return undefined
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return '' // It is closed since.
  }
}
