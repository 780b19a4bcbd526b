import type { AttemptRecord, LogLineRecord, ProgressRecord } from '../../storage/occurrence-record.ts'
import { AttemptLog, type KeptLogs } from './kept-logs.ts'

/**
 * What handlers of one task say beside what they return: how far they have come, and what they log, by attempt. Made when
 * the first of them says something.
 */
export class TaskNotes {
  readonly #kept: KeptLogs
  readonly #mostLines: number
  readonly #logs = new Map<number, AttemptLog>()
  #progress: ProgressRecord | null = null
  /** Nobody was told of it. */
  #isProgressNew = false

  constructor(kept: KeptLogs, mostLines: number) {
    this.#kept = kept
    this.#mostLines = mostLines
  }

  /** Of the present attempt; `null` once it has been told. */
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

  /** What an earlier owner has left counts too. */
  takeOver(attempts: readonly AttemptRecord[]): void {
    for (const { number, logs } of attempts) {
      if (logs === undefined) continue
      const log = new AttemptLog(this.#kept, Number.POSITIVE_INFINITY, logs)
      log.isSuperseded = true
      this.#logs.set(number, log)
    }
  }

  /** The present attempt has ended, as this record says: how far it has come stays with it. */
  ended(): Pick<AttemptRecord, 'progress'> {
    const progress = this.#progress
    this.#progress = null
    this.#isProgressNew = false
    return progress === null ? {} : { progress }
  }

  /** A further attempt begins. Of those before, these are kept. */
  supersede(kept: readonly AttemptRecord[]): void {
    for (const [number, log] of this.#logs) {
      log.isSuperseded = true
      if (kept.some((attempt) => attempt.number === number)) continue
      log.dropAll()
      this.#logs.delete(number)
    }
  }

  /** The attempts, the present one last, with what was said in them. */
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
