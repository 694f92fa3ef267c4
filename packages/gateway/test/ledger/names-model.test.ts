import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Metric } from '@swansong/otlp'
import fc from 'fast-check'
import { completeConfig } from '../../src/config/config.ts'
import { PushDesk } from '../../src/in/pushgateway/desk.ts'
import { familiesOf } from '../../src/in/pushgateway/families-of-body.ts'
import { groupOf } from '../../src/in/pushgateway/group-path.ts'
import { exponentialPoint, gauge, histogram, post, sum, time, worker } from '../support/kinds.ts'
import { written } from '../support/ledgers.ts'
import { familiesOf as readFamilies } from '../support/metric-families.ts'
import { Turned } from '../support/scrapers.ts'

/*
 * One name, told as metrics of every kind and pushed as families of every type, while series end and gateways start again: what is
 * shown is of one type, no line stands twice, and what was accepted is there.
 */

const ttlMs = 60_000
const { limits } = completeConfig()

const kinds: Readonly<Record<string, Metric>> = {
  counter: sum({ asInt: 3 }, 1, true, 'x'),
  upDownCounter: sum({ asInt: 3 }, 1, false, 'x'),
  gauge: gauge(3, time, 'x'),
  'gauge of a count': gauge(3, time, 'x_count'),
  'gauge of a total': gauge(3, time, 'x_total'),
  histogram: histogram({ count: 3, sum: 1, bucketCounts: [3], explicitBounds: [] }, 1, 'x'),
  exponential: {
    name: 'x',
    exponentialHistogram: {
      aggregationTemporality: 1,
      dataPoints: [{ timeUnixNano: time, ...exponentialPoint([1, 1, 1], 0) }],
    },
  },
}
const scope = 'otel_scope_name="test"'
const families: Readonly<Record<string, string>> = {
  counter: `# TYPE x_total counter\nx_total{${scope}} 7\nx_total 7\n`,
  gauge: `# TYPE x gauge\nx{${scope}} 7\nx 7\n`,
  untyped: `x{${scope}} 7\n`,
  histogram: `# TYPE x histogram\nx_bucket{${scope},le="+Inf"} 7\nx_sum{${scope}} 7\nx_count{${scope}} 7\n`,
  summary: `# TYPE x summary\nx_sum{${scope}} 7\nx_count{${scope}} 7\n`,
  nothing: '',
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('tell' as const), what: fc.constantFrom(...Object.keys(kinds)) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('push' as const),
      what: fc.constantFrom(...Object.keys(families)),
      path: fc.constantFrom('job/jobs', `job/jobs/otel_scope_name/test`, 'job/other'),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(ttlMs / 2, ttlMs * 2) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('restart' as const),
      how: fc.constantFrom('stopped' as const, 'killed' as const),
    }),
  }
)

/** A label without a value is none. */
function named(line: string): string {
  return line.replaceAll(/[a-z_]+="",?/g, '').replace(',}', '}')
}

class Run {
  readonly turned = new Turned(0, { ttl: { seriesTtlMs: ttlMs, gaugeTtlMs: ttlMs } })
  #workers = 0

  /** Lines without their values, after it was looked that all is as it should be. */
  shown(): Set<string> {
    const lines = new Set<string>()
    const heads = new Set<string>()
    for (const format of ['openmetrics-1.0', 'text-0.0.4'] as const) {
      lines.clear()
      heads.clear()
      for (const text of written(this.turned.opened, format).toString().split('\n')) {
        if (text === '' || text.startsWith('# HELP')) continue
        if (format === 'openmetrics-1.0' && text.startsWith('#')) continue // There a counter's family is called without its _total.
        const isHead = text.startsWith('# TYPE')
        const key = isHead ? (text.split(' ')[2] as string) : named(text.slice(0, text.lastIndexOf(' ')))
        const known = isHead ? heads : lines
        assert.ok(!known.has(key), `${format}: ${key} stands twice`)
        known.add(key)
      }
    }
    const names = readFamilies(written(this.turned.opened, 'protobuf')).map(({ name }) => name)
    assert.equal(new Set(names).size, names.length, names.join())
    return lines
  }

  /** False where it was refused. */
  async tell(kind: string): Promise<boolean> {
    const message = await post(this.turned.opened, [kinds[kind] as Metric], worker(`${++this.#workers}`))
    if (message !== '') assert.match(message, /another kind of metric has this name/)
    return message === ''
  }

  push(type: string, path: string): Promise<boolean> {
    const desk = new PushDesk(this.turned.opened.ledger, { limits, now: () => 1 })
    const read = (): ReturnType<typeof familiesOf> =>
      familiesOf(Buffer.from(families[type] ?? ''), undefined, 100)
    return new Promise((resolve) => {
      desk.push(groupOf(`/metrics/${path}`, 100), read, 'group', Infinity, (refusal) => {
        if (refusal !== undefined) assert.equal(refusal.code, 'PUSH_INCONSISTENT')
        resolve(refusal === undefined)
      })
    })
  }
}

/** What a line of an accepted metric or push is called. */
function lineOf(what: string, job: string): string {
  const name = { counter: 'x_total', histogram: 'x_sum', exponential: 'x_sum', summary: 'x_sum' }[what]
  const gaugeName = { 'gauge of a count': 'x_count', 'gauge of a total': 'x_total' }[what]
  return `${name ?? gaugeName ?? 'x'}{job="${job}",${scope}}`
}

test('a name is of one type at a time and no line stands twice, whatever is told, pushed, ends and starts again', async () => {
  const met = { told: 0, pushed: 0, refused: 0, hidden: 0 }
  const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
    const run = new Run()
    for (const each of steps) {
      let isTaken = true
      if (each.do === 'tell') {
        isTaken = await run.tell(each.what)
        if (isTaken)
          assert.ok(run.shown().has(lineOf(each.what, 'jobs')), `${each.what} was told, and is not shown`)
        met.told += Number(isTaken)
      } else if (each.do === 'push') {
        isTaken = await run.push(each.what, each.path)
        const job = each.path.split('/')[1] as string
        if (isTaken && each.what !== 'nothing')
          assert.ok(run.shown().has(lineOf(each.what, job)), `${each.what} was pushed`)
        met.pushed += Number(isTaken)
      } else if (each.do === 'wait') run.turned.pass(each.ms)
      else run.turned.restart(each.how)
      met.refused += Number(!isTaken)
      run.shown()
      met.hidden += Number(run.turned.opened.exposition.hiddenOfPushed().count > 0)
    }
  })
  await fc.assert(property, { numRuns: 60 })
  assert.ok(met.told > 30 && met.pushed > 30 && met.refused > 30 && met.hidden > 0, JSON.stringify(met))
})
