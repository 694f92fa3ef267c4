// A process that lives until it is killed.
process.stdout.write('here\n')
setInterval(() => undefined, 1000)
