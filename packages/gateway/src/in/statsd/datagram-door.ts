import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { ListenError } from '../../doors/server.ts'
import type { StatsdStats } from '../../stats.ts'
import type { DatagramSource, DatagramsSay, DatagramsTold } from './datagrams.ts'
import { kernelDrops } from './kernel-drops.ts'
import type { Teller } from './teller.ts'

const threadFile = join(import.meta.dirname, `datagram-thread${extname(import.meta.filename)}`)
/** As large as it may be: the kernel gives less, as much as `net.core.rmem_max` allows. */
const receiveBufferBytes: number = 64 * 1024 * 1024
const handOnBytes: number = 128 * 1024

export interface DatagramLimits {
  statsdBytesInFlightMax: number
  statsdFlushMs: number
}

export interface DatagramDoor {
  host: string
  port: number
  /** What was received is told to the teller when it resolves. */
  close(): Promise<void>
}

/** Receives datagrams at an address, or from a descriptor that the gateway was started with. Throws ListenError. */
export function openDatagrams(
  at: DatagramSource['at'],
  flag: string,
  teller: Teller,
  statsd: StatsdStats,
  limits: DatagramLimits
): Promise<DatagramDoor> {
  const { statsdFlushMs: handOnMs, statsdBytesInFlightMax: bytesInFlightMax } = limits
  const workerData: DatagramSource = { at, receiveBufferBytes, handOnMs, handOnBytes, bytesInFlightMax }
  const thread = new Worker(threadFile, { workerData, stdin: false })
  const closed = new Promise<void>((resolve) => thread.once('exit', () => resolve()))
  const tell = (told: DatagramsTold): void => thread.postMessage(told, [])
  const close = async (): Promise<void> => {
    tell('stop')
    await closed
  }
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      const where = 'descriptor' in at ? `descriptor ${at.descriptor}` : `${at.host}:${at.port} (UDP)`
      reject(new ListenError(`cannot receive on ${where}: ${why}; choose another with ${flag}`))
    }
    let isOpen = false
    thread.on('error', (error: Error) => {
      if (isOpen) throw error // Nobody would receive any more: the process ends, and is started again.
      fail(error.message)
    })
    thread.on('message', (said: DatagramsSay) => {
      if (said.kind === 'open') {
        const { host, port } = said
        isOpen = true
        statsd.receiveBufferBytes += said.receiveBufferBytes
        if (port > 0) statsd.kernelDropped.push(kernelDrops(port))
        resolve({ host, port, close })
      } else if (said.kind === 'datagrams') {
        statsd.packets += said.count
        statsd.gatewayDropped += said.dropped
        teller.take(said.bytes)
        if (!teller.isFull) tell({ taken: said.bytes.length })
        else teller.whenTold(() => tell({ taken: said.bytes.length }))
      } else if (said.kind === 'failed') {
        fail(said.message)
        void thread.terminate()
      }
    })
  })
}
