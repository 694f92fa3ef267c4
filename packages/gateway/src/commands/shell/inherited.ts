/** What a process gets from its parent, and Node changes at its start: bin/swansong looks before that. */
export interface Inherited {
  /** Descriptors 0, 1, 2, and those of the shell's, as `make` and `flock` use them. */
  stdio: (number | 'ignore')[]
  /** Numbers of the signals that are ignored, as under `nohup`; Node handles each as if it were not. */
  ignored: number[]
  /** The soft limit of open files, which Node raises to the hard one. */
  filesMax: string | undefined
  env: NodeJS.ProcessEnv
}

const descriptorMax = 255
/** A shell can ignore neither SIGKILL nor SIGSTOP, and the C library keeps 32 and above to itself. */
const signalMax = 31

/** `soft limit|ignored signals as a hexadecimal mask|descriptors|NODE_OPTIONS, after an x if it was set`; empty: unknown. */
export function readInherited(text: string): Inherited {
  const [filesMax = '', mask = '', descriptors = '', ...options] = text.split('|')
  const stdio: Inherited['stdio'] = [0, 1, 2]
  for (const descriptor of descriptors.split(' ').map(Number)) {
    if (!(descriptor > 2 && descriptor <= descriptorMax)) continue
    while (stdio.length < descriptor) stdio.push('ignore') // Which opens nothing there.
    stdio[descriptor] = descriptor
  }
  const env = { ...process.env }
  const nodeOptions = options.join('|')
  if (nodeOptions.startsWith('x')) env['NODE_OPTIONS'] = nodeOptions.slice(1)
  return {
    stdio,
    ignored: readMask(mask),
    filesMax: /^(\d+|unlimited)$/.test(filesMax) ? filesMax : undefined,
    env,
  }
}

/** A shell that becomes the command once it has put back the rest. */
export function shellOf(command: readonly string[], { ignored, filesMax }: Inherited): [string, ...string[]] {
  const limit = filesMax === undefined ? '' : `ulimit -Sn ${filesMax}; `
  const trap = ignored.length === 0 ? '' : `trap '' ${ignored.join(' ')}; `
  return ['/bin/sh', '-c', `${limit}${trap}exec "$@"`, 'swansong run', ...command]
}

function readMask(hexadecimal: string): number[] {
  if (!/^[\da-f]+$/i.test(hexadecimal)) return []
  const mask = BigInt(`0x${hexadecimal}`)
  const numbers: number[] = []
  for (let number = 1; number <= signalMax; number++)
    if ((mask >> BigInt(number - 1)) & 1n) numbers.push(number)
  return numbers
}
