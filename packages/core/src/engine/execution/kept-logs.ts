import type { LogLineRecord, LogsRecord } from '../../storage/occurrence-record.ts'

/** All logs of an occurrence have so many bytes of JSON at most: they travel with whatever is said of it. */
const mostBytes = 65_536

/** What is kept of what all handlers of one occurrence log. */
export class KeptLogs {
  /** Those that have lines, in the order in which their attempts began. */
  readonly #logs = new Set<AttemptLog>()
  #bytes = 0
  #isRefused = false

  /** False once the storage has refused to keep them. */
  get isKeeping(): boolean {
    return !this.#isRefused
  }

  grew(log: AttemptLog, bytes: number): void {
    this.#logs.add(log)
    this.#bytes += bytes
    while (this.#bytes > mostBytes) this.#victim().dropOldest()
  }

  shrank(log: AttemptLog, bytes: number): void {
    this.#bytes -= bytes
    if (log.bytes === 0) this.#logs.delete(log)
  }

  /** The storage cannot keep what there is: none of it is kept any more. Answers whether there was any. */
  refuse(): boolean {
    const hadAny = this.#bytes > 0
    this.#isRefused = true
    for (const log of [...this.#logs]) log.dropAll()
    return hadAny
  }

  /** Attempts that were followed by others lose their lines first; of the others the one that has logged most. */
  #victim(): AttemptLog {
    let largest: AttemptLog | null = null
    for (const log of this.#logs) {
      if (log.isSuperseded) return log
      if (largest === null || log.bytes > largest.bytes) largest = log
    }
    return largest as AttemptLog
  }
}

/** The last lines that the handler of one attempt has logged. */
export class AttemptLog {
  /** Its task has begun a further attempt. */
  isSuperseded = false
  bytes = 0
  readonly #kept: KeptLogs
  readonly #most: number
  readonly #lines: LogLineRecord[] = []
  readonly #sizes: number[] = []
  #dropped: number
  /** What was given away of it does not change. */
  #printed: LogsRecord | null = null

  /** `most`: so many lines. `stored`: what an earlier owner has left of it. */
  constructor(kept: KeptLogs, most: number, stored?: LogsRecord) {
    this.#kept = kept
    this.#most = most
    this.#dropped = stored?.dropped ?? 0
    for (const line of stored?.lines ?? []) this.add(line)
  }

  add(line: LogLineRecord): void {
    const size = Buffer.byteLength(JSON.stringify(line)) + 1
    this.#printed = null
    if (this.#lines.length === this.#most) this.dropOldest()
    this.#lines.push(line)
    this.#sizes.push(size)
    this.bytes += size
    this.#kept.grew(this, size)
  }

  dropOldest(): void {
    const size = this.#sizes.shift() as number
    this.#lines.shift()
    this.#dropped++
    this.#printed = null
    this.bytes -= size
    this.#kept.shrank(this, size)
  }

  dropAll(): void {
    while (this.#lines.length > 0) this.dropOldest()
  }

  toRecord(): LogsRecord | null {
    if (this.#lines.length === 0 && this.#dropped === 0) return null
    this.#printed ??= { lines: this.#lines.slice(), dropped: this.#dropped }
    return this.#printed
  }
}
