import { timedPrefix } from '../ledger/writer-book.ts'
import { digestOf } from './body.ts'

const nothing = new Uint8Array(0)

/**
 * Who tells running totals in a request: a resource, whole, and a scope (CONFORMANCE B9). Resources without a
 * service.instance.id may be those of many processes at once, so the start belongs to it there.
 */
export class SenderIdentity {
  #resource: Uint8Array = nothing
  #scope: Uint8Array = nothing
  #schemaUrl: Uint8Array = nothing
  #hasInstanceId = false
  /** Of resource and scope; undefined until somebody asks. */
  #id: string | undefined
  readonly #places = new Map<string, number>()
  #lastStart = -1
  #lastPlace = -1

  clear(): void {
    this.#id = undefined
    this.#lastPlace = -1
    if (this.#places.size > 0) this.#places.clear()
  }

  resource(bytes: Uint8Array, start: number, end: number, hasInstanceId: boolean): void {
    this.#resource = bytes.subarray(start, end)
    this.#hasInstanceId = hasInstanceId
  }

  /** After its resource. */
  scope(bytes: Uint8Array, start: number, end: number, schemaUrlStart: number, schemaUrlEnd: number): void {
    this.#scope = bytes.subarray(start, end)
    this.#schemaUrl = bytes.subarray(schemaUrlStart, schemaUrlEnd)
    this.#id = undefined
    this.#lastPlace = -1
  }

  /** The place of the sender of a point in `writers`, where it is added if it is new. */
  place(startTimeUnixNano: number, writers: string[]): number {
    if (this.#lastPlace >= 0 && (this.#hasInstanceId || this.#lastStart === startTimeUnixNano))
      return this.#lastPlace
    this.#id ??= this.#digested()
    const id = this.#hasInstanceId ? this.#id : `${this.#id}:${startTimeUnixNano}`
    let place = this.#places.get(id)
    if (place === undefined) {
      place = writers.push(id) - 1
      this.#places.set(id, place)
    }
    this.#lastStart = startTimeUnixNano
    this.#lastPlace = place
    return place
  }

  #digested(): string {
    const parts = [this.#resource, this.#scope, this.#schemaUrl]
    const lengths = new Uint8Array(Uint32Array.from(parts, (part) => part.length).buffer)
    const digest = digestOf(Buffer.concat([lengths, ...parts])).subarray(0, 16)
    return timedPrefix + Buffer.from(digest).toString('base64url')
  }
}
