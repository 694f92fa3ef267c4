import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import type { Owner } from '@swansong/otlp/spool'
import { ownerWatch } from '../../src/in/owner.ts'
import { temporaryDirectory } from '../support/directories.ts'
import { ownerOf, startJob } from '../support/jobs.ts'

const bootId = '7b8ee5a3-8f3b-4a39-ae0e-2b2b0a6b6c11'
const namespace = 4_026_531_836

/** A /proc with one process: its name is as bad as a name can be. */
function fakeProc(context: TestContext, state: string): string {
  const proc = temporaryDirectory(context)
  mkdirSync(join(proc, 'sys/kernel/random'), { recursive: true })
  writeFileSync(join(proc, 'sys/kernel/random/boot_id'), `${bootId}\n`)
  mkdirSync(join(proc, 'self/ns'), { recursive: true })
  symlinkSync(`pid:[${namespace}]`, join(proc, 'self/ns/pid'))
  mkdirSync(join(proc, '42'))
  const before = `42 (a) S (b ) R 1) ${state} 1 42 42 0 -1 4194560 100 0 0 0 1 2 3 4 20 0 1 0 `
  writeFileSync(join(proc, '42/stat'), `${before}98765 1000000 200 18446744073709551615\n`)
  return proc
}

const owner: Owner = { bootId, pidNamespace: namespace, pid: 42, startTicks: 98_765 }

test('a process is told from a dead one, a later one, one before a reboot and one elsewhere', (context) => {
  const lifeOf = ownerWatch(fakeProc(context, 'S'))
  const check = (change: Partial<Owner>, want: string): void => {
    assert.equal(lifeOf({ ...owner, ...change }), want)
  }
  check({}, 'alive')
  check({ pid: 43 }, 'dead')
  check({ startTicks: 98_764 }, 'dead') // Its pid was given to another.
  check({ bootId: '00000000-0000-0000-0000-000000000001' }, 'dead')
  check({ pidNamespace: namespace + 1 }, 'unknown')
  check({ pidNamespace: 0 }, 'unknown')
  check({ bootId: '00000000-0000-0000-0000-000000000001', pidNamespace: namespace + 1 }, 'dead')
})

test('a process that is dead and only not waited for is dead, any other lives', (context) => {
  const check = (state: string, want: string): void => {
    assert.equal(ownerWatch(fakeProc(context, state))(owner), want, state)
  }
  check('R', 'alive')
  check('D', 'alive')
  check('T', 'alive')
  check('Z', 'dead')
  check('X', 'dead')
})

test('without a /proc the pid is all there is to go by', (context) => {
  const lifeOf = ownerWatch(join(temporaryDirectory(context), 'none'))
  const unknown: Owner = { bootId: '', pidNamespace: 0, pid: process.pid, startTicks: 0 }
  assert.equal(lifeOf(unknown), 'alive')
  assert.equal(lifeOf({ ...unknown, pid: 2 ** 22 + 1 }), 'dead')
})

test('this process lives; a child that was killed is dead', async (context) => {
  const lifeOf = ownerWatch()
  assert.equal(lifeOf(ownerOf(process.pid)), 'alive')
  assert.equal(lifeOf({ ...ownerOf(process.pid), startTicks: 1 }), 'dead')
  const child = startJob('wait', [])
  context.after(() => child.kill('SIGKILL'))
  await child.saw('here')
  const childOwner = ownerOf(child.pid)
  assert.equal(lifeOf(childOwner), 'alive')
  child.kill('SIGKILL')
  await child.ended
  assert.equal(lifeOf(childOwner), 'dead')
})
