import { connect } from 'node:net'

export interface RawAnswer {
  status: number
  /** The body, by its content-length. */
  body: Buffer
}

/**
 * Writes bytes to a port as they are, and reads one answer. `more` is called again and again for bytes to send behind
 * them, until it gives none or the answer is there. Rejects when the connection ends without one.
 */
export function askRaw(port: number, head: string, more?: () => Uint8Array | undefined): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let received = Buffer.alloc(0)
    const answer = (): RawAnswer | undefined => {
      const text = received.toString('latin1')
      const bodyAt = text.indexOf('\r\n\r\n') + 4
      const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(text)?.[1] ?? 0)
      if (bodyAt < 4 || received.length < bodyAt + length) return undefined
      return { status: Number(text.slice(9, 12)), body: received.subarray(bodyAt, bodyAt + length) }
    }
    const send = (): void => {
      for (let room = true; room;) {
        const bytes = answer() === undefined ? more?.() : undefined
        if (bytes === undefined) return
        room = socket.write(bytes)
      }
    }
    socket.on('connect', () => {
      socket.write(head)
      send()
    })
    socket.on('drain', send)
    socket.on('data', (bytes) => {
      received = Buffer.concat([received, bytes])
      const whole = answer()
      if (whole === undefined) return
      resolve(whole)
      socket.destroy()
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`no answer, but: ${received.toString('latin1')}`)))
  })
}
