import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { debianPeer } from './debian.ts'

interface SystemdAnalyze {
  program: string
  env: Record<string, string>
}

/** The machine's systemd-analyze, or where it has none, that of Debian's package, with the libraries and units that it needs. */
export async function systemdAnalyze(): Promise<SystemdAnalyze> {
  const { error } = spawnSync('systemd-analyze', ['--version'])
  if (error === undefined) return { program: 'systemd-analyze', env: {} }
  const program = await debianPeer('systemd')
  const units = join(dirname(program), '..', '..', 'lib', 'systemd', 'system')
  return {
    program,
    env: { LD_LIBRARY_PATH: await debianPeer('libsystemd-shared'), SYSTEMD_UNIT_PATH: units },
  }
}

/** What it says of a unit: nothing, where all in it is right. */
export async function verifiedUnit(file: string): Promise<string> {
  const { program, env } = await systemdAnalyze()
  const { status, stdout, stderr } = spawnSync(program, ['verify', '--man=no', file], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
  return `${stdout}${stderr}${status === 0 ? '' : `ended with ${status}`}`
}
