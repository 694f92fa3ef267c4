import { encodeExportRequest, type KeyValue, type Metric } from '@swansong/otlp'
import type { Batch } from './encode/batch.ts'
import { resourceAttributesOf } from './encode/resource.ts'
import type { SdkOptions } from './options/given.ts'
import { readOptions } from './options/read-options.ts'
import { makeSender } from './post/open-sender.ts'
import type { BatchSource } from './post/send.ts'
import { complain } from './process/say.ts'
import { findSpool } from './spool/find-spool.ts'
import { makeUuid, spoolBatch } from './spool/spool.ts'

/**
 * Hands over deltas that somebody else has counted, each with one point, as one batch: into the spool, or by POST, as this
 * environment says; by POST within `exitBudgetMs`, and what is not answered goes into the spool if there is one. Resolves
 * when they cannot be lost any more; rejects with the reason where they are.
 */
export async function handOver(metrics: readonly Metric[], given: SdkOptions): Promise<void> {
  const options = readOptions(process.env, given)
  if (!options.exports) return
  if (options.complaints.length > 0) complain(options.complaints.join('; '))
  const attributes = keyValues(resourceAttributesOf(options, makeUuid()))
  const body = encodeExportRequest({
    resourceMetrics: [{ resource: { attributes }, scopeMetrics: [{ metrics }] }],
  })
  const batch = { id: makeUuid(), body, points: metrics.length }
  const spool = findSpool(options)
  if (options.endpoint === undefined && spool !== undefined) {
    spoolBatch(spool, batch)
    return
  }
  await makeSender(sourceOf(batch), { ...options, timeoutMs: options.exitBudgetMs }, spool).flush()
}

function keyValues(attributes: Readonly<Record<string, string>>): KeyValue[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: { stringValue: value } }))
}

function sourceOf(batch: Batch): BatchSource {
  let waiting: Batch | undefined = batch
  return {
    collect() {},
    take() {
      const taken = waiting
      waiting = undefined
      return taken
    },
  }
}
