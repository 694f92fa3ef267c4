import { completeConfig, type ConfigInput } from './config.ts'
import { filesProblems } from './files.ts'
import { nearest } from './nearest.ts'
import { relationProblems } from './relations.ts'
import { keys, variableOf, type Key } from './schema.ts'
import type { FileTold, Settings, Told } from './settings.ts'

export interface Sources {
  /** By path of key, as written on the command line. */
  readonly flags?: Readonly<Record<string, string | undefined>>
  readonly environment?: Readonly<Record<string, string | undefined>>
  readonly file?: FileTold
}

/** All that is wrong with a configuration, a line each: where it stands, its key, what is wrong, what to write instead. */
export class ConfigError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** Flags win over the environment, that over the file, that over the defaults. Throws a ConfigError with all problems. */
export function readSettings(sources: Sources): Settings {
  const { flags = {}, environment = {}, file } = sources
  const problems: string[] = [...(file?.problems ?? [])]
  const told = new Map(file?.told)
  for (const key of keys) {
    const variable = variableOf(key)
    // An empty variable is as one that is not set, as everywhere in OpenTelemetry.
    if (variable !== undefined) tell(key, environment[variable] || undefined, variable)
    tell(key, flags[key.path], flagNameOf(key))
  }
  problems.push(...misspelt(environment))
  if (problems.length > 0) throw new ConfigError(problems)
  const settings = { config: completeConfig(inputOf(told)), told }
  problems.push(...relationProblems(settings), ...filesProblems(settings))
  if (problems.length > 0) throw new ConfigError(problems)
  return settings

  function tell(key: Key, written: string | undefined, where: string): void {
    if (written === undefined) return
    try {
      told.set(key.path, { value: parseWritten(key, written), where })
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      problems.push(`${where}: ${error.message}`)
    }
  }
}

/** `--data-dir`, without what follows it. */
function flagNameOf(key: Key): string {
  return key.flag?.[0].split(' ', 1)[0] ?? ''
}

function parseWritten(key: Key, written: string): unknown {
  if (key.type.isList !== true) return key.type.parse(written)
  const texts = written.split(',').map((text) => text.trim())
  return texts.filter((text) => text !== '').map((text) => key.type.parse(text))
}

function inputOf(told: ReadonlyMap<string, Told>): ConfigInput {
  const input: Record<string, unknown> = {}
  for (const key of keys) {
    const value = told.get(key.path)
    if (value === undefined) continue
    const names = key.field.split('.')
    const last = names.pop() as string
    const holder = names.reduce((of, name) => (of[name] ??= {}) as Record<string, unknown>, input)
    holder[last] = value.value
  }
  return input
}

/** Of our SDK, or of this command: read elsewhere. */
const otherVariables = new Set([
  'SWANSONG_CONFIG',
  'SWANSONG_EXPORT',
  'SWANSONG_EXIT_BUDGET_MS',
  'SWANSONG_SPOOL_SYNC',
])

/**
 * A variable that is none, but looks like one, was meant to be one. Others may be anybody's: Kubernetes sets `SWANSONG_PORT`
 * beside a service of that name.
 */
function misspelt(environment: Readonly<Record<string, string | undefined>>): string[] {
  const ours = keys.flatMap((key) => variableOf(key) ?? [])
  const problems: string[] = []
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('SWANSONG_') || ours.includes(name) || otherVariables.has(name)) continue
    const meant = nearest(name, ours, slipMax)
    if (meant !== undefined) problems.push(`${name}: there is no such variable; did you mean ${meant}?`)
  }
  return problems
}

/** Characters by which a variable may differ from the one that was meant. */
const slipMax = 2
