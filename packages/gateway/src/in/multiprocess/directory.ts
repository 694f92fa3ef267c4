import { randomBytes } from 'node:crypto'
import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { SpoolDirError, beat, otherGatewayOf } from '../heartbeat.ts'
import { FileFormatError, type FileReader } from './file-format.ts'

/** In it, what was taken aside, and the heartbeat of the gateway that follows it. */
export const asideName = '.swansong'
const rejectedName = 'rejected'
const suffix = '.db'
/** What a process writes meanwhile may be read in part: it is read again until it is read alike twice. */
const readingsMax = 4
const firstBytes = 4096

/** A file as it was read. */
export interface ReadFile {
  inode: number
  uid: number
  /** Of this file and of no other: its name may be another's before and after it, and its inode too. */
  identity: string
  /** The part that is in use. */
  used: Buffer
  /** The reading before it, where no two were alike: a value that is in both is whole. */
  before: Buffer | undefined
}

/** Of a file in the directory, or one that was taken aside. */
export interface FilePlace {
  /** As its process called it. */
  name: string
  /** As it is called aside; undefined where its process finds it still. */
  aside: string | undefined
}

/** A directory that processes write their files into. What is taken aside has another name than any file before it. */
export class MultiprocessDirectory {
  readonly path: string
  readonly #limits: { multiprocessFileBytesMax: number }
  readonly #reader: FileReader
  #head = Buffer.alloc(firstBytes)

  constructor(path: string, limits: { multiprocessFileBytesMax: number }, reader: FileReader) {
    this.path = path
    this.#limits = limits
    this.#reader = reader
  }

  /**
   * Claims it for a ledger, where it is there. Throws a SpoolDirError where another gateway has it, else what the file
   * system says.
   */
  claim(ledger: string): void {
    const aside = join(this.path, asideName)
    makeDirectory(aside)
    const other = otherGatewayOf(aside, ledger)
    if (other === undefined) return this.beat(ledger, false)
    throw new SpoolDirError(
      `the multiprocess directory ${this.path} is taken up by another gateway, ${other}, with another ledger: ` +
        'its counts would be in both; give each directory to one of them'
    )
  }

  beat(ledger: string, stopped: boolean): void {
    beat(join(this.path, asideName), ledger, this.#limits.multiprocessFileBytesMax, stopped)
  }

  /** Throws what the file system says. */
  places(): FilePlace[] {
    const places: FilePlace[] = []
    for (const name of readdirSync(this.path))
      if (name.endsWith(suffix)) places.push({ name, aside: undefined })
    for (const aside of namesIn(join(this.path, asideName))) {
      const name = /^(.+)\.[\w-]{16}\.db$/.exec(aside)?.[1]
      if (name !== undefined) places.push({ name: `${name}${suffix}`, aside })
    }
    return places
  }

  /** Throws a FileFormatError, or what the file system says. */
  read(place: FilePlace): ReadFile {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
    const descriptor = openSync(this.#pathOf(place), flags)
    try {
      const stat = fstatSync(descriptor, { bigint: true })
      if (!stat.isFile()) throw new FileFormatError('it is not a regular file')
      const inode = Number(stat.ino)
      const identity = `${inode}-${isBirthTold ? stat.birthtimeNs : 0n}`
      return { inode, uid: Number(stat.uid), identity, ...this.#readUsed(descriptor) }
    } finally {
      closeSync(descriptor)
    }
  }

  /** Gives a file another name, under which no process opens it. Returns that. Throws what the file system says. */
  setAside(name: string): string {
    const aside = `${name.slice(0, -suffix.length)}.${randomBytes(12).toString('base64url')}${suffix}`
    renameSync(join(this.path, name), join(this.path, asideName, aside))
    return aside
  }

  /** Throws what the file system says. */
  remove(aside: string): void {
    unlinkSync(join(this.path, asideName, aside))
  }

  /** Sets a file aside for good, with the reason beside it. Throws what the file system says. */
  reject(place: FilePlace, reason: string): void {
    const rejected = join(this.path, asideName, rejectedName)
    makeDirectory(rejected)
    const to = place.aside ?? `${place.name.slice(0, -suffix.length)}.${Date.now()}${suffix}`
    renameSync(this.#pathOf(place), join(rejected, to))
    writeFileSync(join(rejected, `${to}.reason`), `${reason}\n`)
  }

  /** Makes durable what was removed. Throws what the file system says. */
  sync(): void {
    const descriptor = openSync(join(this.path, asideName), constants.O_RDONLY)
    try {
      fsyncSync(descriptor)
    } finally {
      closeSync(descriptor)
    }
  }

  /** The same reading twice: so nothing in it is half of one value and half of the next. */
  #readUsed(descriptor: number): Pick<ReadFile, 'used' | 'before'> {
    let before = this.#readOnce(descriptor)
    for (let reading = 1; ; reading++) {
      const used = this.#readOnce(descriptor)
      if (used.equals(before)) return { used, before: undefined }
      if (reading >= readingsMax && used.length === before.length) return { used, before }
      before = used
    }
  }

  #readOnce(descriptor: number): Buffer {
    const headLength = readSync(descriptor, this.#head, 0, firstBytes, 0)
    const head = this.#head.subarray(0, headLength)
    const used = this.#reader.usedOf(head)
    const max = this.#limits.multiprocessFileBytesMax
    if (used > max) throw new FileFormatError(`${used} bytes in use are over the limit of ${max}`)
    const bytes = Buffer.alloc(used)
    head.copy(bytes, 0, 0, Math.min(used, headLength))
    let at = headLength
    while (at < used) {
      const length = readSync(descriptor, bytes, at, used - at, at)
      if (length === 0) throw new FileFormatError(`${used} bytes are in use, and ${at} are there`)
      at += length
    }
    return bytes
  }

  #pathOf({ name, aside }: FilePlace): string {
    return aside === undefined ? join(this.path, name) : join(this.path, asideName, aside)
  }
}

/** Makes a directory whose parent is there. Throws what the file system says. */
function makeDirectory(path: string): void {
  if (!existsSync(path)) mkdirSync(path, { mode: 0o700 })
  if (!statSync(path).isDirectory()) throw new Error(`${path} is no directory`)
  accessSync(path, constants.W_OK | constants.X_OK)
}

/**
 * Whether the system says when a file was made. Where it does not, what Node says instead is the time of its last change;
 * of the files of /proc, which have no birth, it is then not 0.
 */
function tellsBirths(): boolean {
  try {
    return statSync('/proc/self/stat', { bigint: true }).birthtimeNs === 0n
  } catch {
    return true // No Linux.
  }
}

const isBirthTold = tellsBirths()

function namesIn(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return [] // It was not made yet, or may not be.
  }
}
