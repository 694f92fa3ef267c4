import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import type { DatagramSource, DatagramsSay, DatagramsTold } from './datagrams.ts'

/*
 * Receives datagrams in a thread of its own, so that the kernel's buffer is emptied also while the gateway's thread writes
 * a commit or a scrape: what does not fit there is lost.
 */

const lineFeed = 0x0a
/** A datagram is no longer. */
const datagramBytesMax = 65_536
/** A stop reads what came before it, and not what comes without end. */
const drainMsMax = 1000

const source = workerData as DatagramSource
let room = Buffer.allocUnsafeSlow(source.handOnBytes + datagramBytesMax + 1)
let length = 0
let count = 0
let received = 0
let dropped = 0
let bytesInFlight = 0
let timer: NodeJS.Timeout | undefined

function take(bytes: Uint8Array): void {
  received++
  if (bytesInFlight + length >= source.bytesInFlightMax) dropped++
  else {
    room.set(bytes, length)
    length += bytes.length
    room[length++] = lineFeed
    count++
  }
  if (length >= source.handOnBytes) handOn()
  else timer ??= setTimeout(handOn, source.handOnMs)
}

function handOn(): void {
  clearTimeout(timer)
  timer = undefined
  if (count === 0 && dropped === 0) return
  const bytes = room.subarray(0, length)
  bytesInFlight += length
  const message: DatagramsSay = { kind: 'datagrams', bytes, count, dropped }
  parentPort?.postMessage(message, [room.buffer])
  room = Buffer.allocUnsafeSlow(source.handOnBytes + datagramBytesMax + 1)
  length = 0
  count = 0
  dropped = 0
}

function say(message: DatagramsSay): void {
  parentPort?.postMessage(message, [])
}

/** What stands in the kernel's buffer is read first: until a poll of the event loop finds nothing, or too long. */
function end(close: () => void): void {
  const giveUpAt = performance.now() + drainMsMax
  let before = -1
  const look = (): void => {
    if (received !== before && performance.now() < giveUpAt) {
      before = received
      setImmediate(look)
      return
    }
    close()
    handOn()
    say({ kind: 'closed' })
    parentPort?.close()
  }
  look()
}

function openAddress(host: string, port: number): () => void {
  const socket = createSocket({
    type: isIPv6(host) ? 'udp6' : 'udp4',
    recvBufferSize: source.receiveBufferBytes,
  })
  socket.on('message', take)
  socket.once('error', (error) => say({ kind: 'failed', message: error.message }))
  socket.bind(port, host, () => {
    const at = socket.address()
    const receiveBufferBytes = socket.getRecvBufferSize()
    say({ kind: 'open', host: at.address, port: at.port, receiveBufferBytes })
  })
  return () => void socket.close()
}

/** What Node has beneath its datagram sockets: as those only take Internet ones, a Unix one is opened here. */
interface DatagramHandle {
  open(descriptor: number): number
  recvStart(): number
  close(): void
  bufferSize(bytes: number, isReceive: boolean, context: object): number | undefined
  onmessage: (length: number, handle: unknown, bytes: Uint8Array | undefined) => void
}

function openDescriptor(descriptor: number): () => void {
  const { binding } = process as unknown as { binding: (name: string) => { UDP: new () => DatagramHandle } }
  const { UDP } = binding('udp_wrap')
  const handle = new UDP()
  const failed = handle.open(descriptor) || handle.recvStart()
  if (failed !== 0) {
    say({ kind: 'failed', message: `it is no datagram socket (${failed})` })
    return () => undefined
  }
  const onmessage: DatagramHandle['onmessage'] = (size, _, bytes) => {
    if (size > 0 && bytes !== undefined) take(bytes)
  }
  Object.assign(handle, { onmessage })
  handle.bufferSize(source.receiveBufferBytes, true, {})
  const receiveBufferBytes = handle.bufferSize(0, true, {}) ?? 0
  say({ kind: 'open', host: `descriptor ${descriptor}`, port: 0, receiveBufferBytes })
  return () => handle.close()
}

const { at } = source
const close = 'descriptor' in at ? openDescriptor(at.descriptor) : openAddress(at.host, at.port)
parentPort?.on('message', (told: DatagramsTold) => {
  if (told === 'stop') end(close)
  else bytesInFlight -= told.taken
})
