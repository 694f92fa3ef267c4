import { hash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AuthFiles } from '../config/config.ts'
import { DoorFileError, type Refreshing } from './files.ts'

interface Secrets {
  /** SHA-256 of each token. */
  tokens: readonly Buffer[]
  /** SHA-256 of `username:password`. */
  basic: Buffer | undefined
}

/** What is answered to whom no door is opened. */
export const unauthenticated = 'this door wants a token or a password that it knows: see Authorization'

/**
 * Who is let in at a door: whoever shows one of its bearer tokens, or its user's name and password. Where neither is set,
 * everybody.
 */
export class Auth implements Refreshing {
  /** What `WWW-Authenticate` says. */
  readonly challenge: string
  readonly #files: AuthFiles
  #secrets: Secrets

  /** Throws DoorFileError where the secrets cannot be read. */
  constructor(files: AuthFiles) {
    this.#files = files
    this.#secrets = readSecrets(files)
    const ways = [
      files.bearerTokensFile === undefined ? '' : 'Bearer realm="swansong"',
      files.basicPasswordFile === undefined ? '' : 'Basic realm="swansong", charset="UTF-8"',
    ]
    this.challenge = ways.filter((way) => way !== '').join(', ')
  }

  /** True where everybody is let in. */
  get isOpen(): boolean {
    return this.challenge === ''
  }

  files(): readonly string[] {
    const { bearerTokensFile, basicPasswordFile } = this.#files
    return [bearerTokensFile, basicPasswordFile].filter((file) => file !== undefined)
  }

  refresh(): void {
    this.#secrets = readSecrets(this.#files)
  }

  /** Takes the header `Authorization`. How long it takes tells nothing of the secrets. */
  admits(authorization: string | undefined): boolean {
    if (this.isOpen) return true
    const [, scheme = '', value = ''] = /^(\S+) +(\S+) *$/.exec(authorization ?? '') ?? []
    const { tokens, basic } = this.#secrets
    if (scheme.toLowerCase() === 'bearer') {
      const digest = digestOf(value)
      let isOne = false
      for (const token of tokens) if (timingSafeEqual(token, digest)) isOne = true
      return isOne
    }
    if (scheme.toLowerCase() !== 'basic' || basic === undefined) return false
    return timingSafeEqual(basic, digestOf(Buffer.from(value, 'base64').toString()))
  }
}

function readSecrets(files: AuthFiles): Secrets {
  const { bearerTokensFile, basicUsername, basicPasswordFile } = files
  const tokens = bearerTokensFile === undefined ? [] : linesOf(bearerTokensFile)
  for (const token of tokens) {
    if (!/\s/.test(token)) continue
    throw new DoorFileError(`${bearerTokensFile}: a token has no blanks in it; write one token a line`)
  }
  const [password] = basicPasswordFile === undefined ? [] : linesOf(basicPasswordFile)
  return {
    tokens: tokens.map(digestOf),
    basic: password === undefined ? undefined : digestOf(`${basicUsername ?? ''}:${password}`),
  }
}

/** The lines of a file that are not empty; at least one. */
function linesOf(file: string): string[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new DoorFileError(`cannot read secrets: ${(error as Error).message}`, { cause: error })
  }
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '')
  if (lines.length === 0) throw new DoorFileError(`${file} is empty: write the secret into its first line`)
  return lines
}

function digestOf(secret: string): Buffer {
  return hash('sha256', secret, 'buffer')
}
