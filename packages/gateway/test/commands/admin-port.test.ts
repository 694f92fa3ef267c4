import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test, type TestContext } from 'node:test'
import { adminPortOf, fetchStatus } from '../../src/commands/admin-port.ts'
import type { ConfigInput } from '../../src/config/config.ts'
import { makeAuthority } from '../support/certificates.ts'
import { temporaryDirectory } from '../support/directories.ts'
import { startGateway } from '../support/gateways.ts'

const authority = makeAuthority({ after })
authority.issue('server')
writeFileSync(authority.path('tokens'), 'first\nsecond\n')
writeFileSync(authority.path('password'), 'open sesame\n')

/** A gateway whose admin port is shut with something, and the path of a configuration that says so. */
async function start(context: TestContext, input: ConfigInput, admin: string): Promise<[number, string]> {
  const { gateway } = await startGateway(context, input)
  const { port } = gateway.addresses.admin
  const path = join(temporaryDirectory(context), 'swansong.yaml')
  writeFileSync(path, `admin: { listen: 127.0.0.1:${port}, ${admin} }\n`)
  return [port, path]
}

test("status and doctor are let in by the gateway's own configuration: with a token, a password, TLS", async (t) => {
  const check = async (input: ConfigInput, admin: string): Promise<void> => {
    const [, config] = await start(t, input, admin)
    const status = await fetchStatus(await adminPortOf({ config }))
    assert.equal(status.pid, process.pid, admin)
  }
  const bearerTokensFile = authority.path('tokens')
  const basicPasswordFile = authority.path('password')
  const certFile = authority.path('server.pem')
  const keyFile = authority.path('server.key')
  await check({ auth: { admin: { bearerTokensFile } } }, `auth: { bearer_tokens_file: ${bearerTokensFile} }`)
  await check(
    { auth: { admin: { basicUsername: 'ann', basicPasswordFile } } },
    `auth: { basic: { username: ann, password_file: ${basicPasswordFile} } }`
  )
  // Signed by an authority that the configuration does not name.
  await check(
    { tls: { admin: { certFile, keyFile } } },
    `tls: { cert_file: ${certFile}, key_file: ${keyFile} }`
  )
})

test('where they are not let in, or nobody answers, they say what to do', async (t) => {
  const auth = { admin: { bearerTokensFile: authority.path('tokens') } }
  const [port, config] = await start(
    t,
    { auth },
    `auth: { bearer_tokens_file: ${authority.path('password')} }`
  )
  const check = async (url: string | undefined, path: string | undefined, says: RegExp): Promise<void> => {
    const asked = adminPortOf({ ...(url && { url }), ...(path && { config: path }) }).then(fetchStatus)
    await assert.rejects(asked, says)
  }
  await check(
    `http://127.0.0.1:${port}`,
    undefined,
    /answers 401: give a token of its by --bearer-token-file, or .* --config$/
  )
  await check(undefined, config, /answers 401/)
  await check(`http://u:secret@127.0.0.1:${port}`, undefined, /^Error: http:\/\/127\.0\.0\.1:\d+ answers 401/)
  await check(
    'http://127.0.0.1:1',
    undefined,
    /no gateway answers .*: connect ECONNREFUSED .*--admin address\?/
  )
  await check('9465', undefined, /"9465" is no URL of an admin port; write one, as http:/)
  await check(
    undefined,
    '/nowhere.yaml',
    /^ConfigError: \/nowhere\.yaml: it cannot be read: .*; name another file$/
  )
})
