import { nearest, plainOf } from './nearest.ts'
import type { FilePath } from './positions.ts'
import { keys } from './schema.ts'

/** Every key, and every section, with dots. */
const places: readonly string[] = [
  ...new Set(
    keys.flatMap(({ path }) => path.split('.').map((_, at, names) => names.slice(0, at + 1).join('.')))
  ),
]
/** A key in the wrong place may differ by so many characters from the right one, and by a third of its own at the most. */
const elsewhereSlipMax = 2

/**
 * What somebody who wrote a key that there is not may have meant: one that is the same but for what stands between words, one
 * that stands beside it, one that stands elsewhere; or else all that could stand there. `beside` are their names, between
 * commas.
 */
export function unknownKey(path: FilePath, beside: string): string {
  const name = String(path.at(-1))
  const above = path.slice(0, -1)
  const plain = plainOf(path.join('.'))
  const alike = places.find((place) => plainOf(place) === plain)
  const near = alike === undefined ? nearest(name, beside.split(', ')) : undefined
  const meant = alike ?? (near === undefined ? elsewhere(path.join('.'), name) : pathText([...above, near]))
  if (meant === undefined) return `there is no such key; the keys here are ${beside}`
  return name.includes('.') && above.length === 0
    ? `a file has no keys with dots; write ${nested(meant)}`
    : `there is no such key; did you mean ${meant}?`
}

/** `otlp: { http: { listen: … } }` */
function nested(path: string): string {
  const names = path.split('.')
  return `${names.join(': { ')}: …${' }'.repeat(names.length - 1)}`
}

function elsewhere(written: string, name: string): string | undefined {
  const namesakes = places.filter(
    (place) => plainOf(place.slice(place.lastIndexOf('.') + 1)) === plainOf(name)
  )
  return namesakes.length === 1
    ? namesakes[0]
    : nearest(written, places, Math.min(elsewhereSlipMax, Math.floor(written.length / 3)))
}

/** `rules[0].attributes.keep` */
export function pathText(path: FilePath): string {
  const steps = path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
  return steps.join('').replace(/^\./, '')
}
