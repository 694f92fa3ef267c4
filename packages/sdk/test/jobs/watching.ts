import { subscribe } from 'node:diagnostics_channel'
import { writeSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'

/**
 * Sees requests as the instrumentations of http and undici do: by functions in the place of Node's, and by the channels
 * that Node and undici tell of each request.
 */
writeSync(1, 'watching\n')
for (const [name, module] of Object.entries({ 'node:http': http, 'node:https': https })) {
  for (const each of ['request', 'get'] as const) {
    const original = module[each].bind(module) as (...given: unknown[]) => http.ClientRequest
    const watched = (...given: unknown[]): http.ClientRequest => {
      writeSync(1, `saw ${name}\n`)
      return original(...given)
    }
    Object.assign(module, { [each]: watched })
  }
}
for (const channel of ['http.client.request.start', 'http.client.request.created', 'undici:request:create']) {
  subscribe(channel, () => void writeSync(1, `saw ${channel}\n`))
}
