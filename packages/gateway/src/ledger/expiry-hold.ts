/** Who wants that no id expires: as long as anybody does, none does. */
export class ExpiryHold {
  readonly #holders: Set<string>

  constructor(...holders: readonly string[]) {
    this.#holders = new Set(holders)
  }

  get isHeld(): boolean {
    return this.#holders.size > 0
  }

  set(held: boolean, holder: string): void {
    if (held) this.#holders.add(holder)
    else this.#holders.delete(holder)
  }
}
