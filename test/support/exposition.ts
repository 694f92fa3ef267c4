/** Labels that say where a series was read, or by which library it was written, and not what it counts. */
const passedOver = new Set(['instance', 'otel_scope_name', 'otel_scope_version', 'otel_scope_schema_url'])

/** Name and labels as one text: `name{a="1",b="2"}`, sorted, without the labels that are passed over. */
export function lineOf(name: string, labels: Readonly<Record<string, string>>): string {
  const shown = Object.entries(labels).filter(([key]) => key !== '__name__' && !passedOver.has(key))
  shown.sort(([one], [other]) => (one < other ? -1 : 1))
  return `${name}{${shown.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(',')}}`
}

/** What an exposition in text shows: each line, as `lineOf` has it → value. Names may be quoted, and exemplars stand behind. */
export function linesOf(text: string): Map<string, number> {
  const lines = new Map<string, number>()
  for (const line of text.split('\n')) {
    const [, bare = '', inner = '', value = ''] = wholeLine.exec(line) ?? []
    if (value === '') continue
    let name = bare
    const labels: Record<string, string> = {}
    for (const [, quoted = '', plain = '', of] of inner.matchAll(pairs)) {
      const key = quoted === '' ? plain : unescaped(quoted)
      if (of === undefined) name = key
      else labels[key] = unescaped(of)
    }
    lines.set(lineOf(name, labels), Number(value.replace('Inf', 'Infinity')))
  }
  return lines
}

const wholeLine = /^([\w:]*)(?:\{((?:"(?:[^"\\]|\\.)*"|[^"{}])*)\})? ([^# ]\S*)(?: # .*)?$/
const pairs = /(?:"((?:[^"\\]|\\.)*)"|([\w:]+))(?:="((?:[^"\\]|\\.)*)")?(?:,|$)/g

function unescaped(text: string): string {
  return text.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped))
}
