import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { sums } from './support/read-request.ts'
import { makeSpool, start } from './support/run.ts'

for (const when of ['at once', 'in a timer']) {
  test(`a job that counts ${when}, and then waits for a minute, is in its journal long before`, async (context) => {
    const spool = makeSpool()
    const job = start('waiting', [when], { SWANSONG_SPOOL_DIR: spool.directory })
    context.after(() => job.kill('SIGKILL'))
    await job.saw('counted')
    const seen = (): number => sums(spool.read('living').map(({ request }) => request))['seen'] ?? 0
    const giveUpAt = performance.now() + 4000 // It takes 10 ms or so; the machine may be busy.
    while (seen() < 7 && performance.now() < giveUpAt) await sleep(20)
    assert.equal(seen(), 7)
    job.kill('SIGKILL')
    await job.ended
    assert.equal(seen(), 7)
    spool.remove()
  })
}
