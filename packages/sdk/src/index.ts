import type { Counter, CounterOptions } from './meter.ts'
import { worker } from './worker.ts'

export type { AttributeValue } from './attributes.ts'
export type { Counter, CounterAttributes, CounterOptions } from './meter.ts'

/** The counter of this name and unit. Making it has no effect; the first `add` chooses how counts leave the process. */
export function counter<const Key extends string = string>(
  name: string,
  options?: CounterOptions<Key>
): Counter<Key> {
  return worker().counter(name, options)
}

/**
 * Resolves when all that was counted so far is durable: in the journal, at the gateway, or in the spool. Rejects when it
 * could not be made so. Nobody needs to call it: the end of the process does what can be done.
 */
export function flush(): Promise<void> {
  return worker().flush()
}
