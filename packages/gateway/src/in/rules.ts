import {
  presetRules,
  type AttributeRules,
  type GaugePolicy,
  type Patterns,
  type ResourceAttributeRules,
  type Rule,
  type RuleSettings,
} from '../config/rules.ts'
import { ByteIndex } from '../ledger/byte-index.ts'
import type { AttributeFilter } from '../ledger/series.ts'
import type { DroppedNames } from './dropped-names.ts'
import { matchesAny } from './patterns.ts'

/** What the rules say of a metric. */
export interface Decision {
  /** The patterns of the rule that drops it; undefined where none does. */
  droppedBy: string | undefined
  /** Undefined where all attributes are kept. */
  filter: AttributeFilter | undefined
  gauge: GaugePolicy
  /** Undefined: as they come. */
  histogramBounds: Float64Array | undefined
}

/** Decisions that are remembered at most, and what a filter remembers of attributes. */
const decisionsMax = 10_000
const keysMax = 1000

/** The rules as they are now. What they say of a metric is decided when it is first met, not per point. */
export class Rules {
  readonly #rules: readonly Rule[]
  readonly #gaugePolicy: GaugePolicy
  readonly #dropped: DroppedNames
  readonly #usesScopes: boolean
  readonly #default: Decision
  #index = new ByteIndex()
  #decisions: Decision[] = []

  /** `dropped` counts the attributes that are left out, whenever a set of them is met. */
  constructor({ rules, presets, gaugePolicy }: RuleSettings, dropped: DroppedNames) {
    this.#rules = [...rules, ...presets.flatMap((preset) => presetRules[preset])]
    this.#gaugePolicy = gaugePolicy
    this.#dropped = dropped
    this.#usesScopes = this.#rules.some(({ scopes }) => scopes !== undefined)
    this.#default = {
      droppedBy: undefined,
      filter: undefined,
      gauge: gaugePolicy,
      histogramBounds: undefined,
    }
  }

  /** The decision on the metric whose name is bytes [start, end). `scopeName` is asked for where a rule names scopes. */
  of(scope: number, scopeName: () => string, bytes: Uint8Array, start: number, end: number): Decision {
    if (this.#rules.length === 0) return this.#default
    const parent = this.#usesScopes ? scope : 0
    const known = this.#index.find(parent, bytes, start, end)
    if (known >= 0) return this.#decisions[known] as Decision
    const name = lenient.decode(bytes.subarray(start, end))
    const decision = this.decide(name, this.#usesScopes ? scopeName() : '')
    if (end - start > nameBytesKept) return decision
    if (this.#decisions.length >= decisionsMax) {
      this.#index = new ByteIndex()
      this.#decisions = []
    }
    this.#index.insert(parent, bytes, start, end, this.#decisions.push(decision) - 1)
    return decision
  }

  /** What the rules say, in their order: for each aspect the first that says something of it. */
  decide(name: string, scopeName: string): Decision {
    const matching = this.#rules.filter(
      ({ metrics, scopes }) => isAmong(metrics, name) && isAmong(scopes, scopeName)
    )
    const dropping = matching.find(({ drop }) => drop !== undefined)
    const bounds = matching.find(({ histogramBounds }) => histogramBounds !== undefined)?.histogramBounds
    const filters = matching.flatMap(({ attributes }) => attributes ?? [])
    return {
      droppedBy: dropping?.drop === true ? labelOf(dropping) : undefined,
      filter: filters.length === 0 ? undefined : attributeFilter(filters, this.#dropped),
      gauge: matching.find(({ gauge }) => gauge !== undefined)?.gauge ?? this.#gaugePolicy,
      histogramBounds: bounds === undefined ? undefined : Float64Array.from(bounds),
    }
  }
}

/** Whether a resource attribute becomes a label. What tells one process from another never does. */
export function keepsResourceAttribute({ keep, drop }: ResourceAttributeRules, key: string): boolean {
  return !notLabels.has(key) && matchesAny(keep, key) && !matchesAny(drop, key)
}

/** The resource attribute that tells one writer from another (CONFORMANCE C11). Never a label. */
export const instanceIdKey = 'service.instance.id'
/** Which unit of work a resource's points belong to, and which attempt at it they come from. Never labels. */
export const onceKey = 'swansong.once'
export const attemptKey = 'swansong.attempt'
const notLabels: ReadonlySet<string> = new Set([instanceIdKey, onceKey, attemptKey])

function isAmong(patterns: Patterns | undefined, name: string): boolean {
  return patterns === undefined || matchesAny(patterns, name)
}

function labelOf({ metrics = ['*'] }: Rule): string {
  return metrics.join(',')
}

function attributeFilter(rules: readonly AttributeRules[], dropped: DroppedNames): AttributeFilter {
  const known = new Map<string, number>() // The slot where it is counted; -1 for what is kept.
  return {
    keeps(key) {
      let slot = known.get(key)
      if (slot === undefined) {
        slot = keepsAttribute(rules, key) ? -1 : dropped.slotOf(key)
        if (known.size >= keysMax) known.clear()
        known.set(key, slot)
      }
      if (slot >= 0) dropped.count(slot)
      return slot < 0
    },
  }
}

function keepsAttribute(rules: readonly AttributeRules[], key: string): boolean {
  for (const { keep, drop } of rules) {
    if (keep !== undefined && matchesAny(keep, key)) return true
    if (drop === undefined ? keep !== undefined : matchesAny(drop, key)) return false
  }
  return true
}

const nameBytesKept = 1024
const lenient = new TextDecoder()
