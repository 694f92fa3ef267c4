import { OtlpError, Reader } from '@swansong/otlp/wire'
import { readFamily, type Family } from '../../ledger/pushed/family.ts'
import { Refusal } from '../../refusal.ts'
import { readTextFamilies } from './text-families.ts'

/** The families of a body: delimited MetricFamily messages where its type says so, else text 0.0.4. Throws BAD_PUSH. */
export function familiesOf(body: Uint8Array, contentType: string | undefined): Family[] {
  if (isProtobuf(contentType)) return readDelimited(body)
  let text: string
  try {
    text = utf8.decode(body)
  } catch (cause) {
    throw new Refusal('BAD_PUSH', 'the body is not UTF-8', { cause })
  }
  return readTextFamilies(text)
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

function readDelimited(body: Uint8Array): Family[] {
  const families: Family[] = []
  const reader = new Reader(body)
  try {
    while (reader.at < body.length) {
      const end = reader.lengthEnd()
      const family = readFamily(body, reader.at, end)
      if (family.samples.length > 0) families.push(family)
      reader.at = end
    }
  } catch (error) {
    if (!(error instanceof OtlpError) && !(error instanceof TypeError)) throw error
    throw new Refusal('BAD_PUSH', `no delimited MetricFamily messages: ${error.message}`, { cause: error })
  }
  return families
}
