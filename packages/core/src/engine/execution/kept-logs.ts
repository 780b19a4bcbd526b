import { mostJsonBytes } from '../../tuning.ts'
import type { LogLineRecord, AttemptRecord, ProgressRecord } from '../../storage/occurrence-record.ts'

/** The last log lines of one attempt, as its handler wrote them. Only {@link KeptLogs} changes this. */
interface AttemptLog {
  readonly lines: { readonly line: LogLineRecord; readonly size: number }[]
  dropped: number
}

/**
 * The kept log lines of all attempts of one occurrence. The JSON of these lines takes at most half of the maximum size
 * of a result: the oldest lines are dropped first. Each settle of the occurrence carries the lines.
 */
export class KeptLogs {
  /** For each kept line the log that has it, oldest line first. */
  readonly #logs: AttemptLog[] = []
  #bytes = 0
  /** Whether further log lines are kept. False after the storage has rejected an item with log lines. */
  isKeeping = true

  /** Adds a line to the log of an attempt, which keeps at most `most` lines. */
  add(log: AttemptLog, line: LogLineRecord, most: number): void {
    if (log.lines.length === most) this.#dropOldestOf(log)
    const size = Buffer.byteLength(JSON.stringify(line)) + 1
    log.lines.push({ line, size })
    this.#logs.push(log)
    this.#bytes += size
    for (let oldest = this.#logs[0]; oldest !== undefined && this.#bytes > mostJsonBytes / 2; oldest = this.#logs[0]) {
      this.#dropOldestOf(oldest)
    }
  }

  /** Removes all lines of a log. */
  drop(log: AttemptLog): void {
    while (log.lines.length > 0) this.#dropOldestOf(log)
  }

  /** Removes all log lines and keeps no further lines. Returns whether there were any lines. */
  refuse(): boolean {
    const hadAny = this.#logs.length > 0
    this.isKeeping = false
    for (const log of new Set(this.#logs)) this.drop(log)
    return hadAny
  }

  #dropOldestOf(log: AttemptLog): void {
    this.#logs.splice(this.#logs.indexOf(log), 1)
    this.#bytes -= log.lines.shift()?.size ?? 0
    log.dropped++
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
    const log = this.#logs.get(attempt) ?? { lines: [], dropped: 0 }
    this.#logs.set(attempt, log)
    this.#kept.add(log, line, this.#mostLines)
  }

  /** Adds the log lines that earlier owners have stored. The limit for all log lines of the occurrence includes these lines. */
  takeOver(attempts: readonly AttemptRecord[]): void {
    for (const { number, logs } of attempts) {
      if (logs === undefined) continue
      const log = { lines: [], dropped: logs.dropped }
      this.#logs.set(number, log)
      for (const line of logs.lines) this.#kept.add(log, line, Number.POSITIVE_INFINITY)
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
      if (kept.some((attempt) => attempt.number === number)) continue
      this.#kept.drop(log)
      this.#logs.delete(number)
    }
  }

  /** Returns the attempts with their progress and log lines added. The last one is the current attempt. */
  addTo(attempts: readonly AttemptRecord[]): readonly AttemptRecord[] {
    const last = attempts.length - 1
    return attempts.map((attempt, index) => {
      const log = this.#logs.get(attempt.number)
      const logs = log && { lines: log.lines.map(({ line }) => line), dropped: log.dropped }
      const progress = index === last ? this.#progress : null
      if (logs === undefined && progress === null) return attempt
      return { ...attempt, ...(progress !== null && { progress }), ...(logs !== undefined && { logs }) }
    })
  }
}
