import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { median } from './support/cpu.ts'

/*
 * What `swansong push` and `swansong run` cost a script: CPU and wall of the built command over an empty Node process,
 * interleaved in one run. `node bench/shell.ts ROUNDS`.
 */
const rounds = Number(process.argv[2] ?? 40)
const swansong = join(import.meta.dirname, '..', 'bin', 'swansong')
if (!existsSync(join(import.meta.dirname, '..', 'dist', 'shell.js')))
  throw new Error('npm run build comes first: what is built is measured')
const folder = mkdtempSync(join(tmpdir(), 'swansong-bench-'))
const spool = join(folder, 'spool')
mkdirSync(spool)
const empty = join(folder, 'empty.js')
writeFileSync(empty, '')

const cases: [name: string, command: string[]][] = [
  ['an empty node', [process.execPath, empty]],
  ['/bin/true', ['/bin/true']],
  ['swansong push, into a spool', [swansong, 'push', 'pushes']],
  ['swansong run /bin/true', [swansong, 'run', '/bin/true']],
]
const cpus: number[] = cases.map(() => 0)
const walls: number[][] = cases.map(() => [])
for (let round = 0; round < rounds; round++) {
  for (const [at, [name, [program = '', ...args]]] of cases.entries()) {
    const [cpuBefore, wallBefore] = [cpuMsOfChildren(), performance.now()]
    const env = { PATH: process.env['PATH'] ?? '', SWANSONG_SPOOL_DIR: spool }
    const { status, stderr } = spawnSync(program, args, { env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`)
    walls[at]?.push(performance.now() - wallBefore)
    cpus[at] = (cpus[at] ?? 0) + cpuMsOfChildren() - cpuBefore
  }
}
const files = readdirSync(spool).filter((name) => !name.startsWith('.')).length
rmSync(folder, { recursive: true })
if (files !== 2 * rounds) throw new Error(`${files} files in the spool, and not two a round`)
console.log(`${process.version}, ${rounds} rounds, ms a process${' '.repeat(9)}CPU   over node    wall`)
for (const [at, [name]] of cases.entries()) {
  const cpu = (cpus[at] ?? 0) / rounds
  const over = cpu - (cpus[0] ?? 0) / rounds
  const wall = median(walls[at] ?? [])
  console.log(
    `${name.padEnd(36)}${cpu.toFixed(1).padStart(7)}${over.toFixed(1).padStart(12)}${wall.toFixed(1).padStart(8)}`
  )
}

/** Of all children that have ended so far, in steps of 10 ms: exact enough over many. */
function cpuMsOfChildren(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10
}
