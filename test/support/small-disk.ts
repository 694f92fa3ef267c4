import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { pathToFileURL } from 'node:url'
import { ended, spawnThatDiesWithUs } from './child.ts'
import type { Gateway, GatewayOptions } from './gateway.ts'

export interface SmallDisk {
  /** A disk of its own, or only a limit that the database has. */
  kind: 'disk' | 'limit'
  /** For the gateway that is to keep its data there. */
  options: GatewayOptions
  /** Leaves no room at all, and gives it back. */
  fill(gateway: Gateway): void
  free(gateway: Gateway): void
}

/**
 * A real disk of its own: a tmpfs, in a mount namespace that ends with the test. Where no mounting is allowed (a container
 * without privileges), the database is told that it may not grow: SQLite then refuses as it does on a full disk.
 */
export async function makeSmallDisk(megabytes: number): Promise<SmallDisk> {
  const home = await mkdtemp(join(tmpdir(), 'swansong-disk-'))
  after(() => rm(home, { recursive: true, force: true }))
  const unshare = process.getuid?.() === 0 ? ['unshare', '-m'] : ['unshare', '-Urm']
  const nsenter = process.getuid?.() === 0 ? ['-m'] : ['-m', '-U', '--preserve-credentials']
  const mount = [
    ...unshare,
    'sh',
    '-c',
    `mount -t tmpfs -o size=${megabytes}m tmpfs "${home}" && exec "$@"`,
    'sh',
  ]
  const probe = spawnSync(mount[0] as string, [...mount.slice(1), 'true'])
  if (probe.status !== 0) return limitedDatabase(home)

  const keeper = spawnThatDiesWithUs('sh', ['-c', 'echo mounted && exec sleep 1000'], {
    within: mount,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  after(() => ended(keeper, 'SIGKILL', 0))
  if (keeper.stdout !== null) await once(keeper.stdout, 'data')
  const disk = `/proc/${keeper.pid}/root${home}`
  const filler = join(disk, 'filler')
  return {
    kind: 'disk',
    options: { dataDir: join(home, 'data'), within: ['nsenter', '-t', String(keeper.pid), ...nsenter] },
    fill: () => fillUp(disk, filler),
    free: () => rmSync(filler),
  }
}

function fillUp(disk: string, filler: string): void {
  const descriptor = openSync(filler, 'a')
  for (let bytes = 1024 * 1024; bytes >= 4096;) {
    const { bavail, bsize } = statfsSync(disk)
    try {
      if (bavail * bsize < bytes) bytes /= 16
      else writeSync(descriptor, Buffer.alloc(bytes))
    } catch {
      bytes /= 16
    }
  }
  closeSync(descriptor)
}

function limitedDatabase(dataDir: string): SmallDisk {
  const preload = pathToFileURL(join(import.meta.dirname, 'limit-database.js')).href
  return {
    kind: 'limit',
    options: { dataDir: join(dataDir, 'data'), env: { NODE_OPTIONS: `--import=${preload}` } },
    fill: ({ pid }) => process.kill(pid, 'SIGUSR2'),
    free: ({ pid }) => process.kill(pid, 'SIGUSR2'),
  }
}
