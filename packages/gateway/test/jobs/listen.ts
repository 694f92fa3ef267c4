import { createServer } from 'node:net'

// Listens on the path that it is given, until it is killed.
createServer().listen(process.argv[2], () => process.stdout.write('listening\n'))
