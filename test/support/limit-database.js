/** Loaded into a gateway by `--import`: SIGUSR2 keeps its database from growing, another lets it grow again. */
import { DatabaseSync } from 'node:sqlite'

const pageCountMax = 4_294_967_294
let limited = false
let database
const exec = DatabaseSync.prototype.exec
DatabaseSync.prototype.exec = function (sql) {
  database = this
  return exec.call(this, sql)
}

process.on('SIGUSR2', () => {
  limited = !limited
  exec.call(database, `PRAGMA max_page_count = ${limited ? 1 : pageCountMax}`) // 1 is as many as there are.
})
