import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OtlpError } from '@swansong/otlp'
import { readSpoolFile, spoolHeaderBytes, writeSpoolHeader, type SpoolHeader } from '@swansong/otlp/spool'

const header: SpoolHeader = {
  kind: 'journal',
  ended: true,
  sequence: 2 ** 53 - 1,
  owner: {
    bootId: '6f1f9b8a-0c1d-4e2f-8a3b-4c5d6e7f8091',
    pidNamespace: 4_026_531_836,
    pid: 4_194_304,
    startTicks: 2 ** 40 + 7,
  },
}

test('a spool file gives back its header and its body', () => {
  const plain = { noNullPrototype: true } as const
  const owners = fc.record(
    {
      bootId: fc.oneof(fc.uuid(), fc.constant('')),
      pidNamespace: fc.maxSafeNat(),
      pid: fc.nat(0xffffffff),
      startTicks: fc.maxSafeNat(),
    },
    plain
  )
  const headers = fc.record(
    {
      kind: fc.constantFrom<SpoolHeader['kind'][]>('journal', 'batch'),
      ended: fc.boolean(),
      sequence: fc.maxSafeNat(),
      owner: owners,
    },
    plain
  )
  fc.assert(
    fc.property(headers, fc.uint8Array(), (wanted, body) => {
      const read = readSpoolFile(spoolFile(wanted, body))
      assert.deepEqual(read.header, wanted)
      assert.deepEqual(read.body, body)
    })
  )
})

test('a header is written over whatever stood there', () => {
  const file = new Uint8Array(spoolHeaderBytes).fill(0xff)
  writeSpoolHeader(file, header, new Uint8Array(0))
  assert.deepEqual(readSpoolFile(file).header, header)
  const withoutBootId = { ...header, owner: { ...header.owner, bootId: '' } }
  writeSpoolHeader(file, withoutBootId, new Uint8Array(0))
  assert.deepEqual(readSpoolFile(file).header, withoutBootId)
})

test('no spool file with a flipped bit is taken', () => {
  const file = spoolFile(header, new TextEncoder().encode('a body'))
  for (let bit = 0; bit < file.length * 8; bit++) {
    const flipped = file.slice()
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.throws(() => readSpoolFile(flipped), isBadSpoolFile, `bit ${bit}`)
  }
})

test('no spool file that was cut short or grew is taken', () => {
  const file = spoolFile(header, new TextEncoder().encode('a body'))
  for (let length = 0; length < file.length; length++) {
    assert.throws(() => readSpoolFile(file.subarray(0, length)), isBadSpoolFile, `${length} bytes`)
  }
  const longer = new Uint8Array(file.length + 1)
  longer.set(file)
  assert.throws(() => readSpoolFile(longer), isBadSpoolFile)
})

function spoolFile(of: SpoolHeader, body: Uint8Array): Uint8Array {
  const file = new Uint8Array(spoolHeaderBytes + body.length)
  file.set(body, spoolHeaderBytes)
  writeSpoolHeader(file, of, body)
  return file
}

function isBadSpoolFile(error: unknown): boolean {
  return error instanceof OtlpError && error.code === 'BAD_SPOOL_FILE'
}
