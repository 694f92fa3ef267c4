import { writeSync } from 'node:fs'
import { Deltas } from '../../src/encode/batch.ts'
import { openSender } from '../../src/post/open-sender.ts'
import { readOptions } from '../../src/options/read-options.ts'
import { Recorder } from '../../src/record/recorder.ts'

/** Opens a sender that leaves signals alone, says how many listen to each, and is ended by one. */
const recorder = new Recorder(Date.now(), () => {})
const source = new Deltas(recorder, new Uint8Array(0), () => 'id')
openSender(source, readOptions(process.env, { signals: 'ignore' }), undefined, recorder)
writeSync(1, `${['SIGTERM', 'SIGINT', 'SIGHUP'].map((signal) => process.listenerCount(signal)).join(' ')}\n`)
setInterval(() => {}, 1000)
process.kill(process.pid, 'SIGTERM')
