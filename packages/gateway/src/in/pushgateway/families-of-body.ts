import { OtlpError, Reader } from '@swansong/otlp/wire'
import { readFamily, type Family, type Room } from '../../ledger/pushed/family.ts'
import { Refusal } from '../../refusal.ts'
import { readTextFamilies } from './text-families.ts'

/**
 * The families of a body: delimited MetricFamily messages where its type says so, else text 0.0.4. Throws BAD_PUSH, or
 * TOO_MANY_POINTS where they are of more than `partsMax` samples, labels and the like.
 */
export function familiesOf(body: Uint8Array, contentType: string | undefined, partsMax: number): Family[] {
  const room = { parts: partsMax }
  try {
    return isProtobuf(contentType) ? readDelimited(body, room) : readText(body, room)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const says = `this push has more than ${partsMax} samples, labels and buckets, which is the limit; push less`
    throw new Refusal('TOO_MANY_POINTS', says, { cause: error })
  }
}

function readText(body: Uint8Array, room: Room): Family[] {
  let text: string
  try {
    text = utf8.decode(body)
  } catch (cause) {
    throw new Refusal('BAD_PUSH', 'the body is not UTF-8', { cause })
  }
  return readTextFamilies(text, room)
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** As the gateway that this stands for has it, any other type is text. */
function isProtobuf(contentType = ''): boolean {
  const [type = '', ...parameters] = contentType.split(';').map((part) => part.trim().toLowerCase())
  const has = (parameter: string): boolean =>
    parameters.some((one) => one.replaceAll(/["\s]/g, '') === parameter)
  return (
    type === 'application/vnd.google.protobuf' &&
    has('proto=io.prometheus.client.metricfamily') &&
    has('encoding=delimited')
  )
}

function readDelimited(body: Uint8Array, room: Room): Family[] {
  const families: Family[] = []
  const reader = new Reader(body)
  try {
    while (reader.at < body.length) {
      const end = reader.lengthEnd()
      const family = readFamily(body, reader.at, end, room)
      if (family.samples.length > 0) families.push(family)
      reader.at = end
    }
  } catch (error) {
    if (!(error instanceof OtlpError) && !(error instanceof TypeError)) throw error
    throw new Refusal('BAD_PUSH', `no delimited MetricFamily messages: ${error.message}`, { cause: error })
  }
  return families
}
