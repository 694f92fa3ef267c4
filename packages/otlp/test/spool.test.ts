import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { OtlpError } from '@swansong/otlp'
import {
  patchFrameBytes,
  readSpoolFile,
  spoolHeaderBytes,
  writePatch,
  writeSpoolHeader,
  type SpoolHeader,
} from '@swansong/otlp/spool'

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

test('no spool file that was cut short is taken, and no batch that grew', () => {
  const file = spoolFile({ ...header, kind: 'batch' }, new TextEncoder().encode('a body'))
  for (let length = 0; length < file.length; length++) {
    assert.throws(() => readSpoolFile(file.subarray(0, length)), isBadSpoolFile, `${length} bytes`)
  }
  const longer = new Uint8Array(file.length + 1)
  longer.set(file)
  assert.throws(() => readSpoolFile(longer), isBadSpoolFile)
})

test('a header is the bytes that the format says', () => {
  const { buffer } = spoolFile(header, Uint8Array.of(1, 2), Uint8Array.of(9))
  const words = [...new Uint32Array(buffer, 0, 24)].map((word) => word.toString(16).padStart(8, '0'))
  const want = [
    '4e415753 474e4f53 01010001 00000002', // Magic, version, kind, state, length.
    '00060004 00400000 ffffffff 001fffff', // The body's checksum, pid, sequence.
    '8a9b1f6f 2f4e1d0c 5d4c3b8a 91807f6e',
    'effffffc 00000000 00000007 00000100', // The pid namespace, the start.
    '00000001 000a000a 00000000 00000000', // The baseline's length and checksum.
    '00000000 00000000 00000000 51a112a4',
  ]
  assert.equal(words.join(' '), want.join(' '))
})

test('a baseline stands before the body', () => {
  const [body, baseline] = [new TextEncoder().encode('a body'), new TextEncoder().encode('what it began at')]
  const file = spoolFile(header, body, baseline)
  const read = readSpoolFile(file.slice())
  assert.deepEqual([read.header, read.body, read.baseline], [header, body, baseline])
  for (let at = spoolHeaderBytes; at < file.length; at++) {
    const flipped = file.slice()
    flipped[at] = (flipped[at] as number) ^ 1
    assert.throws(() => readSpoolFile(flipped), isBadSpoolFile, `byte ${at}`)
  }
})

test('a patch is the bytes that the format says', () => {
  const into = new Uint8Array(20).fill(0xee)
  assert.equal(writePatch(into, 3, Uint8Array.of(0, 7, 8, 0), 1, 3), 14)
  const check = [0x15, 0x00, 0x4a, 0x00]
  const after = Array.from({ length: 6 }, () => 0xee)
  assert.deepEqual([...into], [3, 0, 0, 0, 2, 0, 0, 0, 7, 8, ...check, ...after])
})

/** What a journal's body is after some patches, and the file that says so. */
function patched(body: Uint8Array, patches: readonly { start: number; bytes: Uint8Array }[]): PatchedFile {
  const parts = [spoolFile({ ...header, sequence: 5 }, body)]
  const bodies = [body.slice()]
  for (const { start, bytes } of patches) {
    const before = bodies.at(-1) as Uint8Array
    const where = Math.min(start, before.length)
    const now = new Uint8Array(Math.max(before.length, where + bytes.length))
    now.set(before)
    now.set(bytes, where)
    bodies.push(now)
    const patch = new Uint8Array(bytes.length + patchFrameBytes)
    assert.equal(writePatch(patch, where, bytes, 0, bytes.length), patch.length)
    parts.push(patch)
  }
  const ends = parts.map((_, at) => parts.slice(0, at + 1).reduce((sum, part) => sum + part.length, 0))
  return { file: new Uint8Array(Buffer.concat(parts)), bodies, ends }
}

interface PatchedFile {
  file: Uint8Array
  /** The body after so many patches. */
  bodies: Uint8Array[]
  /** Where the file ends with so many patches. */
  ends: number[]
}

/** Within the body, or at its end, wherever that is by then. */
const patchesOf = (bodyBytes: number): fc.Arbitrary<{ start: number; bytes: Uint8Array }[]> =>
  fc.array(
    fc.oneof(
      fc
        .nat(bodyBytes)
        .chain((start) =>
          fc.record({ start: fc.constant(start), bytes: fc.uint8Array({ maxLength: bodyBytes - start }) })
        ),
      fc.record({ start: fc.constant(Infinity), bytes: fc.uint8Array({ maxLength: 20 }) })
    ),
    { maxLength: 8 }
  )

test('patches change the body, or make it longer, and grow the sequence, wherever the file is cut', () => {
  const bodies = fc.uint8Array({ minLength: 1, maxLength: 40 })
  const cases = bodies.chain((body) => fc.tuple(fc.constant(body), patchesOf(body.length), fc.nat()))
  fc.assert(
    fc.property(cases, ([body, patches, where]) => {
      const { file, bodies: wanted, ends } = patched(body, patches)
      const first = ends[0] as number
      const length = first + (where % (file.length - first + 1))
      const whole = ends.filter((end) => end <= length).length - 1
      const read = readSpoolFile(file.slice(0, length))
      assert.deepEqual(read.body, wanted[whole])
      assert.equal(read.header.sequence, 5 + whole)
    })
  )
})

test('a patch with a flipped bit is not applied, nor any behind it', () => {
  const patches = [1, 2, 3].map((value) => ({ start: value, bytes: Uint8Array.of(value, value) }))
  const { file, bodies, ends } = patched(new Uint8Array(8), patches)
  for (let bit = (ends[0] as number) * 8; bit < file.length * 8; bit++) {
    const flipped = file.slice()
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
    const before = ends.filter((end) => end <= bit >> 3).length - 1
    const read = readSpoolFile(flipped)
    assert.deepEqual(
      [read.header.sequence, [...read.body]],
      [5 + before, [...(bodies[before] as Uint8Array)]]
    )
  }
})

test('a patch across the end of the body, or past it, is none, and neither are zeros', () => {
  const body = Uint8Array.of(1, 2, 3)
  const across = new Uint8Array(14)
  const past = new Uint8Array(14)
  writePatch(across, 2, Uint8Array.of(8, 9), 0, 2)
  writePatch(past, 4, Uint8Array.of(8, 9), 0, 2)
  for (const more of [across, past, new Uint8Array(100)]) {
    const read = readSpoolFile(Buffer.concat([spoolFile(header, body), more]))
    assert.deepEqual([read.header.sequence, [...read.body]], [header.sequence, [1, 2, 3]])
  }
})

function spoolFile(of: SpoolHeader, body: Uint8Array, baseline = new Uint8Array(0)): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(spoolHeaderBytes + baseline.length + body.length)
  file.set(baseline, spoolHeaderBytes)
  file.set(body, spoolHeaderBytes + baseline.length)
  writeSpoolHeader(file, of, body, baseline)
  return file
}

function isBadSpoolFile(error: unknown): boolean {
  return error instanceof OtlpError && error.code === 'BAD_SPOOL_FILE'
}
