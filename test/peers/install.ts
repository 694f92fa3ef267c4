/** Fetches and builds the peers that the tests need, before any test's clock runs; they wait for the network by turns. */
import { collectorProgram } from './collector.ts'
import { debianPeer } from './debian.ts'
import { parsersPython } from './parsers.ts'
import { prometheusClient, prometheusClients } from './prometheus-client.ts'
import { pusher, pushersJs } from './pushers.ts'
import { runtime, runtimes } from './runtimes.ts'
import { systemdAnalyze } from './systemd.ts'
import { exampleVenv, languages, pysparkPython, stockWorker } from './stock-sdks.ts'

const peers = [
  debianPeer('prometheus'),
  debianPeer('prometheus-3'),
  debianPeer('prometheus-pushgateway'),
  debianPeer('prometheus-node-exporter'),
  debianPeer('victoria-metrics'),
  systemdAnalyze().then(({ program }) => program),
  ...runtimes.map((name) => runtime(name)),
  collectorProgram(),
  exampleVenv(),
  parsersPython(),
  pushersJs(),
  ...(['go', 'python', 'js'] as const).map(async (name) => (await pusher(name)).join(' ')),
  ...prometheusClients.map((version) => prometheusClient(version)),
  pysparkPython(),
  ...languages.map(async (language) => (await stockWorker(language)).join(' ')),
]
for (const peer of await Promise.all(peers)) process.stdout.write(`${peer}\n`)
