// Imports so many rows, every tenth of which is already there. Usage: node import-rows.js [rows]
import { counter } from '@swansong/sdk'

const rows = counter('rows.imported', { unit: '{row}', attributes: ['outcome'] })

const count = Number(process.argv[2] ?? 1000)
for (let row = 0; row < count; row++) rows.add(1, { outcome: row % 10 === 0 ? 'skipped' : 'imported' })
