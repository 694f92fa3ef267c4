import { type Options, spoolDirectoryDefault } from '../options/options.ts'
import { isLiving, readOwner, type Spool } from './spool.ts'

/** The spool of a process: the directory that it was given, else the default one if a gateway keeps that. */
export function findSpool(options: Options): Spool | undefined {
  const found = isLiving.bind(undefined, spoolDirectoryDefault, Date.now())
  const directory = options.spoolDirectory ?? (found() ? spoolDirectoryDefault : undefined)
  return directory === undefined ? undefined : { directory, sync: options.spoolSync, owner: readOwner() }
}
