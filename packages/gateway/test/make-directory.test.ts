import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeDirectory } from '../src/make-directory.ts'
import { temporaryDirectory } from './support/directories.ts'

test('a directory is made with all above it, each with the mode; what is there stays as it is', (context) => {
  const root = temporaryDirectory(context)
  makeDirectory(join(root, 'a', 'b', 'c'), 0o700)
  for (const path of ['a', 'a/b', 'a/b/c']) assert.equal(statSync(join(root, path)).mode & 0o777, 0o700)
  chmodSync(join(root, 'a'), 0o755)
  makeDirectory(join(root, 'a'), 0o700)
  makeDirectory(`${join(root, 'a')}/`, 0o700)
  assert.equal(statSync(join(root, 'a')).mode & 0o777, 0o755)
  mkdirSync(join(root, 'real'))
  symlinkSync('real', join(root, 'link'))
  makeDirectory(join(root, 'link'))
  makeDirectory(join(root, 'link', 'in'))
  assert.ok(statSync(join(root, 'real', 'in')).isDirectory())
})

test('where it cannot be made it says why, and does not try for ever', (context) => {
  const root = temporaryDirectory(context)
  writeFileSync(join(root, 'file'), '')
  symlinkSync('nowhere', join(root, 'dangling'))
  for (const [path, code] of [
    ['/proc/x', 'ENOENT'],
    ['/proc/x/y/z', 'ENOENT'],
    ['/proc/self/x', 'ENOENT'],
    [join(root, 'file'), 'EEXIST'],
    [join(root, 'file', 'in'), 'ENOTDIR'],
    [join(root, 'dangling'), 'EEXIST'],
  ] as const)
    assert.throws(() => makeDirectory(path), { code }, path)
})
