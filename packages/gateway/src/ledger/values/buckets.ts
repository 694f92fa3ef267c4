/** Buckets of one sign that a series has at most (CONFORMANCE B13). */
export const bucketsPerSideMax = 160
/* Scales at which one bucket is all of a double's range, and at which buckets are as fine as doubles tell apart. */
export const scaleMin = -10
export const scaleMax = 20

/** The upper bound of a bucket: what is above the one before and at most this is in it. */
export function upperBound(scale: number, index: number): number {
  return 2 ** ((index + 1) / 2 ** scale)
}

/** Buckets of one sign, one behind the other from index `first` on. */
export class Buckets {
  first = 0
  length = 0
  counts: Float64Array = new Float64Array(2 * bucketsPerSideMax)

  clear(): void {
    this.first = 0
    this.length = 0
  }

  /** Takes the counts from `at` on of others, without the zeros at both ends. */
  read(first: number, length: number, counts: Float64Array, at: number): void {
    let from = 0
    let end = length
    while (from < end && counts[at + from] === 0) from++
    while (end > from && counts[at + end - 1] === 0) end--
    this.first = first + from
    this.length = end - from
    if (this.length > this.counts.length) this.counts = new Float64Array(this.length)
    for (let bucket = 0; bucket < this.length; bucket++)
      this.counts[bucket] = counts[at + from + bucket] as number
  }

  /** Each of them becomes one with its neighbours: 2^by to one. */
  downscale(scales: number): void {
    const by = Math.min(scales, 31) // What is shifted further is 0 or -1, as it is by then.
    if (by === 0 || this.length === 0) return
    const first = this.first >> by
    const last = (this.first + this.length - 1) >> by
    for (let bucket = 0; bucket < this.length; bucket++) {
      const count = this.counts[bucket] as number
      this.counts[bucket] = 0
      const into = ((this.first + bucket) >> by) - first
      this.counts[into] = (this.counts[into] as number) + count
    }
    this.first = first
    this.length = last - first + 1
  }

  /** How many there would be with others of the same scale, when both are downscaled. */
  spanWith(other: Buckets, by: number): number {
    if (this.length === 0 && other.length === 0) return 0
    if (other.length === 0) return ((this.first + this.length - 1) >> by) - (this.first >> by) + 1
    if (this.length === 0) return other.spanWith(this, by)
    const first = Math.min(this.first, other.first)
    const last = Math.max(this.first + this.length, other.first + other.length) - 1
    return (last >> by) - (first >> by) + 1
  }

  /** Adds others of the same scale; `sign` -1 takes them away. Both together are at most as many as there is room for. */
  add(other: Buckets, sign: number): void {
    if (other.length === 0) return
    if (this.length === 0) this.first = other.first
    if (other.first < this.first) this.#widen(this.first - other.first)
    const end = other.first + other.length - this.first
    if (end > this.counts.length) this.#reserve(end)
    if (end > this.length) {
      this.counts.fill(0, this.length, end)
      this.length = end
    }
    for (let bucket = 0; bucket < other.length; bucket++) {
      const into = other.first - this.first + bucket
      this.counts[into] = (this.counts[into] as number) + sign * (other.counts[bucket] as number)
    }
  }

  /** Takes out those that lie within `threshold`, and returns how much was in them. None of them is split by it. */
  fold(scale: number, threshold: number): number {
    let folded = 0
    let count = 0
    while (count < this.length && upperBound(scale, this.first + count) <= threshold)
      folded += this.counts[count++] as number
    if (count > 0) this.read(this.first + count, this.length - count, this.counts, count)
    return folded
  }

  /** The threshold itself, or the upper bound of the bucket that it splits, if anything is in that. */
  widened(scale: number, threshold: number): number {
    for (let bucket = 0; bucket < this.length; bucket++) {
      const upper = upperBound(scale, this.first + bucket)
      if (upper <= threshold) continue
      const splits = upperBound(scale, this.first + bucket - 1) < threshold
      return splits && this.counts[bucket] !== 0 ? upper : threshold
    }
    return threshold
  }

  get total(): number {
    let total = 0
    for (let bucket = 0; bucket < this.length; bucket++) total += this.counts[bucket] as number
    return total
  }

  get hasNegative(): boolean {
    for (let bucket = 0; bucket < this.length; bucket++) if ((this.counts[bucket] as number) < 0) return true
    return false
  }

  #widen(by: number): void {
    this.#reserve(this.length + by)
    this.counts.copyWithin(by, 0, this.length)
    this.counts.fill(0, 0, by)
    this.first -= by
    this.length += by
  }

  #reserve(length: number): void {
    if (length <= this.counts.length) return
    const counts = new Float64Array(length * 2)
    counts.set(this.counts.subarray(0, this.length))
    this.counts = counts
  }
}
