import type { Label } from '../../ledger/pushed/family.ts'
import { groupKey } from '../../ledger/pushed/groups.ts'
import { Refusal } from '../../refusal.ts'

const prefix = '/metrics/'
const base64Suffix = '@base64'
const labelNamePattern = /^[a-zA-Z_][a-zA-Z0-9_]*$/

/** A grouping key: what a push replaces. */
export interface GroupPath {
  /** In the order of their names. */
  labels: readonly Label[]
  /** What the group is known by. */
  key: string
  /** What patterns are matched against: `job/nightly/shard/3`, the labels behind the job in the order of their names. */
  name: string
}

/**
 * The group of a path: `/metrics/job/J/LABEL/VALUE…`, where a name with `@base64` has a value in URL-safe base64, padded or
 * not, `=` for an empty one (CONFORMANCE H2). Throws NOT_FOUND for another path, BAD_PUSH for one that names no group.
 */
export function groupOf(path: string, labelValueBytesMax: number): GroupPath {
  const rest = path.startsWith(prefix) ? path.slice(prefix.length) : ''
  const slash = rest.indexOf('/')
  const first = slash < 0 ? rest : rest.slice(0, slash)
  if (first !== 'job' && first !== `job${base64Suffix}`) {
    throw new Refusal(
      'NOT_FOUND',
      `there is nothing at ${path.slice(0, 200)}: push to /metrics/job/JOB, with /LABEL/VALUE behind it for more labels`
    )
  }
  const parts = slash < 0 ? [first] : rest.split('/')
  const labels = new Map<string, string>()
  // As `/metrics/job/some/` has an empty part at its end, which stands for nothing.
  if (parts.length % 2 === 1 && parts.length > 1 && parts.at(-1) === '') parts.pop()
  if (parts.length % 2 === 1)
    throw bad(`after /metrics there must be pairs of a label and its value, and ${path} has half of one`)
  for (let at = 0; at < parts.length; at += 2)
    addLabel(labels, parts[at] as string, parts[at + 1] as string, labelValueBytesMax)
  const job = labels.get('job') ?? ''
  if (job === '') throw bad('the job is empty; name it in the path, as /metrics/job/backup')
  const sorted = [...labels.keys()].toSorted().map((name) => ({ name, value: labels.get(name) as string }))
  const others = sorted.filter(({ name }) => name !== 'job')
  const name = ['job', job, ...others.flatMap((label) => [label.name, label.value])].join('/')
  return { labels: sorted, key: groupKey(sorted), name }
}

function addLabel(labels: Map<string, string>, written: string, raw: string, bytesMax: number): void {
  const isBase64 = written.endsWith(base64Suffix)
  const name = isBase64 ? written.slice(0, -base64Suffix.length) : written
  if (!labelNamePattern.test(name) || name.startsWith('__'))
    throw bad(`${JSON.stringify(name)} is no name of a label; write letters, digits and _`)
  // As in the gateway that this stands for, the job in the path is the job, whatever else calls itself so.
  if (name === 'job' && labels.has('job')) return
  const value = isBase64 ? decodedBase64(raw) : decodedPart(raw)
  if (Buffer.byteLength(value) > bytesMax)
    throw bad(`the value of ${name} is over the limit of ${bytesMax} bytes`)
  labels.set(name, value)
}

function decodedPart(raw: string): string {
  try {
    return decodeURIComponent(raw)
  } catch (cause) {
    throw new Refusal('BAD_PUSH', `${JSON.stringify(raw.slice(0, 100))} is no URL's text`, { cause })
  }
}

function decodedBase64(raw: string): string {
  const digits = decodedPart(raw).replace(/=+$/, '')
  if (!/^[A-Za-z0-9_-]*$/.test(digits) || digits.length % 4 === 1)
    throw bad(`${JSON.stringify(raw.slice(0, 100))} is no base64; write the URL-safe one, with - and _`)
  try {
    return utf8.decode(Buffer.from(digits, 'base64url'))
  } catch (cause) {
    throw new Refusal('BAD_PUSH', `the label in ${JSON.stringify(raw.slice(0, 100))} is not UTF-8`, { cause })
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function bad(message: string): Refusal {
  return new Refusal('BAD_PUSH', message)
}
