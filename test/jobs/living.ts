/** Counts what it is told, line by line, and lives until it is killed or its stdin ends. */
import { createInterface } from 'node:readline'
import { counter } from '@swansong/sdk'

const living = counter('living')
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => {
  for (let added = 0; added < Number(line); added++) living.add(1)
  process.stdout.write(`added ${line}\n`)
})
