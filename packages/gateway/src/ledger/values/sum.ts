/** Slots of a sum: the value, and what its rounding has left out so far. */
export const sumSlots = 2

/**
 * Adds to a sum at `offset`, in double-double arithmetic: the first slot is always the sum, rounded once, so that ten
 * million times 0.1 is 1,000,000 and a counter goes on counting past 2^53. A sum beyond the largest double stays there.
 */
export function addToSum(slots: Float64Array, offset: number, amount: number): void {
  const value = slots[offset] as number
  const sum = value + amount
  const rounded = sum - value
  const lost = (slots[offset + 1] as number) + (value - (sum - rounded) + (amount - rounded))
  const next = sum + lost
  if (!Number.isFinite(next)) return
  slots[offset] = next
  slots[offset + 1] = lost - (next - sum)
}
