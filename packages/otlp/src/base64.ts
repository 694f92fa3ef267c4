const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'

/** Standard base64 (RFC 4648, section 4), padded. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 3) {
    const left = bytes.length - at
    const three = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    text += digits.charAt(three >>> 18) + digits.charAt((three >>> 12) & 63)
    text += left > 1 ? digits.charAt((three >>> 6) & 63) : '='
    text += left > 2 ? digits.charAt(three & 63) : '='
  }
  return text
}

/** Base64 in either alphabet, padded or not, as JSON's mapping of protobuf allows. `undefined` for anything else. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (!/^[\w+/-]*={0,2}$/.test(text)) return undefined
  const length = text.indexOf('=') < 0 ? text.length : text.indexOf('=')
  if (length % 4 === 1 || (length !== text.length && text.length % 4 !== 0)) return undefined
  const bytes = new Uint8Array(Math.floor((length * 3) / 4))
  let bits = 0
  let written = 0
  for (let at = 0; at < length; at++) {
    const digit = text.charAt(at).replace('-', '+').replace('_', '/')
    bits = ((bits << 6) | digits.indexOf(digit)) & 0xffffff
    if (at % 4 !== 0) bytes[written++] = (bits >>> (6 - (at % 4) * 2)) & 0xff
  }
  return bytes
}

/** Hexadecimal in either case. `undefined` for anything else. */
export function decodeHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[\da-fA-F]*$/.test(text)) return undefined
  const bytes = new Uint8Array(text.length / 2)
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(text.slice(at * 2, at * 2 + 2), 16)
  return bytes
}
