import { mostJsonBytes } from '../../tuning.ts'
import type { LogLineRecord, LogsRecord, AttemptRecord, ProgressRecord } from '../../storage/occurrence-record.ts'

/**
 * The kept log lines of all attempts of one occurrence. The JSON of these lines takes at most half of the maximum size
 * of a result. Each settle of the occurrence carries the lines.
 */
export class KeptLogs {
  /** The logs of attempts, in the order of their first line. Logs without lines leave the set. */
  readonly #logs = new Set<AttemptLog>()
  /** Whether further log lines are kept. False after the storage has rejected an item with log lines. */
  isKeeping = true

  /** Called when a line was added to a log. Removes old lines while all lines together are too long. */
  grew(log: AttemptLog): void {
    this.#logs.add(log)
    for (let victim = this.#victim(); victim !== null; victim = this.#victim()) victim.dropOldest()
  }

  /** Removes all log lines and keeps no further lines. Returns whether there were any lines. */
  refuse(): boolean {
    const hadAny = [...this.#logs].some(({ bytes }) => bytes > 0)
    this.isKeeping = false
    for (const log of this.#logs) log.dropAll()
    return hadAny
  }

  /**
   * Returns the log from which to remove the oldest line; `null`: all lines together are within the limit. Prefers logs with
   * `isSuperseded`: of these logs, returns the log that got its first line earliest. Without such a log, returns the largest
   * log.
   */
  #victim(): AttemptLog | null {
    let bytes = 0
    let superseded: AttemptLog | null = null
    let largest: AttemptLog | null = null
    for (const log of this.#logs) {
      bytes += log.bytes
      if (log.bytes === 0) this.#logs.delete(log)
      else if (log.isSuperseded) superseded ??= log
      else if (largest === null || log.bytes > largest.bytes) largest = log
    }
    return bytes > mostJsonBytes / 2 ? (superseded ?? largest) : null
  }
}

/** The last log lines of one attempt, as its handler wrote them. */
export class AttemptLog {
  /** Whether a later attempt of the task exists, or an earlier owner has stored this log. */
  isSuperseded = false
  bytes = 0
  readonly #kept: KeptLogs
  readonly #most: number
  readonly #lines: { readonly line: LogLineRecord; readonly size: number }[] = []
  #dropped: number

  /** `most`: maximum number of lines of this attempt. `stored`: the lines that an earlier owner has stored. */
  constructor(kept: KeptLogs, most: number, stored?: LogsRecord) {
    this.#kept = kept
    this.#most = most
    this.#dropped = stored?.dropped ?? 0
    for (const line of stored?.lines ?? []) this.add(line)
  }

  add(line: LogLineRecord): void {
    const size = Buffer.byteLength(JSON.stringify(line)) + 1
    if (this.#lines.length === this.#most) this.dropOldest()
    this.#lines.push({ line, size })
    this.bytes += size
    this.#kept.grew(this)
  }

  dropOldest(): void {
    this.bytes -= this.#lines.shift()?.size ?? 0
    this.#dropped++
  }

  dropAll(): void {
    while (this.#lines.length > 0) this.dropOldest()
  }

  toRecord(): LogsRecord | null {
    if (this.#lines.length === 0 && this.#dropped === 0) return null
    return { lines: this.#lines.map(({ line }) => line), dropped: this.#dropped }
  }
}

/** The progress and the kept log lines of one task, by attempt. */
export class TaskNotes {
  readonly #kept: KeptLogs
  readonly #mostLines: number
  readonly #logs = new Map<number, AttemptLog>()
  #progress: ProgressRecord | null = null
  /** Whether listeners have not received the latest progress yet. */
  #isProgressNew = false

  constructor(kept: KeptLogs, mostLines: number) {
    this.#kept = kept
    this.#mostLines = mostLines
  }

  /**
   * Returns the latest progress of the current attempt, unless an earlier call has returned this progress; `null`: no new
   * progress.
   */
  get newProgress(): ProgressRecord | null {
    if (!this.#isProgressNew) return null
    this.#isProgressNew = false
    return this.#progress
  }

  progressed(progress: ProgressRecord): void {
    this.#progress = progress
    this.#isProgressNew = true
  }

  logged(attempt: number, line: LogLineRecord): void {
    if (!this.#kept.isKeeping) return
    const log = this.#logs.get(attempt) ?? new AttemptLog(this.#kept, this.#mostLines)
    this.#logs.set(attempt, log)
    log.add(line)
  }

  /** Adds the log lines that earlier owners have stored. The limit for all log lines of the occurrence includes these lines. */
  takeOver(attempts: readonly AttemptRecord[]): void {
    for (const { number, logs } of attempts) {
      if (logs === undefined) continue
      const log = new AttemptLog(this.#kept, Number.POSITIVE_INFINITY, logs)
      log.isSuperseded = true
      this.#logs.set(number, log)
    }
  }

  /** Called when the current attempt has ended. Returns its last progress, for the attempt's record. */
  ended(): Pick<AttemptRecord, 'progress'> {
    const progress = this.#progress
    this.#progress = null
    this.#isProgressNew = false
    return progress === null ? {} : { progress }
  }

  /** Called when a further attempt begins. Removes the logs of all attempts that are not in `kept`. */
  supersede(kept: readonly AttemptRecord[]): void {
    for (const [number, log] of this.#logs) {
      log.isSuperseded = true
      if (kept.some((attempt) => attempt.number === number)) continue
      log.dropAll()
      this.#logs.delete(number)
    }
  }

  /** Returns the attempts with their progress and log lines added. The last one is the current attempt. */
  addTo(attempts: readonly AttemptRecord[]): readonly AttemptRecord[] {
    const last = attempts.length - 1
    return attempts.map((attempt, index) => {
      const logs = this.#logs.get(attempt.number)?.toRecord() ?? null
      const progress = index === last ? this.#progress : null
      if (logs === null && progress === null) return attempt
      return { ...attempt, ...(progress !== null && { progress }), ...(logs !== null && { logs }) }
    })
  }
}
