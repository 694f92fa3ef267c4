import type { DatabaseSync } from 'node:sqlite'

/** Fewer metrics than this are not looked through: they are far from any limit. */
const metricsMin = 1000

/**
 * Frees metrics that no series has any more, then scopes without metrics and resources without scopes: services come and
 * go, and their series end. Within a transaction, before the ledger is loaded. Ids stay without a gap: those at the end
 * move into the places that are free.
 */
export function freeUnusedNames(db: DatabaseSync): void {
  const count = db.prepare('SELECT count(*) AS n FROM metric').get()?.['n'] as number
  if (count < metricsMin) return
  freeUnused(db, 'metric', 'series', 'metric')
  freeUnused(db, 'scope', 'metric', 'scope')
  freeUnused(db, 'resource', 'scope', 'resource')
}

/** Frees the rows of a table that no row of another names in a column. */
function freeUnused(db: DatabaseSync, table: string, by: string, column: string): void {
  const named = new Set(db.prepare(`SELECT DISTINCT ${column} AS id FROM ${by}`).all().map(idOf))
  const ids = db.prepare(`SELECT id FROM ${table} ORDER BY id`).all().map(idOf)
  const kept = ids.filter((id) => named.has(id))
  if (kept.length === ids.length) return
  const remove = db.prepare(`DELETE FROM ${table} WHERE id = ?`)
  for (const id of ids) if (!named.has(id)) remove.run(id)
  db.exec('CREATE TEMP TABLE moved (old INTEGER PRIMARY KEY, new INTEGER NOT NULL) STRICT')
  const move = db.prepare(`UPDATE ${table} SET id = ? WHERE id = ?`)
  const note = db.prepare('INSERT INTO moved (old, new) VALUES (?, ?)')
  const last = kept.filter((id) => id >= kept.length)
  for (let id = 0; id < kept.length; id++) {
    if (named.has(id)) continue
    const old = last.pop() as number // As many are behind the end as there are free places before it.
    move.run(id, old)
    note.run(old, id)
  }
  db.exec(`UPDATE ${by} SET ${column} = (SELECT new FROM moved WHERE old = ${column})
    WHERE ${column} IN (SELECT old FROM moved);
    DROP TABLE moved`)
}

function idOf({ id }: Record<string, unknown>): number {
  return id as number
}
