import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Fault, startFaultyProxy } from '../support/faulty-proxy.ts'
import { type Gateway, startGateway } from '../support/gateway.ts'
import { until } from '../support/wait.ts'
import { runAll } from '../support/worker.ts'
import { startCollector, type Collector } from './collector.ts'
import { type Crew, holdsSums, processesOf } from './work.ts'

/*
 * A real OpenTelemetry Collector between stock SDKs and the gateway, as examples/collector/in-front.yaml has it, and behind the
 * gateway, as behind.yaml has it.
 */

const workers = 40
const atOnce = 6
const exporter = 'exporters::otlp_http/swansong'
/** The example waits longer between two tries than a test likes to. */
const impatient = {
  [`${exporter}::timeout`]: '2s',
  [`${exporter}::retry_on_failure::initial_interval`]: '200ms',
  [`${exporter}::retry_on_failure::max_interval`]: '1s',
}
/** Behind the gateway it waits no longer. */
const impatientBehind = {
  'exporters::otlp_http::timeout': '2s',
  'exporters::otlp_http::retry_on_failure::initial_interval': '200ms',
  'exporters::otlp_http::retry_on_failure::max_interval': '1s',
}
/** The least that a gateway may be told. */
const often = { SWANSONG_OTLP_OUT_INTERVAL: '1s' }

test('a Collector in front: exact while the gateway is killed twice, the Collector once, and answers are lost', async () => {
  const gateway = await startGateway()
  const faults: Fault[] = ['none', 'answered 503', 'none', 'cut', 'none', 'refused', 'none']
  const proxy = await startFaultyProxy(gateway.ports.otlpHttp, (request) =>
    request % 41 === 40 ? 'hung' : (faults[request % faults.length] as Fault)
  )
  const collector = await startInFront(proxy.endpoint)
  const crews: Crew[] = [
    crewOf('delta', 'proto', collector.http),
    crewOf('cumulative', 'proto', collector.http),
    crewOf('delta', 'grpc', collector.grpc),
  ]
  const processes = crews.flatMap(processesOf)
  const part = (at: number): (() => Promise<string>)[] => processes.filter((_, process) => process % 3 === at)

  const said = [await runAll(part(0), atOnce)]
  await gateway.kill9() // Some is in the Collector's queue, some is under way, some has arrived.
  said.push(await runAll(part(1), atOnce))
  await collector.kill9() // Now there are at least a third of all in its queue.
  await collector.restart()
  await gateway.restart()
  await Promise.all([runAll(part(2), atOnce).then((last) => said.push(last)), killAgain(gateway)])
  assert.deepEqual([...new Set(said.flat())], [''])

  await holdsSums(gateway, crews, 45_000)
  assert.ok(
    Object.values(proxy.counts()).every((count) => count >= 3),
    JSON.stringify(proxy.counts())
  )
  assert.ok((await gateway.metric('swansong_duplicates_total')) > 0, 'nothing came twice')
  await collector.stop() // What is still in its queue would be sent before it ends.
  await holdsSums(gateway, crews)
})

test('workers whose answers from the Collector are lost send again: the gateway knows their bytes', async () => {
  const gateway = await startGateway()
  const collector = await startInFront(gateway.urls.endpoint)
  const faults: Fault[] = ['answered 503', 'none', 'none', 'cut', 'none', 'refused', 'none']
  const port = Number(new URL(collector.http).port)
  const proxy = await startFaultyProxy(port, (request) => faults[request % faults.length] as Fault)
  const crews: Crew[] = []
  for (const language of ['js', 'python'] as const) {
    for (const temporality of ['delta', 'cumulative'] as const)
      crews.push({ ...crewOf(temporality, 'proto', proxy.endpoint), language, processes: 2 })
  }
  await runAll(crews.flatMap(processesOf), atOnce)

  await holdsSums(gateway, crews)
  assert.ok(proxy.counts()['answered 503'] >= 10 && proxy.counts().cut >= 10, JSON.stringify(proxy.counts()))
  await collector.stop()
  await holdsSums(gateway, crews)
})

test('a Collector behind: a second gateway there shows the same sums, while all of them are killed and answers are lost', async () => {
  const behind = await startGateway() // It is older than what it is told of: that begins at nothing.
  const faults: Fault[] = ['answered 503', 'none', 'cut', 'none', 'refused', 'none']
  const proxy = await startFaultyProxy(behind.ports.otlpHttp, (request) => faults[request % 6] as Fault)
  const collector = await startCollector({
    file: 'behind.yaml',
    env: { OTLP_BACKEND: proxy.endpoint },
    changes: impatientBehind,
  })
  const flags = ['--otlp-out', `${collector.http}/v1/metrics`]
  const gateway = await startGateway({ flags, env: often })
  const crews: Crew[] = []
  for (const temporality of ['delta', 'cumulative'] as const)
    crews.push(crewOf(temporality, 'proto', gateway.urls.endpoint))
  const processes = crews.flatMap(processesOf)
  const part = (at: number): (() => Promise<string>)[] => processes.filter((_, process) => process % 3 === at)
  const takesSome = (): Promise<true> =>
    until('some was told', async () => (await gateway.metric('swansong_otlp_out_points_total')) > 0, 15_000)

  await runAll(part(0), atOnce)
  await takesSome()
  await gateway.kill9()
  await gateway.restart(often)
  await runAll(part(1), atOnce)
  await collector.kill9() // What it had taken and not passed on is lost …
  await runAll(part(2).slice(1), atOnce)
  await gateway.kill9() // It has not told what it took in last.
  await collector.restart()
  await gateway.restart(often)
  await takesSome() // … and told again, as part of what the totals are now.
  await runAll(part(2).slice(0, 1), atOnce)

  await holdsSums(gateway, crews)
  await holdsSums(behind, crews, 30_000)
  assert.ok(proxy.counts().cut >= 1 && proxy.counts()['answered 503'] >= 1, JSON.stringify(proxy.counts()))
  assert.equal(await gateway.stop(), 0) // It tells a last time.
  await collector.stop()
  await holdsSums(behind, crews)
})

function startInFront(endpoint: string): Promise<Collector> {
  return startCollector({ file: 'in-front.yaml', env: { SWANSONG_ENDPOINT: endpoint }, changes: impatient })
}

/** Go starts in no time: each of its workers is a process of its own. */
function crewOf(temporality: Crew['temporality'], encoding: Crew['encoding'], endpoint: string): Crew {
  return { language: 'go', encoding, temporality, workers, processes: workers, endpoint }
}

async function killAgain(gateway: Gateway): Promise<void> {
  await gateway.kill9()
  await gateway.restart()
}
