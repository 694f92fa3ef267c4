import { OtlpError } from './error.ts'

let decoder: InstanceType<typeof TextDecoder> | undefined

/** The string in [start, end) of `bytes`. Throws `NOT_UTF8`. Nothing is replaced, and a byte order mark is kept. */
export function readString(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  let text = ''
  if (end - start <= 24) {
    // Short names are ASCII nearly always: that is faster by hand than by a call into the decoder.
    let at = start
    while (at < end && (bytes[at] as number) < 0x80) text += String.fromCharCode(bytes[at++] as number)
    if (at === end) return text
  }
  decoder ??= new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  try {
    return decoder.decode(bytes.subarray(start, end))
  } catch (cause) {
    throw new OtlpError('NOT_UTF8', start, 'a string is not UTF-8', { cause })
  }
}
