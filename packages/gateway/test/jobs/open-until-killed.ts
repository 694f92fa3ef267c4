import { DatabaseSync, StatementSync } from 'node:sqlite'
import { openStore } from '../../src/ledger/sqlite.ts'

// Opens the store in a directory, and kills itself right before its database does the nth thing. `adopt`: the directory may
// be a copy, and rows are things as well.
const [directory = '', nth = '0', adopt = ''] = process.argv.slice(2)
let left = Number(nth)
const step = (): void => {
  if (left-- === 0) process.kill(process.pid, 'SIGKILL')
}
const exec: (sql: string) => void = Reflect.get(DatabaseSync.prototype, 'exec')
DatabaseSync.prototype.exec = function (sql) {
  // Each statement alone, so that it can die between any two of them.
  for (const statement of sql.split(';')) {
    if (statement.trim() === '') continue
    step()
    exec.call(this, statement)
  }
}
if (adopt === 'adopt') {
  const run: unknown = Reflect.get(StatementSync.prototype, 'run')
  StatementSync.prototype.run = function (...values: unknown[]) {
    step()
    return Reflect.apply(run as () => unknown, this, values) as ReturnType<StatementSync['run']>
  }
}
openStore(directory, { adopt: adopt === 'adopt' }).close()
process.stdout.write('opened\n')
