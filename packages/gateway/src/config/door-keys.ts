import type { Door } from './config.ts'
import type { Key } from './schema.ts'
import * as values from './values.ts'
import type { ValueType } from './values.ts'

const restart = { reload: false } as const

/** What each door is told: where it listens, its TLS, and whom it lets in. */
export function doorKeys(
  path: string,
  door: Door,
  type: ValueType,
  meaning: string,
  flag: readonly [string, string]
): Key[] {
  return [
    { path: `${path}.listen`, field: door, type, meaning, flag, ...restart },
    file(
      'tls.cert_file',
      `tls.${door}.certFile`,
      'Certificate chain in PEM. Without it the door speaks plain text.'
    ),
    file('tls.key_file', `tls.${door}.keyFile`, 'Its private key in PEM.'),
    file(
      'tls.client_ca_file',
      `tls.${door}.clientCaFile`,
      'Authorities in PEM: who connects must show a certificate of theirs.'
    ),
    file(
      'auth.bearer_tokens_file',
      `auth.${door}.bearerTokensFile`,
      'One token a line: who sends one of them as `Authorization: Bearer` is let in.'
    ),
    {
      path: `${path}.auth.basic.username`,
      field: `auth.${door}.basicUsername`,
      type: values.text('name'),
      meaning: 'Who sends this name and the password in that file is let in.',
      ...restart,
    },
    file(
      'auth.basic.password_file',
      `auth.${door}.basicPasswordFile`,
      'The password: the first line of this file.'
    ),
  ]

  function file(under: string, field: Key['field'], says: string): Key {
    return { path: `${path}.${under}`, field, type: values.readableFile, meaning: says, ...restart }
  }
}
