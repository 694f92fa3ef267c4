/**
 * Whether a name is one of a pattern's, in which `*` stands for any run of characters. In time proportional to the product
 * of their lengths at most, as names come from anybody.
 */
function matches(pattern: string, name: string): boolean {
  let at = 0
  let of = 0
  let star = -1
  let resume = 0
  while (at < name.length) {
    if (pattern[of] === '*') {
      star = of++
      resume = at
    } else if (pattern[of] === name[at]) {
      of++
      at++
    } else if (star >= 0) {
      of = star + 1
      at = ++resume
    } else return false
  }
  while (pattern[of] === '*') of++
  return of === pattern.length
}

/** Whether it is one of any of them. */
export function matchesAny(patterns: readonly string[], name: string): boolean {
  for (const pattern of patterns) if (matches(pattern, name)) return true
  return false
}
