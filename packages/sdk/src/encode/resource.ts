import { encodeAttributes } from '../record/attributes.ts'
import type { Options } from '../options/options.ts'

/** This package's version; a test holds that it is package.json's. */
export const version = '0.1.0'

/** The `resource` field of ResourceMetrics, encoded: who counts. */
export function encodeResource(options: Options, instanceId: string): Uint8Array {
  return prefixed(encodeAttributes(1, Object.entries(resourceAttributesOf(options, instanceId))))
}

/** Its attributes. */
export function resourceAttributesOf(options: Options, instanceId: string): Record<string, string> {
  return {
    ...options.resourceAttributes,
    'service.name': options.serviceName,
    'service.instance.id': instanceId,
    'telemetry.sdk.name': 'swansong',
    'telemetry.sdk.language': 'nodejs',
    'telemetry.sdk.version': version,
  }
}

/** The field's tag (1, length-delimited) and its length go before. */
function prefixed(message: Uint8Array): Uint8Array {
  const prefix = [(1 << 3) | 2]
  let rest = message.length
  for (; rest > 0x7f; rest >>>= 7) prefix.push((rest & 0x7f) | 0x80)
  prefix.push(rest)
  const field = new Uint8Array(prefix.length + message.length)
  field.set(prefix)
  field.set(message, prefix.length)
  return field
}
