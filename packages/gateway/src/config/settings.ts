import type { Config } from './config.ts'

/** A whole Config, and where each value that is not a default comes from, by path of key. */
export interface Settings {
  readonly config: Config
  readonly told: ReadonlyMap<string, Told>
}

/** A value that somebody told, and where: `swansong.yaml:3:11`, `SWANSONG_DATA_DIR` or `--data-dir`. */
export interface Told {
  readonly value: unknown
  readonly where: string
}

/** What a file says: by path of key. Its problems are lines, as those of a ConfigError. */
export interface FileTold {
  readonly told: ReadonlyMap<string, Told>
  readonly problems: readonly string[]
}

/** Where a value of a key was told, and the key: what a problem with it begins with. */
export function placeOf(settings: Settings, path: string): string {
  const where = settings.told.get(path)?.where
  return where === undefined ? path : `${where}: ${path}`
}
