import { openStore } from '../../src/ledger/sqlite.ts'

// Opens the store in a directory and holds it until it is killed.
openStore(process.argv[2] ?? '')
process.stdout.write('open\n')
setInterval(() => undefined, 1000)
