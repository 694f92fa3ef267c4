import { type AttributesGiven, canonicalPairs, nameOf, type Pair } from './attributes.ts'

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
 * Attributes → slot, as a trie over (key, value) in the order given: a lookup makes no string and no object. What is
 * not found there is canonicalised once: the same set in another order is the same slot; 1 and '1' are not.
 */
export class AttributeIndex {
  #root: Node = makeNode()
  #canonical = new Map<string, number>()
  #paths = 0
  #limits: CardinalityLimits

  constructor(limits: CardinalityLimits) {
    this.#limits = limits
  }

  /** The slot of these attributes, or -1 if they were not met in this order. May throw what a getter of theirs throws. */
  find(attributes: AttributesGiven): number {
    let node = this.#root
    outer: for (const key in attributes) {
      const value = attributes[key]
      const { keys, values } = node
      for (let near = 0; near < keys.length; near++) {
        if (keys[near] === key && values[near] === value) {
          node = node.nodes[near] as Node
          continue outer
        }
      }
      const next = node.far?.get(key)?.get(value)
      if (next === undefined) return -1
      node = next
    }
    return node.slot
  }

  /** The slot of these attributes by their canonical form; `born` makes one for a set never met. */
  meet(attributes: AttributesGiven, born: (pairs: Pair[]) => number): number {
    const pairs = canonicalPairs(attributes)
    const name = pairs.map(([key, value]) => `${JSON.stringify(key)}${nameOf(value)}`).join(',')
    let slot = this.#canonical.get(name)
    if (slot === undefined) {
      if (this.#canonical.size >= this.#limits.cardinalityLimit - 1) return this.#overflow(born)
      slot = born(pairs)
      this.#canonical.set(name, slot)
    }
    this.#remember(attributes, slot)
    return slot
  }

  #overflow(born: (pairs: Pair[]) => number): number {
    let slot = this.#canonical.get('overflow')
    if (slot === undefined) {
      slot = born(overflowAttributes)
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
