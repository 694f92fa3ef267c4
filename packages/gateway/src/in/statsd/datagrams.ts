/** What the thread that receives datagrams is told. */
export interface DatagramSource {
  /** An address, or a descriptor that this process was started with. */
  at: { host: string; port: number } | { descriptor: number }
  receiveBufferBytes: number
  /** What came is handed on after so long, or when it is so much. */
  handOnMs: number
  handOnBytes: number
  /** What is handed on and not taken yet: past it, datagrams are dropped, and counted. */
  bytesInFlightMax: number
}

/** What it says. */
export type DatagramsSay =
  | { kind: 'open'; host: string; port: number; receiveBufferBytes: number }
  | { kind: 'failed'; message: string }
  | { kind: 'datagrams'; bytes: Uint8Array; count: number; dropped: number }
  | { kind: 'closed' }

/** What it is told afterwards: how many bytes were taken, or to stop. */
export type DatagramsTold = { taken: number } | 'stop'
