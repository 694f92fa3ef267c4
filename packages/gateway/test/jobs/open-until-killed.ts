import { DatabaseSync } from 'node:sqlite'
import { openStore } from '../../src/ledger/sqlite.ts'

// Opens the store in a directory, and kills itself right before its database does the nth thing.
const [directory = '', nth = '0'] = process.argv.slice(2)
let left = Number(nth)
const exec: (sql: string) => void = Reflect.get(DatabaseSync.prototype, 'exec')
DatabaseSync.prototype.exec = function (sql) {
  // Each statement alone, so that it can die between any two of them.
  for (const statement of sql.split(';')) {
    if (statement.trim() === '') continue
    if (left-- === 0) process.kill(process.pid, 'SIGKILL')
    exec.call(this, statement)
  }
}
openStore(directory).close()
process.stdout.write('opened\n')
