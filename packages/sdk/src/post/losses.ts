import { sayLine, warn } from '../process/say.ts'

/** Counts what is lost, and says it on stderr. */
export class Losses {
  /** Points, in all. */
  total = 0
  #serviceName: string
  #isQuiet: boolean
  #unsaid = { points: 0, why: '' }
  #saidOnce = false
  #saidEnd = false
  #isAllSaid = false

  /** Quiet: only `diag` hears of it. */
  constructor(serviceName: string, isQuiet: boolean) {
    this.#serviceName = serviceName
    this.#isQuiet = isQuiet
  }

  add(points: number, why: string): void {
    this.total += points
    this.#unsaid.points += points
    this.#unsaid.why ||= why
    warn(`${points} points are lost: ${why}`)
  }

  /**
   * Once, what is lost later once more at the end, and then once that there is more: `exit` handlers behind ours may count
   * by the thousand. A line for each would be worse than the loss.
   */
  say(isEnd: boolean): void {
    const { points, why } = this.#unsaid
    if (points === 0 || this.#isQuiet || this.#isAllSaid || (this.#saidOnce && !isEnd)) return
    this.#saidOnce = true
    this.#unsaid = { points: 0, why: '' }
    this.#isAllSaid = this.#saidEnd
    this.#saidEnd = isEnd
    const more = this.#isAllSaid ? ', and whatever is counted after this' : ''
    sayLine(`${points} ${points === 1 ? 'point' : 'points'} of ${this.#serviceName} lost${more}: ${why}`)
  }
}
