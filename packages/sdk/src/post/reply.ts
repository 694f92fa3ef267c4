/** What came back: an answer, or why there is none. */
export type Reply = Answer | NoAnswer

export interface Answer {
  status: number
  headers: ReadonlyMap<string, string>
  /** Empty where it was cut short, or is longer than anybody reads: the status has said it all. */
  body: Uint8Array
}

export interface NoAnswer {
  status: undefined
  why: string
  /** Whether anything of the request may have come to the receiver: only then can it have been counted. */
  sent: boolean
  /** It was we who gave up: what an earlier try was told says more. */
  late?: boolean
}

interface Head {
  status: number
  headers: Map<string, string>
  bodyStart: number
}

/** OTLP caps responses at 4 MiB. */
const bodyBytesMax: number = 4 * 1024 * 1024
const headBytesMax: number = 64 * 1024
const noBytes: Uint8Array = new Uint8Array(0)

/**
 * Reads an HTTP/1.1 response (RFC 9112) as it comes in, in time that grows with its length, whatever its pieces. Once
 * the head is whole there is a definite answer; a body that is cut short or too long only takes its message from it.
 */
export class ReplyParser {
  #bytes: Buffer = Buffer.alloc(1024)
  #length = 0
  /** Where the search for the end of the head goes on. */
  #searched = 0
  #head: Head | undefined
  #chunks: Uint8Array[] = []
  #chunkStart = 0

  /** The reply, once it is whole. */
  take(bytes: Uint8Array): Reply | undefined {
    this.#append(bytes)
    try {
      this.#readHead()
    } catch (error) {
      return { status: undefined, why: error instanceof Error ? error.message : String(error), sent: true }
    }
    if (this.#head === undefined) return undefined
    if (this.#length - this.#head.bodyStart > bodyBytesMax) return this.#answer(noBytes)
    const body = this.#readBody()
    return body === undefined ? undefined : this.#answer(body)
  }

  /** The reply if nothing more will come: what the head says, if it was whole. */
  finished(): Reply | undefined {
    if (this.#head === undefined) return undefined
    const { headers, bodyStart } = this.#head
    const upToTheEnd = !headers.has('transfer-encoding') && !headers.has('content-length')
    return this.#answer(upToTheEnd ? this.#bytes.subarray(bodyStart, this.#length) : noBytes)
  }

  #answer(body: Uint8Array): Answer {
    const { status, headers } = this.#head as Head
    return { status, headers, body }
  }

  #append(bytes: Uint8Array): void {
    const length = this.#length + bytes.length
    if (length > this.#bytes.length) {
      const larger = Buffer.alloc(Math.max(length, this.#bytes.length * 2))
      larger.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = larger
    }
    this.#bytes.set(bytes, this.#length)
    this.#length = length
  }

  /** Throws for what is no head. */
  #readHead(): void {
    while (this.#head === undefined) {
      const text = this.#bytes.subarray(0, this.#length)
      const end = text.indexOf('\r\n\r\n', this.#searched, 'latin1')
      if (end < 0) {
        if (this.#length > headBytesMax) throw new Error('the answer is not HTTP/1.1')
        // Bytes that came already are not looked at again, but for three that may begin the end.
        this.#searched = Math.max(this.#searched, this.#length - 3)
        return
      }
      const [statusLine = '', ...lines] = text.toString('latin1', this.#chunkStart, end).split('\r\n')
      const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(statusLine)?.[1])
      if (Number.isNaN(status)) throw new Error('the answer is not HTTP/1.1')
      this.#chunkStart = this.#searched = end + 4
      if (status >= 200) this.#head = { status, headers: readHeaders(lines), bodyStart: end + 4 }
      // Else it is 100 or its like, which announces the answer.
    }
  }

  #readBody(): Uint8Array | undefined {
    const { headers, bodyStart, status } = this.#head as Head
    if (status === 204 || status === 304) return noBytes
    if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') return this.#readChunks()
    const length = Number(headers.get('content-length') ?? Number.NaN)
    if (length > bodyBytesMax) return noBytes
    const end = bodyStart + length
    return this.#length >= end ? this.#bytes.subarray(bodyStart, end) : undefined
  }

  /** Goes on behind the last chunk that was whole. */
  #readChunks(): Uint8Array | undefined {
    const bytes = this.#bytes.subarray(0, this.#length)
    for (;;) {
      const lineEnd = bytes.indexOf('\r\n', this.#chunkStart, 'latin1')
      if (lineEnd < 0) return undefined
      const length = Number.parseInt(bytes.toString('latin1', this.#chunkStart, lineEnd), 16)
      if (!(length >= 0)) return noBytes // No chunk: the status is all that this answer says.
      const at = lineEnd + 2
      if (bytes.length < at + length + 2) return undefined // The last chunk ends with an empty line too.
      if (length === 0) return Buffer.concat(this.#chunks)
      this.#chunks.push(bytes.slice(at, at + length))
      this.#chunkStart = at + length + 2
    }
  }
}

function readHeaders(lines: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim())
  }
  return headers
}

/** What an error of a socket says. Of several addresses that were tried the first speaks; TLS errors have a reason. */
export function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { errors, reason, code } = error as NodeJS.ErrnoException & { errors?: unknown[]; reason?: unknown }
  const first = errors?.[0]
  if (typeof reason === 'string' && reason !== '') return `TLS: ${reason}`
  const message = error.message || (first instanceof Error ? first.message : '')
  return message || (code ?? 'the connection failed')
}
