import { Writer } from '@swansong/otlp/wire'

/** Two MetricFamily messages, each behind its length, as client libraries write them. `stamped`: one has a timestamp. */
export function delimited(which: 'right' | 'stamped'): Uint8Array {
  const writer = new Writer()
  const families = [
    family('pb_total', 0, 3, which === 'stamped'),
    family('pb_level', 1, 2, false),
    histogram(),
  ]
  for (const bytes of families) {
    writer.varint(bytes.length)
    writer.raw(bytes)
  }
  return writer.finish()
}

function family(name: string, type: number, field: number, isStamped: boolean): Uint8Array {
  const writer = new Writer()
  writer.string(1, name)
  writer.string(2, 'Help.')
  writer.uint(3, type)
  const metric = writer.open(4)
  const label = writer.open(1)
  writer.string(1, 'a')
  writer.string(2, 'b')
  writer.close(label)
  const value = writer.open(field)
  writer.double(1, 4.5)
  writer.close(value)
  if (isStamped) writer.int64(6, 1_700_000_000_000)
  writer.close(metric)
  return writer.finish()
}

function histogram(): Uint8Array {
  const writer = new Writer()
  writer.string(1, 'pb_seconds')
  writer.uint(3, 4)
  const metric = writer.open(4)
  const value = writer.open(7)
  writer.uint(1, 3)
  writer.double(2, 1.5)
  for (const [count, bound] of [
    [1, 0.5],
    [3, 1],
  ] as const) {
    const bucket = writer.open(3)
    writer.uint(1, count)
    writer.double(2, bound)
    writer.close(bucket)
  }
  writer.close(value)
  writer.close(metric)
  return writer.finish()
}
