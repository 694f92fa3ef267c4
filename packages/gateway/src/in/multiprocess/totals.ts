import type { EntryKey, FileContent, FileType } from './file-format.ts'

/** Whether an entry never goes down while its process does not reset it: counts, not the sums of what was observed. */
function isCount(type: FileType, key: EntryKey): boolean {
  return type === 'counter' || !key.name.endsWith('_sum')
}

/**
 * Of two readings between which values changed: the lower one of each, as one of both may be half of one value and half
 * of the next. What this leaves out the next reading brings.
 */
export function steadied(now: FileContent, before: FileContent): FileContent {
  const values = now.values.slice()
  for (const [at, value] of before.values.entries())
    if (before.keys[at]?.text === now.keys[at]?.text) values[at] = Math.min(value, values[at] as number)
  return { ...now, values }
}

/** Whether a file says less than it said before: it was read in the middle of something, reset, or made anew. */
export function isLower(type: FileType, before: FileContent, now: FileContent): boolean {
  if (now.keys.length < before.keys.length) return true
  for (const [at, key] of before.keys.entries()) {
    if (now.keys[at]?.text !== key.text) return true
    if (isCount(type, key) && (now.values[at] as number) < (before.values[at] as number)) return true
  }
  return false
}

/**
 * What counts no more of a file that says less for good: a counter that was reset counts whole, the others what they have
 * more than before. Undefined where nothing of it is left: another file stands there.
 */
export function resetBaseline(
  type: FileType,
  before: FileContent,
  now: FileContent
): FileContent | undefined {
  if (type !== 'counter' || now.keys.length < before.keys.length) return undefined
  const values = before.values.slice()
  for (const [at, key] of before.keys.entries()) {
    if (now.keys[at]?.text !== key.text) return undefined
    if ((now.values[at] as number) < (values[at] as number)) values[at] = 0
  }
  return { ...before, values }
}
