/**
 * What somebody probably meant: the nearest of the candidates, if no more than `slipMax` characters are different. Unless
 * told, that is a third of them.
 */
export function nearest(
  written: string,
  candidates: readonly string[],
  slipMax: number = Math.max(1, Math.floor(written.length / 3))
): string | undefined {
  const plain = plainOf(written)
  let best: string | undefined
  let bestDistance = slipMax + 1
  for (const candidate of candidates) {
    const distance = distanceOf(plain, plainOf(candidate), bestDistance)
    if (distance >= bestDistance) continue
    best = candidate
    bestDistance = distance
  }
  return best
}

/** As people confuse them: case and the characters between words say nothing. */
export function plainOf(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.]/g, '')
}

/** How many characters must be put in, left out, replaced, or exchanged with their neighbour; `enough` where it is more. */
function distanceOf(a: string, b: string, enough: number): number {
  if (Math.abs(a.length - b.length) >= enough) return enough
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (last[j - 1] as number) + Number(a[i - 1] !== b[j - 1])
      let least = Math.min(replaced, (last[j] as number) + 1, (row[j - 1] as number) + 1)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (beforeLast[j - 2] as number) + 1)
      }
      row.push(least)
    }
    beforeLast = last
    last = row
  }
  return Math.min(last[b.length] as number, enough)
}
