import { sampleName, type Lines } from './lines.ts'
import { labelsText } from './names.ts'
import { escaped } from './naming.ts'
import type { Escaping } from './negotiation.ts'

/**
 * `target_info`: of each job what is kept of its resources and is the same in all of them (CONFORMANCE D12). What differs
 * tells series apart as their labels, and would make two targets of one job.
 */
export function targetInfo(lines: Lines, escaping: Escaping, isOpenMetrics: boolean): string {
  const jobs = new Map<string, Map<string, string>>()
  for (const labels of lines.resources()) {
    const job = labels.get('job')
    if (job === undefined) continue // Nobody could tell whose it is.
    const shared = jobs.get(job)
    if (shared === undefined) jobs.set(job, new Map(labels))
    else for (const [name, value] of shared) if (labels.get(name) !== value) shared.delete(name)
  }
  const name = escaped('target_info', escaping)
  let text = ''
  for (const labels of jobs.values()) {
    const told = [...labels].filter(([, value]) => value !== '')
    if (told.length > 1) text += `${sampleName(name, labelsText(told.toSorted(byName)))}1\n`
  }
  return text === '' ? '' : head(lines, name, isOpenMetrics) + text
}

/** In OpenMetrics its family is `target`, unless a worker's is. */
function head(lines: Lines, name: string, isOpenMetrics: boolean): string {
  const family = name.slice(0, -'_info'.length)
  const isInfo = isOpenMetrics && lines.shownTypeOf(family) === undefined
  const shown = isInfo ? family : name
  return `# HELP ${shown} What all processes of a job have in common.\n# TYPE ${shown} ${isInfo ? 'info' : 'gauge'}\n`
}

function byName([one]: readonly [string, string], [other]: readonly [string, string]): number {
  return one < other ? -1 : 1
}
