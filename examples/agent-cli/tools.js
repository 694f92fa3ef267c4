/* What the agent can do: each tool looks at the files of a folder, and says what it found in a line or some. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'

const fileCountMax = 10_000
const textFile = /\.(md|txt|js|ts|json|ya?ml|py|csv)$/

export const tools = {
  /** How many files, lines or words. */
  count(folder, unit) {
    const texts = filesOf(folder).map((file) => readFileSync(file, 'utf8'))
    const counts = {
      files: texts.length,
      lines: texts.reduce((sum, text) => sum + text.split('\n').length - 1, 0),
      words: texts.reduce((sum, text) => sum + (text.match(/\S+/g)?.length ?? 0), 0),
    }
    return `${counts[unit]} ${unit} in ${texts.length} files`
  },
  /** The lines that hold a word. */
  grep(folder, word) {
    const lines = filesOf(folder).flatMap((file) => {
      const all = readFileSync(file, 'utf8').split('\n')
      return all.flatMap((line, at) =>
        line.includes(word) ? [`${relative(folder, file)}:${at + 1}: ${line.trim()}`] : []
      )
    })
    return lines.length === 0 ? `no line mentions ${word}` : lines.join('\n')
  },
  /** The sentences of a file that hold most of the words it uses most. */
  summarise(folder, name) {
    const file = resolve(folder, name)
    if (relative(folder, file).startsWith('..')) throw new Error(`${name} is not in ${folder}`)
    const text = readFileSync(file, 'utf8')
    const used = new Map()
    for (const word of wordsOf(text)) used.set(word, (used.get(word) ?? 0) + 1)
    const sentences = text.split(/(?<=[.!?])\s+|\n\n+/).map((each) => each.replaceAll(/\s+/g, ' ').trim())
    const weigh = (sentence) => {
      const words = wordsOf(sentence)
      return words.reduce((sum, word) => sum + used.get(word), 0) / (words.length + 4)
    }
    const weighed = sentences
      .filter((each) => each.length > 20)
      .map((each) => ({ each, weight: weigh(each) }))
    const best = weighed.sort((a, b) => b.weight - a.weight).slice(0, 3)
    return best.map(({ each }) => each).join(' ')
  },
}

function filesOf(folder) {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && textFile.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => !path.includes('node_modules'))
  if (files.length > fileCountMax) throw new Error(`more than ${fileCountMax} files in ${folder}`)
  return files.sort()
}

function wordsOf(text) {
  return text.toLowerCase().match(/\p{L}{4,}/gu) ?? []
}
