import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type Pair } from 'yaml'

/** A way from the top of a file: names of keys, and places in lists. */
export type FilePath = readonly (string | number)[]

/**
 * How many characters stand in the file before the value at a path, or before its key; before the nearest thing above it
 * that the file has, where it is not there itself.
 */
export function offsetOf(document: Document.Parsed, path: FilePath, of: 'key' | 'value'): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const [depth, step] of path.entries()) {
    const pair = pairOf(document, node, step)
    const isLast = depth === path.length - 1
    node = pair === undefined ? itemOf(document, node, step) : pair.value
    const isKeyWanted = (isLast && of === 'key') || isNothing(node)
    offset = startOf(isKeyWanted && pair !== undefined ? pair.key : node) ?? offset
  }
  return offset
}

function pairOf(document: Document.Parsed, from: unknown, step: string | number): Pair | undefined {
  const node = resolved(document, from)
  if (!isMap(node)) return undefined
  const own = node.items.find(({ key }) => isScalar(key) && key.value === step)
  if (own !== undefined) return own
  for (const { key, value } of node.items) {
    if (!isScalar(key) || key.source !== '<<') continue
    const merged = resolved(document, value)
    const all = isSeq(merged) ? merged.items : [merged]
    const pair = all.map((each) => pairOf(document, each, step)).find((found) => found !== undefined)
    if (pair !== undefined) return pair
  }
  return undefined
}

function itemOf(document: Document.Parsed, from: unknown, step: string | number): unknown {
  const node = resolved(document, from)
  return isSeq(node) && typeof step === 'number' ? node.items[step] : undefined
}

function resolved(document: Document.Parsed, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined
}

/** A key with nothing behind it: where that nothing stands helps nobody. */
function isNothing(node: unknown): boolean {
  return isScalar(node) && node.value === ''
}
