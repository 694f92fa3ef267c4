import { limitKeyOf } from '../config/limit-keys.ts'
import type { Stats } from '../stats.ts'

/** A limit as it is set, and how much of it is used, where that is a number. Milliseconds are shown in seconds. */
export interface ShownLimit {
  limit: number
  used?: number
}

/** Every limit, by the name that it has in the configuration. */
export function shownLimits(limits: object, stats: Stats): Record<string, ShownLimit> {
  const used = new Map<string, () => number>(Object.entries(stats.used))
  const shown: Record<string, ShownLimit> = {}
  for (const [name, value] of Object.entries(limits)) {
    if (typeof value !== 'number') continue
    const use = used.get(name)?.()
    const limit = name.endsWith('Ms') ? value / 1000 : value
    shown[limitKeyOf(name)] = use === undefined ? { limit } : { limit, used: use }
  }
  return shown
}
