import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkedFamilies, encodedFamilies } from '../../../src/in/pushgateway/checked.ts'
import { deltasOf } from '../../../src/in/pushgateway/deltas.ts'
import { familiesOf } from '../../../src/in/pushgateway/families-of-body.ts'
import { groupOf } from '../../../src/in/pushgateway/group-path.ts'
import { readFamily } from '../../../src/ledger/pushed/family.ts'
import { Refusal } from '../../../src/refusal.ts'
import { mulberry32 } from '../../support/random.ts'

const type = 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited'
const limits = { labelCountMax: 64, labelValueBytesMax: 4096 }
const group = groupOf('/metrics/job/x', 4096).labels
const text =
  '# HELP s H\\n\n# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 3\ns_count 2\n' +
  '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 2\nx{y="\\"z"} -1.5e3\n'

test('whatever is pushed is refused, or is stored so that it is read again as it was', () => {
  const random = mulberry32(7)
  const below = (end: number): number => Math.floor(random() * end)
  const bodies = [Buffer.from(text), protobufOf(text)]
  let taken = 0
  for (let round = 0; round < 6000; round++) {
    const body = Buffer.from(bodies[round % 2] as Buffer)
    for (let changes = below(3); changes >= 0; changes--) body[below(body.length)] = below(256)
    try {
      const families = checkedFamilies(
        familiesOf(body, round % 2 === 0 ? undefined : type, 1000),
        group,
        limits
      )
      const stored = encodedFamilies(families)
      for (const family of families)
        assert.deepEqual(readFamily(stored.get(family.name)?.bytes as Uint8Array), family)
      deltasOf(families, group, 1_700_000_000_000)
      taken++
    } catch (error) {
      assert.ok(error instanceof Refusal, `${String(error)} of ${body.toString('base64')}`)
    }
  }
  assert.ok(taken > 500, `${taken} were taken`)
})

/** The same, as its families are stored. */
function protobufOf(body: string): Buffer {
  const families = checkedFamilies(familiesOf(Buffer.from(body), undefined, 1000), group, limits)
  const messages = [...encodedFamilies(families).values()].map(({ bytes }) => {
    assert.ok(bytes.length < 256)
    const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, 1]
    return Buffer.concat([Buffer.from(length), bytes])
  })
  return Buffer.concat(messages)
}
