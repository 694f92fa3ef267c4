import { Option, type Command } from 'commander'
import { completeConfig } from '../config/config.ts'
import { keys, valueOf, variableOf } from '../config/schema.ts'

/** Flags by the path of their key, as they were written. */
export type Flags = Record<string, string | undefined>

/** Adds a flag for each key that has one, with its default in the help. */
export function addFlags(command: Command): void {
  const defaults = completeConfig()
  const { spoolDir } = completeConfig({ dataDir: '<data-dir>' }) // It follows where the data go.
  for (const key of keys) {
    if (key.flag === undefined) continue
    const [flags, help] = key.flag
    const value = key.path === 'spool_dir' ? spoolDir : valueOf(defaults, key)
    const shown = value === undefined || isEmptyList(value) ? '' : `; default: ${key.type.show(value)}`
    const option = new Option(flags, `${help} (${variableOf(key) ?? ''}${shown})`)
    // A list may be told with commas, or by the same flag again.
    if (key.type.isList === true)
      option.argParser((one: string, before?: string) => (before === undefined ? one : `${before},${one}`))
    command.addOption(option)
  }
}

/** What was written on the command line, by the path of its key. */
export function flagsOf(options: Readonly<Record<string, string | undefined>>): Flags {
  const flags: Flags = {}
  for (const key of keys) {
    if (key.flag !== undefined) flags[key.path] = options[new Option(key.flag[0]).attributeName()]
  }
  return flags
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}
