import { openStore } from '../../src/ledger/sqlite.ts'
import { committed, open, postBatch } from '../support/ledgers.ts'
import { deltas } from '../support/requests.ts'

// Posts batches until one is refused, then once more: prints how many were acknowledged, and both refusals.
const opened = open(openStore(process.argv[2] ?? ''))
let acknowledged = 0
for (;;) {
  const attributes = { n: acknowledged, long: 'x'.repeat(4000) }
  const answer = postBatch(opened, deltas([{ value: 1 }, { name: 'large', value: 1, attributes }]))
  await committed()
  const { refused } = await answer
  if (refused === undefined) {
    acknowledged++
    continue
  }
  const again = postBatch(opened, deltas([{ value: 1 }]))
  await committed()
  process.stdout.write(`${acknowledged} ${refused} ${(await again).refused}\n`)
  break
}
