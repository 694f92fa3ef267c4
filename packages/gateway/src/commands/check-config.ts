import { buffer } from 'node:stream/consumers'
import type { Command } from 'commander'
import { ConfigError, readSettings } from '../config/read.ts'
import { keys, valueOf } from '../config/schema.ts'
import type { Settings } from '../config/settings.ts'

/** `swansong check-config`: what a gateway would say of this file, without a gateway. */
export function addCheckConfig(program: Command): void {
  program
    .command('check-config')
    .description('say whether a configuration file is right, or what to write instead')
    .argument('<file>', 'YAML; - for stdin')
    .option('--show', 'every key, its value, and where that comes from')
    .action(run)
}

async function run(file: string, options: { show?: true }): Promise<void> {
  const { openConfigFile, readConfigFile } = await import('../config/file.ts') // The other commands need not load what reads YAML.
  let settings: Settings
  try {
    const told =
      file === '-'
        ? readConfigFile('<stdin>', (await buffer(process.stdin)).toString('utf8'))
        : openConfigFile(file)
    settings = readSettings({ file: told })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
    return
  }
  if (options.show === true) process.stdout.write(shown(settings))
  const count = settings.told.size
  process.stdout.write(`ok: ${count} ${count === 1 ? 'key' : 'keys'} set\n`)
}

function shown(settings: Settings): string {
  let text = ''
  for (const key of keys) {
    const value = valueOf(settings.config, key)
    const words =
      value === undefined
        ? ''
        : Array.isArray(value)
          ? value.map((each) => key.type.show(each)).join(', ')
          : key.type.show(value)
    text += `${key.path}:${words === '' ? '' : ` ${words}`}  # ${settings.told.get(key.path)?.where ?? 'default'}\n`
  }
  return text
}
