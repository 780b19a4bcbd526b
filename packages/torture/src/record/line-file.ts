import { closeSync, existsSync, openSync, readFileSync, readSync, statSync, writeSync } from 'node:fs'

/**
 * Appends JSON lines to a file that several processes write to. Each line is one write call, so a complete line
 * survives `kill -9`.
 */
export class LineWriter {
  readonly #descriptor: number

  constructor(file: string) {
    this.#descriptor = openSync(file, 'a')
  }

  write(line: object): void {
    // A process that is killed during a write can leave half a line. The leading line break separates the next line
    // from that half.
    writeSync(this.#descriptor, `\n${JSON.stringify(line)}\n`)
  }

  close(): void {
    closeSync(this.#descriptor)
  }
}

/** The parsed lines of a file. */
export interface Lines<T> {
  readonly lines: readonly T[]
  /** Number of incomplete lines, which a kill cut off. */
  readonly torn: number
}

/** Reads a whole file. A missing file has no lines. */
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

/** Reads the new lines of a file to which processes append ASCII lines. */
export class LineFollower<T> {
  readonly #file: string
  #offset = 0
  #rest = ''

  constructor(file: string) {
    this.#file = file
  }

  /** Returns the lines since the previous call. */
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
