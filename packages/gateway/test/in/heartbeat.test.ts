import assert from 'node:assert/strict'
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Heartbeat } from '@swansong/otlp/spool'
import { beat, claimSpool, requireQuiet, SpoolDirError } from '../../src/in/heartbeat.ts'
import { makePipe, temporaryDirectory } from '../support/directories.ts'

function heartbeatIn(directory: string): Heartbeat {
  return JSON.parse(readFileSync(join(directory, 'heartbeat.json'), 'utf8')) as Heartbeat
}

function writeHeartbeat(directory: string, heartbeat: Partial<Heartbeat>): void {
  const whole = { ledger: 'other', at: Date.now(), pid: 7, host: 'there', stopped: false, fileBytesMax: 1 }
  writeFileSync(join(directory, 'heartbeat.json'), JSON.stringify({ ...whole, ...heartbeat }))
}

test('a spool is made for anyone to put files in, for nobody else to list, and says who takes it up', (context) => {
  const directory = join(temporaryDirectory(context), 'a', 'spool')
  claimSpool(directory, 'mine', 1000)
  assert.equal(statSync(directory).mode & 0o7777, 0o3733)
  const { at, ...rest } = heartbeatIn(directory)
  assert.ok(Math.abs(Date.now() - at) < 5000)
  const { host, ...others } = rest
  assert.notEqual(host, '')
  assert.deepEqual(others, { ledger: 'mine', pid: process.pid, stopped: false, fileBytesMax: 1000 })
  assert.equal(statSync(join(directory, 'heartbeat.json')).mode & 0o777, 0o644)
  assert.deepEqual(readdirSync(directory), ['heartbeat.json'])
})

test('a directory that is there gets the mode too', (context) => {
  const directory = join(temporaryDirectory(context), 'spool')
  mkdirSync(directory, { mode: 0o700 })
  claimSpool(directory, 'mine', 1000)
  assert.equal(statSync(directory).mode & 0o7777, 0o3733)
})

test('a spool that another ledger takes up is refused, one that it left is not', (context) => {
  const check = (heartbeat: Partial<Heartbeat>, isRefused: boolean): void => {
    const directory = temporaryDirectory(context)
    writeHeartbeat(directory, heartbeat)
    if (!isRefused) {
      claimSpool(directory, 'mine', 1000)
      assert.equal(heartbeatIn(directory).ledger, 'mine')
      return
    }
    assert.throws(
      () => claimSpool(directory, 'mine', 1000),
      (error) => {
        assert.ok(error instanceof SpoolDirError)
        assert.match(error.message, /another gateway, pid 7 on there, with another ledger; .*--spool-dir/)
        return true
      }
    )
    assert.equal(heartbeatIn(directory).ledger, 'other', 'and is left as it was')
  }
  check({}, true)
  check({ at: Date.now() - 30_000 }, true)
  check({ at: Date.now() - 120_000 }, false)
  check({ stopped: true }, false)
  check({ ledger: 'mine' }, false) // This ledger's own, before a crash.
})

test('a heartbeat that nobody can read is none', (context) => {
  for (const text of ['', 'null', '7', '{}', '"x"', '[1]', '{"ledger":5,"at":"x"}']) {
    const directory = temporaryDirectory(context)
    writeFileSync(join(directory, 'heartbeat.json'), text)
    claimSpool(directory, 'mine', 1000)
    assert.equal(heartbeatIn(directory).ledger, 'mine', text)
  }
})

test('a heartbeat that is a pipe is not waited for', (context) => {
  const directory = temporaryDirectory(context)
  makePipe(join(directory, 'heartbeat.json'))
  claimSpool(directory, 'mine', 1000)
  assert.equal(heartbeatIn(directory).ledger, 'mine')
})

test('a directory that cannot be one is refused with the reason', (context) => {
  const file = join(temporaryDirectory(context), 'file')
  writeFileSync(file, '')
  assert.throws(
    () => claimSpool(file, 'mine', 1),
    /^SpoolDirError: the spool directory \S+ cannot be used: E[A-Z]+: .*; .* give another --spool-dir$/
  )
})

test('links that others put in the way of the heartbeat are not followed', (context) => {
  const directory = temporaryDirectory(context)
  const target = join(temporaryDirectory(context), 'precious')
  writeFileSync(target, 'precious')
  symlinkSync(target, join(directory, `.heartbeat.json.${process.pid}`))
  symlinkSync(target, join(directory, 'heartbeat.json'))
  claimSpool(directory, 'mine', 1)
  beat(directory, 'mine', 1, true)
  assert.equal(readFileSync(target, 'utf8'), 'precious')
  assert.ok(lstatSync(join(directory, 'heartbeat.json')).isFile())
  assert.equal(heartbeatIn(directory).stopped, true)
})

test('a directory that is gone stops no heartbeat from being tried again', (context) => {
  const directory = join(temporaryDirectory(context), 'spool')
  claimSpool(directory, 'mine', 1)
  rmSync(directory, { recursive: true })
  beat(directory, 'mine', 1, false)
})

test('before a copy is adopted it is waited whether a gateway still beats; what one left that is gone is no hindrance', async (context) => {
  const [lives, gone, none] = [0, 1, 2].map(() => temporaryDirectory(context)) as [string, string, string]
  writeHeartbeat(lives, {})
  writeHeartbeat(gone, { at: Date.now() - 30_000 })
  const said: string[] = []
  const say = (notice: string): void => void said.push(notice)
  await requireQuiet([none], say, 60_000) // Nothing is waited for.
  for (const heartbeat of [{ stopped: true }, { at: Date.now() - 120_000 }]) {
    writeHeartbeat(none, heartbeat)
    await requireQuiet([none], say, 60_000)
  }
  assert.deepEqual(said, [])
  await requireQuiet([gone, none], say, 300)
  assert.equal(said.length, 1)
  assert.match(said[0] ?? '', /is of pid 7 on there: waiting/)
  claimSpool(gone, 'mine', 1000)
  const beating = setInterval(() => writeHeartbeat(lives, { at: Date.now() }), 20)
  context.after(() => clearInterval(beating))
  await assert.rejects(requireQuiet([none, lives], say, 60_000), (error) => {
    assert.ok(error instanceof SpoolDirError)
    assert.match(error.message, /another gateway, pid 7 on there; nothing was adopted: stop that one, or/)
    return true
  })
  assert.equal(heartbeatIn(lives).ledger, 'other')
})
