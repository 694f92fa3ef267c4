import { Writer } from '@swansong/otlp/wire'
import { encodeAttributes } from '../record/attributes.ts'
import type { Options } from '../options/options.ts'

/** This package's version; a test holds that it is package.json's. */
export const version = '0.1.0'

/** The `resource` field of ResourceMetrics, encoded: who counts. */
export function encodeResource(options: Options, instanceId: string): Uint8Array {
  const writer = new Writer(256)
  const start = writer.open(1)
  writer.raw(encodeAttributes(1, Object.entries(resourceAttributesOf(options, instanceId))))
  writer.close(start)
  return writer.finish()
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
