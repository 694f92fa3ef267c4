/**
 * Loaded into a gateway by `--import`: SIGUSR2 keeps its database from growing, another lets it grow again. With
 * DATABASE_IS_FULL it may not grow from the start.
 */
import { DatabaseSync } from 'node:sqlite'

const pageCountMax = 4_294_967_294
let limited = process.env['DATABASE_IS_FULL'] === '1'
let database
const exec = DatabaseSync.prototype.exec
DatabaseSync.prototype.exec = function (sql) {
  database = this
  exec.call(this, sql)
  if (limited) limit()
}

function limit() {
  exec.call(database, `PRAGMA max_page_count = ${limited ? 1 : pageCountMax}`) // 1 is as many as there are.
}

process.on('SIGUSR2', () => {
  limited = !limited
  limit()
})
