/** Shorter ones are left to the collector: giving them back costs more, and they may be a part of what others use. */
const releasedBytesMin: number = 64 * 1024

/**
 * Gives memory back now, and not when it is collected: V8 lets hundreds of megabytes outside of its heap pile up before it
 * looks. For bytes that have their memory to themselves, and that nobody looks at any more. (Node 20 has no way.)
 */
export function release({ buffer, byteLength }: Uint8Array): void {
  if (byteLength >= releasedBytesMin && buffer instanceof ArrayBuffer) (buffer as Detachable).transfer?.(0)
}

/** As of ES2024. */
interface Detachable {
  transfer?: (length: number) => ArrayBuffer
}
