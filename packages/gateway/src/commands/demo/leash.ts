/*
 * Loaded into the demo's gateway before all else: asks it to stop once the pipe from the demo closes. So that it does not
 * outlive a demo that was killed with -9.
 */
process.stdin
  .on('error', () => undefined)
  .on('close', () => process.kill(process.pid, 'SIGTERM'))
  .resume()
  .unref()
