import { MessageBuffer } from './message-buffer.ts'
import {
  bucketField,
  counterField,
  gaugeField,
  helpField,
  histogramField,
  messageTypes,
  metricField,
  nameField,
  summaryField,
  typeField,
  untypedField,
  valueField,
} from './protobuf-fields.ts'

type TypeName = keyof typeof messageTypes

/* Histogram, Bucket, Summary and Quantile: numbers of fields. */
const sampleCountField = 1
const sampleSumField = 2
const quantileField = 3
const sampleCountFloatField = 4
const partNumberField = { histogram: 2, summary: 1 } as const
const quantileValueField = 2
const cumulativeCountField = 1
const cumulativeCountFloatField = 4

/** A few families as text 0.0.4 has them, as messages: what the gateway says of itself, and what was pushed. */
export function messagesOf(text: string): Uint8Array {
  const buffer = new MessageBuffer()
  let help: [name: string, text: string] = ['', '']
  let family: { name: string; type: TypeName; lines: string[] } | undefined
  const message = { start: -1 }
  const end = (): void => {
    if (family === undefined) return
    samples(buffer, family.name, family.type, family.lines)
    buffer.close(message.start)
  }
  for (const line of text.split('\n')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (kind === 'HELP') help = [name, unescaped(rest)]
    else if (kind === 'TYPE') {
      end()
      family = { name, type: rest as TypeName, lines: [] }
      message.start = buffer.openMessage()
      buffer.string(nameField, name)
      if (help[0] === name) buffer.string(helpField, help[1])
      buffer.uint(typeField, messageTypes[family.type])
    } else if (!line.startsWith('#') && line !== '') family?.lines.push(line)
  }
  end()
  return buffer.bytes.subarray(0, buffer.length)
}

/** Writes the samples of one family, as its lines have them, each a Metric. */
export function samples(buffer: MessageBuffer, name: string, type: TypeName, lines: readonly string[]): void {
  let metric = -1
  let message = -1
  const isOfParts = type === 'histogram' || type === 'summary'
  for (const line of lines) {
    const [, sample, inner = '', value = ''] = /^([^ {]+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    const [, labels = inner, edge] = (isOfParts && /^(.*?),?(?:le|quantile)="([^"]*)"$/.exec(inner)) || []
    if (metric < 0) {
      metric = buffer.open(metricField)
      const text = encoder.encode(labels)
      buffer.labels(text, 0, text.length)
      message = buffer.open(valueFields[type])
    }
    const number = numberOf(value)
    if (!isOfParts) buffer.double(valueField, number)
    else if (sample === `${name}_sum`) buffer.double(sampleSumField, number)
    else if (edge !== undefined && sample !== `${name}_count`) part(buffer, type, numberOf(edge), number)
    else countOf(buffer, number, sampleCountField, type === 'histogram' ? sampleCountFloatField : undefined)
    if (isOfParts && sample !== `${name}_count`) continue // The count stands behind all else.
    buffer.close(message)
    buffer.close(metric)
    metric = -1
  }
}

const valueFields: Readonly<Record<TypeName, number>> = {
  counter: counterField,
  gauge: gaugeField,
  summary: summaryField,
  untyped: untypedField,
  histogram: histogramField,
}

/** A bucket, or a quantile. */
function part(buffer: MessageBuffer, type: 'histogram' | 'summary', edge: number, value: number): void {
  const start = buffer.open(type === 'histogram' ? bucketField : quantileField)
  buffer.double(partNumberField[type], edge)
  if (type === 'histogram') countOf(buffer, value, cumulativeCountField, cumulativeCountFloatField)
  else buffer.double(quantileValueField, value)
  buffer.close(start)
}

/** Whoever pushes may count in fractions. */
function countOf(buffer: MessageBuffer, count: number, field: number, floatField: number | undefined): void {
  if (Number.isSafeInteger(count) && count >= 0) buffer.uint(field, count)
  else if (floatField !== undefined) buffer.double(floatField, count)
}

function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'))
}

function unescaped(help: string): string {
  return help.replaceAll(/\\([\\n])/g, (_, letter) => (letter === 'n' ? '\n' : '\\'))
}

const encoder = new TextEncoder()
