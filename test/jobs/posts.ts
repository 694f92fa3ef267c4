/**
 * Plays many workers that post deltas, each over a connection of its own, under one resource or each under its own. Prints how much each series got in all, and how many workers lived at once at most.
 */
import { randomUUID } from 'node:crypto'
import { Agent } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { deltas } from '../support/deltas.ts'
import { post } from '../support/http.ts'
import type { Posts } from '../support/posts.ts'
import { runAll } from '../support/worker.ts'

const posts = JSON.parse(process.argv[2] as string) as Posts
let counted = 0
let living = 0
let atOnceMost = 0

async function worker(at: number): Promise<void> {
  atOnceMost = Math.max(atOnceMost, ++living)
  const sender = { startMs: Date.now(), ...(posts.instances ? { instance: randomUUID() } : {}) }
  const connection = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let batch = 0; batch < posts.batchCount; batch++) {
    await sleep(Math.random() * posts.pauseMsMax)
    const value = 1 + ((at + batch) % 5)
    const points = Array.from({ length: posts.seriesCount }, (_, series) => ({
      name: posts.metric,
      value,
      attributes: { series: String(series) },
    }))
    const { status } = await post(posts.url, deltas(points, sender), undefined, connection)
    if (status !== 200) throw new Error(`a batch was answered ${status}`)
    counted += value
  }
  connection.destroy()
  living--
}

await runAll(
  Array.from({ length: posts.workerCount }, (_, at) => () => worker(at)),
  posts.atOnce
)
process.stdout.write(JSON.stringify({ counted, atOnceMost }))
