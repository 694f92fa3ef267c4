/** What was asked for cannot be done: exit code 1, and nothing was counted or run. */
export class UsageError extends Error {}

export interface Arguments {
  /** What stands beside the flags. */
  words: string[]
  /** The values of each flag, in their order. */
  flags: Map<string, string[]>
}

/**
 * Reads `--flag VALUE`, `--flag=VALUE` and words, in any order. All after `--`, or with `stops` after the first word, are
 * words. A reader of its own: a short command has no time to load one.
 */
export function readArguments(given: readonly string[], known: readonly string[], stops: boolean): Arguments {
  const words: string[] = []
  const flags = new Map<string, string[]>()
  for (let at = 0; at < given.length; at++) {
    const word = given[at] as string
    if (word === '--') return { words: [...words, ...given.slice(at + 1)], flags }
    if (!/^-./.test(word) || /^-[.\d]/.test(word)) {
      if (stops) return { words: given.slice(at), flags }
      words.push(word)
      continue
    }
    const [, flag = word, , inline] = /^(--?[^=]+)(=(.*))?$/s.exec(word) ?? []
    if (!known.includes(flag)) throw new UsageError(`there is no ${flag}; there are ${known.join(', ')}`)
    const value = inline ?? given[++at]
    if (value === undefined) throw new UsageError(`${flag} needs a value`)
    flags.set(flag, [...(flags.get(flag) ?? []), value])
  }
  return { words, flags }
}

/** The one value of a flag; `undefined` where it was not given. */
export function valueOf({ flags }: Arguments, flag: string): string | undefined {
  const values = flags.get(flag) ?? []
  if (values.length > 1) throw new UsageError(`${flag} is given ${values.length} times; once is enough`)
  return values[0]
}

/** `--label key=value`, as often as there are labels. */
export function labelsOf({ flags }: Arguments): Record<string, string> {
  const labels: Record<string, string> = {}
  for (const label of flags.get('--label') ?? []) {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(label) ?? []
    if (key === undefined || value === undefined)
      throw new UsageError(`--label ${label}: write it as --label key=value`)
    if (Object.hasOwn(labels, key)) throw new UsageError(`--label ${key} is given twice`)
    labels[key] = value
  }
  return labels
}

/** Whether help is asked for, before anything that is no flag. */
export function asksForHelp([first]: readonly string[]): boolean {
  return first === '--help' || first === '-h'
}

/** One line on stderr. */
export function say(text: string): void {
  try {
    process.getBuiltinModule('node:fs').writeSync(2, `swansong: ${text}\n`)
  } catch {
    // Stderr is closed or full: nobody can be told.
  }
}

/** Counts are meant where they are asked for by name, also in a test run; not where the operator turned them off. */
export function exportOf(env: NodeJS.ProcessEnv): true | undefined {
  return env['SWANSONG_EXPORT'] === undefined ? true : undefined
}
