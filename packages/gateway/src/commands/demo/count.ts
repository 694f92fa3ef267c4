/** What is counted of a file. */
export const measures = ['lines', 'words', 'bytes'] as const
export type Measure = (typeof measures)[number]
export type Counts = Record<Measure, number>

/** As `wc` counts: line feeds, runs of what is no white space, bytes. */
export function countBytes(file: Uint8Array): Counts {
  let lines = 0
  let words = 0
  let inWord = false
  for (let at = 0; at < file.length; at++) {
    const byte = file[at] as number
    const isSpace = byte === 32 || (byte >= 9 && byte <= 13)
    if (byte === 10) lines++
    if (inWord && isSpace) inWord = false
    else if (!inWord && !isSpace) {
      inWord = true
      words++
    }
  }
  return { lines, words, bytes: file.length }
}

/** `js` of `lib/a.JS`; `none` of `LICENSE` and `.npmignore`. */
export function typeOf(path: string): string {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const dot = name.lastIndexOf('.')
  return dot > 0 && dot < name.length - 1 ? name.slice(dot + 1).toLowerCase() : 'none'
}
