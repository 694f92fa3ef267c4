import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Owner } from '@swansong/otlp/spool'
import { ownerWatch } from '../../src/in/owner.ts'
import { temporaryDirectory } from '../support/directories.ts'
import { FakeProc } from '../support/fake-proc.ts'
import { ownerOf, startJob } from '../support/jobs.ts'

const bootId = '7b8ee5a3-8f3b-4a39-ae0e-2b2b0a6b6c11'
const otherBoot = '00000000-0000-0000-0000-000000000001'
/** A container's namespace, another's, and the one of the machine, which all others are within. */
const [namespace, inner, machine] = [4_026_532_500, 4_026_532_777, 4_026_531_836]
const owner: Owner = { bootId, pidNamespace: namespace, pid: 42, startTicks: 98_765 }
const innerOwner: Owner = { ...owner, pidNamespace: inner, pid: 7 }
const bootMs = 1_700_000_000_000

test('a process is told from a dead one, a later one, and one before a reboot', (context) => {
  const proc = new FakeProc(context, bootId, namespace)
  proc.add({ pid: 42 })
  const lifeOf = ownerWatch({ procDir: proc.directory })
  const check = (change: Partial<Owner>, want: string, touchedMs = bootMs + 1): void => {
    assert.equal(lifeOf({ ...owner, ...change }, touchedMs), want)
  }
  check({}, 'alive')
  check({ pid: 43 }, 'dead')
  check({ startTicks: 98_764 }, 'dead') // Its pid was given to another.
  check({ bootId: otherBoot }, 'dead', bootMs - 1)
  check({ bootId: otherBoot, pidNamespace: inner }, 'dead', bootMs - 1)
  check({ bootId: otherBoot }, 'unknown') // A virtual machine of its own that shares the directory.
  check({ bootId: '' }, 'unknown') // Some sandbox that has no boot id, and pids of its own.
  proc.boot(bootMs / 1000 + 60) // The clock was set, and with it when this boot was.
  check({ bootId: otherBoot }, 'dead')
})

test('a process that is dead and only not waited for is dead, any other lives', (context) => {
  const check = (state: string, want: string): void => {
    const proc = new FakeProc(context, bootId, namespace)
    proc.add({ pid: 42, state })
    proc.add({ pid: 500, state, pids: [500, 7], namespace: inner })
    proc.add({ pid: 501, pids: [501, 1], startTicks: 5, namespace: inner })
    const lifeOf = ownerWatch({ procDir: proc.directory })
    assert.equal(lifeOf(owner, 0), want, state)
    assert.equal(lifeOf(innerOwner, 0), want, `${state}, in a namespace of its own`)
  }
  check('R', 'alive')
  check('D', 'alive')
  check('T', 'alive')
  check('Z', 'dead')
  check('X', 'dead')
})

test('a process of a namespace within ours is found by the pid that it has there', (context) => {
  const proc = new FakeProc(context, bootId, namespace)
  let now = 0
  const lifeOf = ownerWatch({ procDir: proc.directory, clock: () => now })
  proc.add({ pid: 500, pids: [500, 7], namespace: inner })
  proc.add({ pid: 501, pids: [501, 7], namespace: inner + 1 }) // The same pid and start elsewhere.
  proc.add({ pid: 502, pids: [502, 1], startTicks: 5, namespace: inner })
  assert.equal(lifeOf(innerOwner, 0), 'alive')
  proc.remove(500)
  assert.equal(lifeOf(innerOwner, 0), 'dead')
  proc.add({ pid: 500, pids: [500, 7], startTicks: 98_999, namespace: inner }) // Both pids were given to another.
  now += 60_000
  assert.equal(lifeOf(innerOwner, 0), 'dead')
  assert.equal(lifeOf({ ...innerOwner, startTicks: 98_999 }, 0), 'alive')
  // One that is born after all were looked through is no dead one: it is looked for again.
  proc.add({ pid: 503, pids: [503, 9], namespace: inner })
  const born = { ...innerOwner, pid: 9 }
  now += 1
  assert.equal(lifeOf(born, 0), 'unknown')
  now += 60_000
  assert.equal(lifeOf(born, 0), 'alive')
  now += 60_000
  assert.equal(lifeOf({ ...innerOwner, pid: 8 }, 0), 'dead', 'others of its namespace are seen')
})

test('a process of a namespace that cannot be seen is unknown; on the machine itself all can be', (context) => {
  const check = (of: number, want: string, add: (proc: FakeProc) => void = () => {}): void => {
    const proc = new FakeProc(context, bootId, of)
    proc.add({ pid: 500, pids: [500, 7], startTicks: 5, namespace: inner + 1 })
    add(proc)
    const lifeOf = ownerWatch({ procDir: proc.directory })
    assert.equal(lifeOf(innerOwner, 0), want)
    assert.equal(lifeOf(innerOwner, 0), want)
  }
  check(namespace, 'unknown')
  check(machine, 'dead')
  // What we may not ask for its namespace is taken for it only where it would be seen.
  const alike = (proc: FakeProc): void => proc.add({ pid: 501, pids: [501, 7] })
  check(namespace, 'unknown', alike)
  check(machine, 'alive', alike)
  // What we may not read may be the one.
  const closed = (proc: FakeProc): void => {
    proc.add({ pid: 502, pids: [502, 1], namespace: inner })
    proc.add({ pid: 501, pids: [501, 7] })
    proc.close(501)
  }
  check(namespace, 'unknown', closed)
  check(machine, 'unknown', closed)
})

test('a /proc that hides the processes of others tells nothing of them', (context) => {
  const proc = new FakeProc(context, bootId, namespace)
  proc.remove(1)
  proc.add({ pid: 500, pids: [500, 1], namespace: inner })
  const lifeOf = ownerWatch({ procDir: proc.directory })
  assert.equal(lifeOf({ ...owner, pid: process.ppid }, 0), 'unknown') // It runs, and that is all.
  assert.equal(lifeOf({ ...owner, pid: 2 ** 22 + 1 }, 0), 'dead')
  assert.equal(lifeOf(innerOwner, 0), 'unknown')
  proc.close(1)
  assert.equal(lifeOf({ ...owner, pid: 1 }, 0), 'unknown')
})

test('without a /proc the pid is all there is to go by', (context) => {
  const lifeOf = ownerWatch({ procDir: join(temporaryDirectory(context), 'none') })
  const unknown: Owner = { bootId: '', pidNamespace: 0, pid: process.pid, startTicks: 0 }
  assert.equal(lifeOf(unknown, 0), 'alive')
  assert.equal(lifeOf({ ...unknown, pid: 2 ** 22 + 1 }, 0), 'dead')
  assert.equal(lifeOf({ ...unknown, bootId }, 0), 'unknown')
})

test('this process lives; a child that was killed is dead', async (context) => {
  const lifeOf = ownerWatch()
  assert.equal(lifeOf(ownerOf(process.pid), 0), 'alive')
  assert.equal(lifeOf({ ...ownerOf(process.pid), startTicks: 1 }, 0), 'dead')
  const child = startJob('wait', [])
  context.after(() => child.kill('SIGKILL'))
  await child.saw('here')
  const childOwner = ownerOf(child.pid)
  assert.equal(lifeOf(childOwner, 0), 'alive')
  child.kill('SIGKILL')
  await child.ended
  assert.equal(lifeOf(childOwner, 0), 'dead')
})
