/*
 * Ends this process, the demo's gateway or an idle worker, once its stdin closes, which is a pipe from the demo: so that
 * nothing outlives a demo that was killed with -9. It keeps nothing alive.
 */
process.stdin
  .on('error', () => undefined)
  .on('close', () => process.kill(process.pid, 'SIGTERM'))
  .resume()
  .unref()
