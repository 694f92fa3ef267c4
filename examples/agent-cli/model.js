/*
 * What stands in for a language model: rules that pick a tool from a question's words, and word what it found. Always the
 * same answer to the same prompt, so that its tokens can be checked.
 */

export const models = ['small', 'large']
/** Of what was found, in tokens: what lies beyond is left out, as by a real one. */
const outputTokensMax = { small: 40, large: 400 }

/** A completion of the prompt, and what it costs. */
export function complete(model, prompt) {
  const [, asked] = /^Which of .* answers: (.*)$/s.exec(prompt) ?? []
  const [, found = ''] = /^Say what was found: (.*)$/s.exec(prompt) ?? []
  const text = asked === undefined ? shortened(found, outputTokensMax[model]) : plan(asked)
  return { text, inputTokens: tokenize(prompt).length, outputTokens: tokenize(text).length }
}

/** Words in pieces of at most four letters, numbers, signs: a space goes with what follows it. */
export function tokenize(text) {
  return text.match(/\s*(?:[\p{L}]{1,4}|\d{1,3}|[^\s\p{L}\d])|\s+$/gu) ?? []
}

function plan(asked) {
  const [, file] = /\b(?:summari[sz]e|about) ([\w./-]+\w)/i.exec(asked) ?? []
  if (file !== undefined) return `summarise ${file}`
  const [, word] = /\b(?:where|who|find|mentions?) (?:is |uses |has )?["']?([\w.-]+\w)/i.exec(asked) ?? []
  if (word !== undefined) return `grep ${word}`
  const [, unit] = /\bhow many (files|lines|words)\b/i.exec(asked) ?? []
  return unit === undefined ? 'none' : `count ${unit.toLowerCase()}`
}

function shortened(text, tokensMax) {
  const pieces = tokenize(text)
  return pieces.length <= tokensMax ? text : `${pieces.slice(0, tokensMax - 1).join('')}…`
}
