import { closeSync, existsSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs'

/** Appends JSON lines to a file that several processes write to: one write call a line, durable against `kill -9`. */
export class LineWriter {
  readonly #descriptor: number

  constructor(file: string) {
    this.#descriptor = openSync(file, 'a')
  }

  write(line: object): void {
    // A process that is killed inside its write can leave half a line. The line break ahead keeps it from taking the
    // next one with it.
    writeSync(this.#descriptor, `\n${JSON.stringify(line)}\n`)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

/** What a file of lines holds. */
export interface Lines<T> {
  readonly lines: readonly T[]
  /** Lines that were cut off in the middle of their write. */
  readonly torn: number
}

/** Reads a whole file; one that does not exist has no lines. */
export function readLines<T>(file: string): Lines<T> {
  return existsSync(file) ? parseLines(readFileSync(file, 'utf8')) : { lines: [], torn: 0 }
}

function parseLines<T>(text: string): Lines<T> {
  const lines: T[] = []
  let torn = 0
  for (const line of text.split('\n')) {
    if (line === '') continue
    const parsed = parseLine<T>(line)
    if (parsed === null) torn++
    else lines.push(parsed)
  }
  return { lines, torn }
}

function parseLine<T>(line: string): T | null {
  try {
    return JSON.parse(line) as T
  } catch {
    return null
  }
}

/** Reads what is appended to a file of ASCII lines while it grows. */
export class LineFollower<T> {
  readonly #file: string
  #offset = 0
  #rest = ''

  constructor(file: string) {
    this.#file = file
  }

  /** The lines since the last call. */
  read(): readonly T[] {
    if (!existsSync(this.#file)) return []
    const length = statSync(this.#file).size - this.#offset
    if (length <= 0) return []
    const buffer = Buffer.alloc(length)
    const descriptor = openSync(this.#file, 'r')
    try {
      this.#offset += readSync(descriptor, buffer, 0, length, this.#offset)
    } finally {
      closeSync(descriptor)
    }
    const text = this.#rest + buffer.toString('utf8')
    const end = text.lastIndexOf('\n')
    this.#rest = text.slice(end + 1)
    return parseLines<T>(text.slice(0, end + 1)).lines
  }
}
