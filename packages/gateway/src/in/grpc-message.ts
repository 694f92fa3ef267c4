import type { ServerHttp2Stream } from 'node:http2'
import { Refusal } from '../refusal.ts'
import { inflate, tooLarge, type BodyLimits, type OnBody } from './body.ts'
import type { Hold, Intake } from './intake.ts'
import { Pieces } from './pieces.ts'

/** Before each message: a byte that tells whether it is compressed, and four of its length. */
export const prefixBytes = 5

const nothing = new Uint8Array(0)

/**
 * Reads the one message of a call, inflated, within its limits (CONFORMANCE A3, A4). A length over the limit is refused as
 * soon as it is known. Nothing is told of a call that breaks off.
 */
export function readMessage(
  stream: ServerHttp2Stream,
  gzip: boolean,
  intake: Intake,
  limits: BodyLimits,
  hold: Hold,
  onBody: OnBody
): void {
  const pieces = new Pieces(0)
  let received = 0
  let wanted = prefixBytes // Of the whole call, as far as is known.
  let isOver = false
  const refuse = (refusal: Refusal): void => {
    isOver = true
    pieces.clear()
    hold.release()
    onBody(refusal, nothing, received)
  }
  stream.on('data', (chunk: Buffer) => {
    if (isOver) return
    received += chunk.length
    try {
      hold.take(chunk.length)
      pieces.add(chunk)
      if (wanted === prefixBytes && received >= prefixBytes) {
        const length = pieces.bytes.readUInt32BE(1)
        if (length > limits.bodyBytesMax) throw tooLarge(length, limits.bodyBytesMax)
        wanted += length
      }
      if (received > wanted) throw new Refusal('NOT_ONE_MESSAGE', 'Export takes one message, and more came')
    } catch (refusal) {
      refuse(refusal as Refusal)
    }
  })
  stream.on('end', () => {
    if (isOver || stream.aborted) return
    if (received < prefixBytes || received < wanted) {
      const came = `Export takes one message, and ${received} of its ${wanted} bytes came`
      return refuse(new Refusal('NOT_ONE_MESSAGE', came))
    }
    const framed = pieces.bytes
    const message = framed.subarray(prefixBytes)
    isOver = framed[0] === 0 || gzip
    if (framed[0] === 0) return onBody(undefined, message, received)
    if (gzip) return inflate(message, intake, limits, hold, onBody)
    return refuse(new Refusal('NOT_ONE_MESSAGE', 'the message is compressed, and no grpc-encoding says how'))
  })
  stream.on('close', () => {
    if (!isOver) pieces.clear()
  })
}
