import { readFileSync } from 'node:fs'
import { request as requestHttp, type IncomingMessage } from 'node:http'
import { request as requestHttps } from 'node:https'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import type { Config } from '../config/config.ts'
import { readSettings } from '../config/read.ts'
import { showAddress } from '../config/values.ts'
import type { Status } from '../out/admin.ts'

/** Flags of the commands that ask a running gateway. */
export interface AdminFlags {
  url?: string
  bearerTokenFile?: string
  config?: string
}

/** Where a gateway's admin port is, and what it wants of those who ask. */
export interface AdminPort {
  url: URL
  authorization: string | undefined
  /** The door's own certificate, in PEM. */
  certificate: Buffer | undefined
}

const urlDefault = 'http://127.0.0.1:9465'
const answerMs = 5000

export function addAdminFlags(command: Command): Command {
  return command
    .option('--url <url>', `the gateway's admin port (default: ${urlDefault})`)
    .option('--bearer-token-file <file>', 'its token, where the admin port asks for one')
    .option('--config <file>', "the gateway's configuration: its admin port, and what lets one in there")
}

/**
 * `--url` and the token win over what the configuration says. Throws where one of them is wrong or cannot be read. Without a
 * configuration a certificate of one's own authority is trusted by NODE_EXTRA_CA_CERTS.
 */
export async function adminPortOf(flags: AdminFlags): Promise<AdminPort> {
  const { url, bearerTokenFile, config: path } = flags
  const token = bearerTokenFile === undefined ? undefined : `Bearer ${firstLineOf(bearerTokenFile)}`
  if (path === undefined)
    return { url: urlOf(url ?? urlDefault), authorization: token, certificate: undefined }
  const { openConfigFile } = await import('../config/file.ts')
  const { config } = readSettings({ file: openConfigFile(path), environment: process.env })
  const { certFile } = config.tls.admin
  const scheme = certFile === undefined ? 'http' : 'https'
  return {
    url: urlOf(url ?? `${scheme}://${showAddress(reachable(config.admin))}`),
    authorization: token ?? authorizationOf(config),
    certificate: certFile === undefined ? undefined : readFileSync(certFile),
  }
}

function urlOf(written: string): URL {
  const url = URL.canParse(written) ? new URL(written) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new TypeError(`${JSON.stringify(written)} is no URL of an admin port; write one, as ${urlDefault}`)
}

/** Who listens on any host is reached on this one. */
function reachable({ host, port }: Config['admin']): Config['admin'] {
  if (host === '0.0.0.0') return { host: '127.0.0.1', port }
  return { host: host === '::' ? '::1' : host, port }
}

function authorizationOf({ auth }: Config): string | undefined {
  const { bearerTokensFile, basicUsername, basicPasswordFile } = auth.admin
  if (bearerTokensFile !== undefined) return `Bearer ${firstLineOf(bearerTokensFile)}`
  if (basicPasswordFile === undefined) return undefined
  const pair = `${basicUsername}:${firstLineOf(basicPasswordFile)}`
  return `Basic ${Buffer.from(pair).toString('base64')}`
}

function firstLineOf(file: string): string {
  const lines = readFileSync(file, 'utf8').split(/\r?\n/)
  return lines.map((line) => line.trim()).find((line) => line !== '') ?? ''
}

/** What a gateway says of itself on its admin port. Rejects where none answers, or not with 200, and says what to do. */
export async function fetchStatus({ url, authorization, certificate }: AdminPort): Promise<Status> {
  const at = url.origin // Without what lets one in, if that stands in the URL.
  let answer: { code: number; body: string }
  try {
    answer = await new Promise((resolve, reject) => {
      const request = url.protocol === 'https:' ? requestHttps : requestHttp
      const options = {
        headers: authorization === undefined ? {} : { authorization },
        signal: AbortSignal.timeout(answerMs),
        // It is that very certificate that is trusted, whoever signed it and whatever hosts it is for.
        ...(certificate && {
          ca: certificate,
          allowPartialTrustChain: true,
          checkServerIdentity: () => undefined,
        }),
      }
      const read = (response: IncomingMessage): void => {
        text(response).then((body) => resolve({ code: response.statusCode ?? 0, body }), reject)
      }
      request(new URL('/api/v1/status', url), options, read).once('error', reject).end()
    })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new Error(`no gateway answers at ${at}: ${why}; is it running, and is this its --admin address?`, {
      cause: error,
    })
  }
  if (answer.code === 401)
    throw new Error(
      `${at} answers 401: give a token of its by --bearer-token-file, or the gateway's --config`
    )
  if (answer.code !== 200)
    throw new Error(`${at} answers ${answer.code}; is this a gateway's --admin address?`)
  return JSON.parse(answer.body) as Status
}
