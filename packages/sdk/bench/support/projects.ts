import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The stock SDK as a job would install it; exporters 0.301.0 pin sdk-metrics 3.1.0. */
const stockPackages = [
  '@opentelemetry/api@1.10.0',
  '@opentelemetry/sdk-metrics@3.1.0',
  '@opentelemetry/resources@3.1.0',
  '@opentelemetry/exporter-metrics-otlp-proto@0.301.0',
]

export interface Project {
  folder: string
  /** Packages in its node_modules, and the bytes of their files. */
  packages: number
  bytes: number
}

/** A project with our packages, packed as they would be published. */
export function makeOurs(parent: string): Project {
  const root = fileURLToPath(new URL('../../../..', import.meta.url))
  const tarballs = ['otlp', 'sdk'].map((name) => {
    const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', parent]
    return join(parent, npm(args, join(root, 'packages', name)).trim())
  })
  return install(join(parent, 'ours'), tarballs)
}

export function makeStock(parent: string): Project {
  return install(join(parent, 'stock'), stockPackages)
}

function install(folder: string, packages: string[]): Project {
  mkdirSync(folder)
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n')
  npm(['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline', ...packages], folder)
  const tree = npm(['ls', '--all', '--parseable'], folder).trim().split('\n')
  return { folder, packages: tree.length - 1, bytes: bytesOf(join(folder, 'node_modules')) }
}

function bytesOf(folder: string): number {
  let bytes = 0
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).size
  }
  return bytes
}

function npm(args: string[], cwd: string): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })
}
