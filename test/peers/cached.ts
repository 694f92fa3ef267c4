import { createHash } from 'node:crypto'
import { execFile } from 'node:child_process'
import { access, constants, cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const root: string = join(import.meta.dirname, '..', '..')
const cache: string = join(root, '.cache', 'peers')
/** A registry that hangs must fail the tests. A Collector takes three minutes of two processors. */
const buildMsMax = 20 * 60 * 1000

export interface Recipe {
  /** What it is called in `.cache/peers`, before the hash of its files. */
  name: string
  /** A folder of this repository, and the files of it that are copied to where it is built. */
  folder: string
  files: readonly string[]
  /** A program that is there when it was built, to be run from there. */
  program: string
  /** What builds it, in the copied folder. */
  commands: readonly (readonly [command: string, ...args: string[]])[]
}

/**
 * The folder in which a peer was built of files of this repository, by the ordinary tools of its language. Built anew
 * when one of the files or a command has changed.
 */
export function builtPeer(recipe: Recipe): Promise<string> {
  const begun = peers.get(recipe.name) ?? build(recipe)
  peers.set(recipe.name, begun)
  return begun
}

/** What this process has asked for: many may ask at once. */
const peers = new Map<string, Promise<string>>()

async function build(recipe: Recipe): Promise<string> {
  const source = join(root, recipe.folder)
  const home = join(cache, `${recipe.name}-${await hashOf(source, recipe)}`)
  if (await isExecutable(join(home, recipe.program))) return home

  await mkdir(cache, { recursive: true })
  const building = await mkdtemp(join(cache, `.${recipe.name}-`))
  try {
    for (const file of recipe.files) await cp(join(source, file), join(building, file))
    for (const [command, ...args] of recipe.commands)
      await promisify(execFile)(command, args, { cwd: building, timeout: buildMsMax, maxBuffer: 2 ** 26 })
    if (await isExecutable(join(home, recipe.program))) return home // Another process was faster.
    await rm(home, { recursive: true, force: true })
    await rename(building, home)
  } catch (cause) {
    throw new Error(
      `the tests need ${recipe.name} of ${recipe.folder}, and it could not be built: ${messageOf(cause)}`,
      {
        cause,
      }
    )
  } finally {
    await rm(building, { recursive: true, force: true })
  }
  return home
}

async function hashOf(source: string, { commands, files }: Recipe): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(commands))
  for (const file of files) hash.update(`\0${file}\0`).update(await readFile(join(source, file)))
  return hash.digest('hex').slice(0, 12)
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false
  )
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { stderr } = error as { stderr?: string }
  return [error.message, stderr?.trim().slice(-2000)]
    .filter((text) => text !== undefined && text !== '')
    .join('\n')
}
