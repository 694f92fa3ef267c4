/**
 * Loaded into a gateway by `--import`: it dies by kill -9 at the very moment at which it would remove a spool file, after
 * the commit that holds it.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const unlinkSync = fs.unlinkSync
fs.unlinkSync = (path) => {
  if (/\.(journal|batch)$/.test(String(path))) process.kill(process.pid, 'SIGKILL')
  unlinkSync(path)
}
syncBuiltinESMExports()
