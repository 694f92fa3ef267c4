/** How often a line is written where none can be rewritten. */
const lineMs = 2000
/** Of a terminal that does not say. */
const columnsDefault = 110

/** One line on stderr that is rewritten; where that is no terminal, a line every two seconds. */
export class Progress {
  readonly #stream: NodeJS.WriteStream = process.stderr
  #writtenAt = -Infinity

  show(text: string): void {
    if (this.#stream.isTTY) {
      this.#stream.write(`\r\u001B[2K${text.slice(0, (this.#stream.columns || columnsDefault) - 1)}`)
      return
    }
    const now = performance.now()
    if (now - this.#writtenAt < lineMs) return
    this.#writtenAt = now
    this.#stream.write(`${text}\n`)
  }

  /** Makes room for what is to stay. */
  clear(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\u001B[2K')
  }
}
