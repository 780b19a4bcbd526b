import type { AttemptRecord, LogLineRecord, ProgressRecord } from '../../storage/occurrence-record.ts'
import { AttemptLog, type KeptLogs } from './kept-logs.ts'

/**
 * Progress and kept log lines of one task, by attempt. Created when a handler reports the first of them.
 */
export class TaskNotes {
  readonly #kept: KeptLogs
  readonly #mostLines: number
  readonly #logs = new Map<number, AttemptLog>()
  #progress: ProgressRecord | null = null
  /** Listeners have not received the last progress yet. */
  #isProgressNew = false

  constructor(kept: KeptLogs, mostLines: number) {
    this.#kept = kept
    this.#mostLines = mostLines
  }

  /** The progress of the current attempt, returned once; `null`: no new progress. */
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

  /** Adds the log lines that earlier owners have stored. They count against the limit of the occurrence. */
  takeOver(attempts: readonly AttemptRecord[]): void {
    for (const { number, logs } of attempts) {
      if (logs === undefined) continue
      const log = new AttemptLog(this.#kept, Number.POSITIVE_INFINITY, logs)
      log.isSuperseded = true
      this.#logs.set(number, log)
    }
  }

  /** The current attempt has ended. Returns its last progress, for its record. */
  ended(): Pick<AttemptRecord, 'progress'> {
    const progress = this.#progress
    this.#progress = null
    this.#isProgressNew = false
    return progress === null ? {} : { progress }
  }

  /** A further attempt begins. `kept`: the attempts that stay in the record; the logs of all others are dropped. */
  supersede(kept: readonly AttemptRecord[]): void {
    for (const [number, log] of this.#logs) {
      log.isSuperseded = true
      if (kept.some((attempt) => attempt.number === number)) continue
      log.dropAll()
      this.#logs.delete(number)
    }
  }

  /** Returns the attempts with their progress and log lines. The current attempt is the last one. */
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
