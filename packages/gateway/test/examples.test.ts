import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { keys } from '../src/config/schema.ts'

const root: string = join(import.meta.dirname, '..', '..', '..')

/** `--data-dir` → its key. */
const flags = new Map(
  keys.flatMap((key) => (key.flag === undefined ? [] : [[key.flag[0].split(' ')[0], key]]))
)

test('every `swansong gateway` in the examples and the documents has flags that there are, and values that they take', () => {
  let count = 0
  for (const file of globSync(['README.md', 'docs/*.md', 'packages/*/README.md', 'examples/**/*.*'], {
    cwd: root,
  })) {
    if (/node_modules|\.venv/.test(file)) continue
    const text = readFileSync(join(root, file), 'utf8').replaceAll(/\\\n\s*/g, '')
    for (const [, told = ''] of text.matchAll(/swansong gateway((?: +--?[\w-]+(?:[= ][^\s`-][^\s`]*)?)+)/g)) {
      for (const [, flag = '', value] of told.matchAll(/(--[\w-]+)(?:[= ]([^\s-]\S*))?/g)) {
        check(file, flag, value)
        count++
      }
    }
  }
  assert.ok(count >= 10, `${count} flags were found`)
})

interface DaemonSet {
  spec: {
    selector: { matchLabels: Record<string, string> }
    template: { metadata: { labels: Record<string, string> }; spec: PodSpec }
  }
}

interface PodSpec {
  hostPID: boolean
  containers: Container[]
  volumes: { name: string; hostPath: { path: string } }[]
}

interface Container {
  args: string[]
  ports: { name: string; containerPort: number }[]
  volumeMounts: { name: string; mountPath: string }[]
  readinessProbe: { httpGet: { path: string; port: string } }
}

test('the DaemonSet gives the gateway flags that there are, and what it names is there', () => {
  const file = join(root, 'examples', 'kubernetes', 'daemonset.yaml')
  const { spec } = parse(readFileSync(file, 'utf8')) as DaemonSet
  const { template } = spec
  assert.deepEqual(template.metadata.labels, spec.selector.matchLabels)
  const [container] = template.spec.containers
  assert.ok(container !== undefined)
  const { args, ports, volumeMounts, readinessProbe } = container
  assert.equal(args[0], 'gateway')
  for (const arg of args.slice(1)) check(file, ...(arg.split(/=(.*)/, 2) as [string, string]))
  for (const { name, containerPort } of ports)
    assert.ok(
      args.some((arg) => arg === `--${name}=0.0.0.0:${containerPort}`),
      name
    )
  assert.ok(ports.some(({ name }) => name === readinessProbe.httpGet.port))
  assert.deepEqual(
    volumeMounts.map(({ name, mountPath }) => [name, mountPath]),
    template.spec.volumes.map(({ name, hostPath }) => [name, hostPath.path])
  )
  for (const { mountPath } of volumeMounts)
    assert.ok(
      args.some((arg) => arg.endsWith(`-dir=${mountPath}`)),
      mountPath
    )
  assert.equal(template.spec.hostPID, true)
})

function check(file: string, flag: string, value: string | undefined): void {
  if (['--config', '--adopt', '--help'].includes(flag)) return
  const key = flags.get(flag)
  assert.ok(key !== undefined, `${file}: swansong gateway has no ${flag}`)
  // DIR/swansong.prom stands for a value, and so does a shell's variable.
  if (value === undefined || /^[A-Z]+(?:\/|$)|\$/.test(value)) return
  assert.doesNotThrow(() => key.type.parse(value), `${file}: ${flag} ${value}`)
}
