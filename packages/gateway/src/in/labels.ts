import { OtlpError, type AttributeValue, type MetricFrame } from '@swansong/otlp'
import { labelBytes } from '../ledger/key-values.ts'
import type { RejectionReason } from '../refusal.ts'

export interface LabelLimits {
  attributesBytesMax: number
  labelValueBytesMax: number
}

/**
 * Why a resource or a scope of `length` bytes cannot give its points labels; undefined where it can. `read` is called
 * where it is not too long. What is torn is thrown on.
 */
export function labelsRefused(
  length: number,
  { attributesBytesMax, labelValueBytesMax }: LabelLimits,
  read: () => AttributeValue[]
): RejectionReason | undefined {
  if (length > attributesBytesMax) return 'ATTRIBUTES_TOO_LARGE'
  try {
    const tooLong = read().some((value) => labelBytes(value) > labelValueBytesMax)
    return tooLong ? 'LABEL_VALUE_TOO_LONG' : undefined
  } catch (error) {
    const unreadable = error instanceof OtlpError && (error.code === 'NOT_UTF8' || error.code === 'TOO_DEEP')
    if (unreadable) return 'ATTRIBUTES_INVALID'
    throw error
  }
}

/** The description of a metric, cut at its limit. */
export function descriptionOf(frame: MetricFrame, limits: { descriptionBytesMax: number }): string {
  const { bytes, descriptionStart, descriptionEnd } = frame
  return textForPeople(bytes, descriptionStart, descriptionEnd, limits.descriptionBytesMax)
}

/** The first `max` bytes of a text that is only for people: bytes that are not UTF-8 are replaced. */
export function textForPeople(bytes: Uint8Array, start: number, end: number, max: number): string {
  return lenient.decode(bytes.subarray(start, Math.min(end, start + max)))
}

const lenient = new TextDecoder()
