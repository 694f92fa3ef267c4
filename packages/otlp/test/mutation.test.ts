import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { jsonToProtobuf, OtlpError } from '@swansong/otlp'
import { collect } from './collect.ts'

const mutationCount = 300_000
const mutationMsMax = 10_000
const seed = Number(process.env['SEED'] ?? Date.now() % 0x1_0000_0000)

Error.stackTraceLimit = 0 // Most of what follows throws, and stacks would take most of the time.

const folder = new URL('fixtures/', import.meta.url)
const bodies = readdirSync(folder)
  .filter((name) => name.endsWith('.bin'))
  .map((name) => new Uint8Array(readFileSync(new URL(name, folder))))
const json = readFileSync(new URL('js-delta.json', folder), 'utf8')

test('every prefix of a request decodes or is refused where it is torn', () => {
  for (const body of bodies) {
    let whole = 0
    for (let length = 0; length < body.length; length++) whole += decodesOrRefuses(body.subarray(0, length))
    assert.ok(whole < 10, `${whole} of ${body.length} prefixes were taken for whole requests`)
  }
})

test('a request changed at random decodes or is refused, never more', (context) => {
  context.diagnostic(`SEED=${seed}`)
  const random = mulberry32(seed)
  const deadline = performance.now() + mutationMsMax
  let done = 0
  let decoded = 0
  while (done < mutationCount) {
    const body = mutate(bodies[done % bodies.length] as Uint8Array, random)
    if (done % 10 === 0) decoded += decodesOrRefuses(body)
    else if (typeof outcome(body) !== 'string') decoded++
    done++
    if (done % 1000 === 0 && performance.now() > deadline) break
  }
  context.diagnostic(`${done} changed requests, ${decoded} of them decoded`)
  assert.ok(done >= 1000 && decoded > 0 && decoded < done)
})

test('JSON changed at random becomes protobuf that decodes, or is refused', (context) => {
  context.diagnostic(`SEED=${seed}`)
  const random = mulberry32(seed)
  let decoded = 0
  for (let done = 0; done < 20_000; done++) {
    const text = new TextDecoder().decode(mutate(new TextEncoder().encode(json), random))
    const bytes = new TextEncoder().encode(text)
    const parses = isJson(text)
    try {
      collect(jsonToProtobuf(bytes))
      decoded++
      assert.ok(parses, `what is not JSON was taken: ${text}`)
    } catch (error) {
      assert.ok(error instanceof OtlpError, `${String(error)} for ${text}`)
      assert.ok(error.offset >= 0 && error.offset <= bytes.length)
      if (error.code === 'NOT_JSON') assert.ok(!parses, `${error.message}: ${text}`)
    }
  }
  assert.ok(decoded > 0)
})

/** 1 where it decodes. The body lies between bytes that would be seen if they were read. */
function decodesOrRefuses(body: Uint8Array): number {
  const result = outcome(between(body, 0x0a)) // A tag of each message on the way down.
  const otherResult = outcome(between(body, 0x80)) // A varint that goes on.
  assert.deepEqual(result, otherResult, 'what lies around a request changed what was read')
  return typeof result === 'string' ? 0 : 1
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function between(body: Uint8Array, canary: number): Uint8Array {
  const around = new Uint8Array(body.length + 128).fill(canary)
  around.set(body, 64)
  return around.subarray(64, 64 + body.length)
}

function outcome(body: Uint8Array): unknown {
  try {
    return collect(body)
  } catch (error) {
    assert.ok(error instanceof OtlpError, `${String(error)} for ${new Uint8Array(body).toString()}`)
    assert.ok(error.offset >= 0 && error.offset <= body.length, `${error.message}, of ${body.length}`)
    return `${error.code} ${error.message}`
  }
}

/** One to four changes: a byte set, a bit flipped, bytes taken out, bytes doubled, the end cut off. */
function mutate(bytes: Uint8Array, random: () => number): Uint8Array {
  let body = bytes.slice()
  const below = (limit: number) => Math.floor(random() * limit)
  for (let left = 1 + below(4); left > 0 && body.length > 0; left--) {
    const at = below(body.length)
    const end = Math.min(body.length, at + 1 + below(12))
    const kind = below(10)
    if (kind < 4) body[at] = below(256)
    else if (kind < 7) body[at] = (body[at] as number) ^ (1 << below(8))
    else if (kind === 7) body = joined(body.subarray(0, at), body.subarray(end))
    else if (kind === 8) body = joined(body.subarray(0, end), body.subarray(at))
    else body = body.slice(0, at)
  }
  return body
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(one.length + other.length)
  bytes.set(one)
  bytes.set(other, one.length)
  return bytes
}

function mulberry32(start: number): () => number {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
