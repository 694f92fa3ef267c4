import { after } from 'node:test'
import { ended, hasEnded, spawnThatDiesWithUs } from '../support/child.ts'
import { linesOf } from '../support/exposition.ts'
import { ask } from '../support/http.ts'
import { freePorts } from '../support/ports.ts'
import { until } from '../support/wait.ts'
import { debianPeer } from './debian.ts'

export interface NodeExporter {
  /** What it shows: each line, as `lineOf` of support/exposition has it → value. */
  metrics(): Promise<Map<string, number>>
}

/**
 * A real node_exporter that shows the files `*.prom` of a directory and nothing else. It ends with the test that started it.
 * `within`: programs that run it, each ending in `exec` of what follows it.
 */
export async function startNodeExporter(directory: string, within: readonly string[]): Promise<NodeExporter> {
  const program = await debianPeer('prometheus-node-exporter')
  const [port] = await freePorts(1)
  const flags = ['--collector.disable-defaults', '--web.disable-exporter-metrics', '--collector.textfile']
  const where = [`--collector.textfile.directory=${directory}`, `--web.listen-address=127.0.0.1:${port}`]
  const child = spawnThatDiesWithUs(program, [...flags, ...where], { within })
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text))
  after(() => ended(child, 'SIGKILL', 0))
  const answer = (): Promise<string> =>
    ask(`http://127.0.0.1:${port}/metrics`).then(({ body }) => body.toString())
  await until('node_exporter answers', () => {
    if (hasEnded(child)) throw new Error(`node_exporter ended with ${child.exitCode}: ${said}`)
    return answer().then(
      (text) => text.includes('node_textfile_scrape_error'),
      () => false // Nobody listens there yet.
    )
  })
  return {
    async metrics() {
      return linesOf(await answer())
    },
  }
}
