import { readFileSync } from 'node:fs'
import { DoorFileError } from '../doors/files.ts'

/** What the request itself says: a file that said otherwise would break it. */
const reserved = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'host',
  'transfer-encoding',
  'user-agent',
])

/**
 * Headers to be sent along, as `Authorization: Bearer …`: one `Name: value` a line, by lower-case names. They are secrets:
 * no message quotes a value. Throws DoorFileError.
 */
export function readHeadersFile(file: string | undefined): Record<string, string> {
  const headers: Record<string, string> = {}
  if (file === undefined) return headers
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new DoorFileError(`cannot read headers: ${(error as Error).message}`, { cause: error })
  }
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '') continue
    const [, name = '', value = ''] =
      /^([\w!#$%&'*+.^`|~-]+):[ \t]*([\x21-\x7e\x80-\xff \t]*)$/.exec(line) ?? []
    const where = `${file}:${at + 1}`
    if (name === '' || value.trim() === '')
      throw new DoorFileError(`${where}: no header; write one a line, as Authorization: Bearer TOKEN`)
    if (reserved.has(name.toLowerCase()))
      throw new DoorFileError(`${where}: ${name} is set by the gateway itself; leave it out`)
    headers[name.toLowerCase()] = value.trim()
  }
  return headers
}
