/*
 * `swansong push` and `swansong run`, which scripts call by the hundred: an entry of its own (bin/swansong), so that nothing
 * of the gateway is loaded. Each of its modules costs a start 0.4 ms, so the SDK's, which are one file, come when they count.
 */
const [name, ...given] = process.argv.slice(2)
if (name === 'push') {
  const { push } = await import('./commands/shell/push.ts')
  process.exitCode = await push(given.slice(1)) // The first is what only `run` asks for.
} else {
  const { run } = await import('./commands/shell/run.ts')
  run(given)
}
