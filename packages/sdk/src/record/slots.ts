import { type AttributesGiven, canonicalPairs, nameOfPairs, type Pair } from './attributes.ts'
import type { Instrument, Recorder } from './recorder.ts'
import { warnOnce } from '../process/say.ts'

/** The attributes of the series that takes what comes past the limit of an instrument. */
const overflowAttributes: Pair[] = [['otel.metric.overflow', true]]
/** Ways to one series that are remembered, by the number of series: attributes come in several orders. */
const pathsPerSeries = 4
/** So many ways on from one node are looked through one by one; those past it are found by a map. */
const nearCountMax = 8

/** Looked at for each set that was never met: it may be configured after the instrument was made. */
export interface CardinalityLimits {
  /** How many slots there may be, the one for what comes past it among them. */
  readonly cardinalityLimit: number
}

/** Ways on, in the order they were met: a key, a value, a node each. */
interface Node {
  slot: number
  readonly keys: string[]
  readonly values: unknown[]
  readonly nodes: Node[]
  far: Map<string, Map<unknown, Node>> | undefined
}

/**
 * The attribute sets of one instrument, and the slot of each: a trie over (key, value) in the order given, so that a lookup
 * makes no string and no object. What is not found there is canonicalised once: the same set in another order is the same
 * slot; 1 and '1' are not. Never throws.
 */
export class Slots {
  readonly instrument: Instrument
  readonly recorder: Recorder
  #limits: CardinalityLimits
  #root: Node = makeNode()
  #canonical = new Map<string, number>()
  #paths = 0
  #bareSlot = -1

  constructor(recorder: Recorder, instrument: Instrument, limits: CardinalityLimits) {
    this.recorder = recorder
    this.instrument = instrument
    this.#limits = limits
  }

  /** One function for the whole way: V8 compiles each that is hot for itself, and a short job pays for it. */
  of(attributes: AttributesGiven | undefined): number {
    if (attributes === undefined && this.#bareSlot >= 0) return this.#bareSlot
    try {
      let node: Node | undefined = this.#root
      if (typeof attributes === 'object') {
        outer: for (const key in attributes) {
          const value = attributes[key]
          const { keys, values } = node as Node
          for (let near = 0; near < keys.length; near++) {
            if (keys[near] === key && values[near] === value) {
              node = (node as Node).nodes[near]
              continue outer
            }
          }
          node = (node as Node).far?.get(key)?.get(value)
          if (node === undefined) break
        }
      }
      if (node !== undefined && node.slot >= 0) return node.slot
      return this.#meet(attributes)
    } catch (error) {
      warnOnce(`attributes of ${this.instrument.name} cannot be read, counted without: ${String(error)}`)
      return this.#meet(noAttributes)
    }
  }

  /** What is ignored, said once. */
  refuse(value: unknown): void {
    const { name, kind } = this.instrument
    warnOnce(`${name}: ${String(value)} is ignored, as a ${kind} only takes ${takes[kind]}`)
  }

  /** The slot of attributes that were not met in this order; what has never been met is born. */
  #meet(attributes: unknown): number {
    const given =
      typeof attributes === 'object' && attributes !== null ? (attributes as AttributesGiven) : noAttributes
    const pairs = canonicalPairs(given)
    const name = nameOfPairs(pairs)
    let slot = this.#canonical.get(name)
    if (slot === undefined) {
      if (this.#canonical.size >= this.#limits.cardinalityLimit - 1) return this.#overflow()
      slot = this.recorder.born(this.instrument, pairs)
      this.#canonical.set(name, slot)
    }
    if (attributes === undefined) this.#bareSlot = slot
    this.#remember(given, slot)
    return slot
  }

  #overflow(): number {
    let slot = this.#canonical.get('overflow')
    if (slot === undefined) {
      slot = this.recorder.born(this.instrument, overflowAttributes)
      this.#canonical.set('overflow', slot)
    }
    return slot
  }

  #remember(attributes: AttributesGiven, slot: number): void {
    if (this.#paths >= this.#limits.cardinalityLimit * pathsPerSeries) return
    // An array or an object may change under the same identity, so it is canonicalised each time.
    for (const key in attributes) if (typeof attributes[key] === 'object' && attributes[key] !== null) return
    this.#paths++
    let node = this.#root
    for (const key in attributes) node = wayOn(node, key, attributes[key])
    node.slot = slot
  }
}

const takes = {
  counter: 'finite numbers from 0 up',
  upDownCounter: 'finite numbers',
  histogram: 'finite numbers from 0 up',
  gauge: 'finite numbers',
} as const

const noAttributes: AttributesGiven = {}

function wayOn(node: Node, key: string, value: unknown): Node {
  for (let near = 0; near < node.keys.length; near++) {
    if (node.keys[near] === key && node.values[near] === value) return node.nodes[near] as Node
  }
  const next = makeNode()
  if (node.keys.length < nearCountMax) {
    node.keys.push(key)
    node.values.push(value)
    node.nodes.push(next)
    return next
  }
  node.far ??= new Map()
  let values = node.far.get(key)
  if (values === undefined) node.far.set(key, (values = new Map<unknown, Node>()))
  const known = values.get(value)
  if (known === undefined) values.set(value, next)
  return known ?? next
}

function makeNode(): Node {
  return { slot: -1, keys: [], values: [], nodes: [], far: undefined }
}
