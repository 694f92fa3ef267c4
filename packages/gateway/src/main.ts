/** `node:sqlite` is there, and silent, from here on. */
const nodeMin: readonly [number, number] = [24, 15]

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < nodeMin[0] || (major === nodeMin[0] && minor < nodeMin[1])) {
  process.stderr.write(
    `swansong needs Node ${nodeMin.join('.')} or later; this is ${process.versions.node}\n`
  )
  process.exit(1)
}

const { runProgram } = await import('./commands/program.ts') // Only now: an older Node fails at what is imported.
await runProgram()
