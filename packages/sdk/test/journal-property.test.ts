import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { Journal } from '../src/spool/journal.ts'
import { readOptions } from '../src/options/read-options.ts'
import { encodeResource } from '../src/encode/resource.ts'
import { makeUuid, readOwner } from '../src/spool/spool.ts'
import { type Amounts, ModelGateway, together } from './support/model-gateway.ts'
import { ModelJob, type Recording, recording } from './support/model-job.ts'

/*
 * The SDK's recorder and journal against a model of the gateway: whatever is recorded, written, read while its process lives,
 * and killed, in any order and on a spool that comes and goes, what the gateway adds up never goes down, has what was flushed,
 * and is the truth where the process was told of its end.
 */

type Step =
  | (Recording & { who: 0 | 1 })
  | { do: 'turn' | 'flush' | 'read' | 'take the spool away' | 'bring it back' }

interface Life {
  pace: 'interval' | 'always'
  end: 'told' | 'killed'
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .tuple(recording, fc.constantFrom(0 as const, 1 as const))
      .map(([{ what, amount }, who]) => ({ what, amount, who })),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constantFrom('turn' as const, 'flush' as const, 'read' as const) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('take the spool away' as const, 'bring it back' as const) }),
  }
)
const life: fc.Arbitrary<Life> = fc.record({
  pace: fc.constantFrom('interval', 'always'),
  end: fc.constantFrom('told', 'killed'),
})

/** A job with a journal, and what of it is certain to be there. */
class Writer {
  readonly job: ModelJob
  readonly journal: Journal
  readonly life: Life
  #certain: Amounts = new Map()

  constructor(each: Life, directory: string) {
    this.life = each
    const spool = { directory, sync: false, owner: readOwner() }
    const identify = (): { instanceId: string; resource: Uint8Array } => {
      const instanceId = makeUuid()
      return { instanceId, resource: encodeResource(readOptions({}), instanceId) }
    }
    this.job = new ModelJob(() => this.journal.look())
    this.journal = new Journal(this.job.recorder, spool, { serviceName: 'svc', pace: each.pace, identify })
  }

  get certain(): Amounts {
    return this.#certain
  }

  settle(): void {
    this.#certain = new Map(this.job.truth)
  }
}

test('journals: what the gateway adds up is the truth', { timeout: 90_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(fc.tuple(life, life), fc.array(step, { maxLength: 40 }), async (lives, steps) => {
      const home = mkdtempSync(join(tmpdir(), 'swansong-journals-'))
      try {
        await live(lives, steps, mkdtempSync(join(home, 'spool-')), join(home, 'away'))
      } finally {
        rmSync(home, { recursive: true })
      }
    }),
    { numRuns: 150 }
  )
})

/** Two processes at once, from their first records to their ends. */
async function live(
  lives: readonly [Life, Life],
  steps: readonly Step[],
  directory: string,
  away: string
): Promise<void> {
  const gateway = new ModelGateway()
  const writers = [new Writer(lives[0], directory), new Writer(lives[1], directory)] as const
  let isAway = false
  let wasAway = false
  const move = (isToBeAway: boolean): void => {
    if (isAway === isToBeAway) return
    isAway = isToBeAway
    wasAway = true
    if (isAway) renameSync(directory, away)
    else renameSync(away, directory)
  }
  for (const each of steps) {
    if ('what' in each) {
      const writer = writers[each.who]
      writer.job.record(each)
      if (writer.life.pace === 'always' && !wasAway) writer.settle() // Written through.
    } else if (each.do === 'turn') await sleep(12)
    else if (each.do === 'read' && !isAway) gateway.readSpool(directory)
    else if (each.do === 'take the spool away') move(true)
    else if (each.do === 'bring it back') move(false)
    else if (each.do === 'flush') {
      for (const writer of writers) {
        if (writer.job.hasRecorded && (await isFlushed(writer, isAway))) writer.settle()
      }
    }
    if (!isAway) check(gateway, writers, directory)
  }
  move(false)
  for (const writer of writers) {
    if (writer.life.end === 'killed' || !writer.job.hasRecorded) continue
    writer.journal.end()
    writer.settle()
  }
  check(gateway, writers, directory)
  check(gateway, writers, directory) // Reading twice counts once.
}

function check(gateway: ModelGateway, writers: readonly [Writer, Writer], directory: string): void {
  gateway.readSpool(directory)
  const truth = together(writers[0].job.truth, writers[1].job.truth)
  for (const [series, amount] of gateway.counted) {
    assert.ok(amount <= (truth.get(series) ?? 0), `${series}: ${amount} of ${truth.get(series)}`)
  }
  for (const [series, amount] of together(writers[0].certain, writers[1].certain)) {
    const counted = gateway.counted.get(series) ?? 0
    assert.ok(counted >= amount, `${series}: ${counted}, and ${amount} were certain`)
  }
}

/** Rejects where there is nowhere to write, and only there. */
async function isFlushed({ journal }: Writer, isAway: boolean): Promise<boolean> {
  const result = await journal.flush().then(
    () => true,
    () => false
  )
  assert.equal(result, !isAway)
  return result
}
