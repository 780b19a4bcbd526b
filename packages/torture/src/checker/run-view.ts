import type { OccurrenceId } from '@jobistemer/core'
import type { OccurrenceRecord } from '@jobistemer/core/storage'
import type { HistoryLine } from '../record/history.ts'
import type { HostTime } from '../record/host-time.ts'
import type { Stall, WitnessEnd, WitnessStart } from '../record/witness.ts'
import { EngineClocks } from './engine-clocks.ts'
import { groupBy } from './group-by.ts'
import type { CheckedJob, RecordedRun } from './recorded-run.ts'

/** A period of monotonic time. */
export interface Window {
  readonly from: number
  readonly to: number
}

type LineOf<Event extends HistoryLine['event']> = Extract<HistoryLine, { readonly event: Event }>

// Maximum time until a resumed process notices that it has lost its occurrences, in ms. The process notices the loss
// when the storage rejects its settle.
const aftermathMs = 2000

/** A recorded run with indexes for the checks. */
export class RunView {
  readonly run: RecordedRun
  readonly clocks: EngineClocks
  /** All handler starts, ordered by time. */
  readonly starts: readonly WitnessStart[]
  readonly startsOf: ReadonlyMap<OccurrenceId, readonly WitnessStart[]>
  readonly #jobs: ReadonlyMap<string, CheckedJob>
  readonly #startKeys: ReadonlySet<string>
  readonly #ends: ReadonlyMap<string, WitnessEnd>
  readonly #lifeEnds = new Map<string, number>()
  readonly #heartbeats: ReadonlyMap<string, readonly LineOf<'heartbeat'>[]>
  readonly #suspensions = new Map<string, Stall[]>()
  readonly #supersessions = new Map<OccurrenceId, { readonly token: number; readonly mono: number }[]>()
  readonly #forced: ReadonlySet<OccurrenceId>
  readonly #endings = new Map<string, Window>()
  /** By occurrence and the owner's token: the monotonic time at which a node sent a hand-back or a reap of the occurrence. */
  readonly #givenUp = new Map<string, number>()

  constructor(run: RecordedRun) {
    this.run = run
    this.#jobs = new Map(run.jobs.map((job) => [job.name, job]))
    const inOrder = [...run.witness].sort((one, other) => one.mono - other.mono)
    this.starts = inOrder.filter((line) => line.event === 'start')
    this.startsOf = groupBy(this.starts, (start) => start.occurrence)
    this.#startKeys = new Set(this.starts.map(attemptKey))
    this.#ends = new Map(inOrder.filter((line) => line.event === 'end').map((end) => [attemptKey(end), end]))
    this.#heartbeats = groupBy(this.lines('heartbeat'), (line) => line.life)
    this.#forced = new Set(this.lines('forcing').map((line) => line.occurrence))
    this.clocks = new EngineClocks(run.clocks, run.history)
    this.#readEndings()
    this.#readLives()
    this.#readSupersessions()
  }

  /** Returns the lines of one kind of event in the history. */
  lines<Event extends HistoryLine['event']>(event: Event): readonly LineOf<Event>[] {
    return this.run.history.filter((line): line is LineOf<Event> => line.event === event)
  }

  job(name: string): CheckedJob | undefined {
    return this.#jobs.get(name)
  }

  record(id: OccurrenceId): OccurrenceRecord | undefined {
    return this.run.ledger.occurrences.get(id)
  }

  /** Returns whether a node began to cancel the occurrence by force, which ends the occurrence without its owner. */
  wasForced(id: OccurrenceId): boolean {
    return this.#forced.has(id)
  }

  hasStart(attempt: AttemptName): boolean {
    return this.#startKeys.has(attemptKey(attempt))
  }

  endOf(attempt: AttemptName): WitnessEnd | undefined {
    return this.#ends.get(attemptKey(attempt))
  }

  /** Returns the monotonic time at which the attempt or its process ended; `Infinity` if neither has ended. */
  stoppedAt(start: WitnessStart): number {
    return this.endOf(start)?.mono ?? this.#lifeEnds.get(start.life) ?? Number.POSITIVE_INFINITY
  }

  /**
   * Returns the monotonic time from which the token of a started handler was invalid: a newer token, a reap, or the end
   * of the occurrence made the token invalid. `null` if the token was valid at the start.
   */
  supersededAt(start: WitnessStart): number | null {
    const replacedAt = this.replacedAt(start) ?? Number.POSITIVE_INFINITY
    const end = this.endedWithin(start.occurrence, start)
    const endedAt = end !== null && end.to < start.mono ? end.to : Number.POSITIVE_INFINITY
    const earliest = Math.min(replacedAt, endedAt)
    return earliest === Number.POSITIVE_INFINITY ? null : earliest
  }

  /**
   * Returns the monotonic time at which a newer token or a reap made the token of a handler's line invalid. `null` if
   * neither happened before the handler wrote the line.
   */
  replacedAt({ occurrence, token, mono }: Pick<WitnessStart, 'occurrence' | 'token' | 'mono'>): number | null {
    let earliest = Number.POSITIVE_INFINITY
    for (const newer of this.#supersessions.get(occurrence) ?? []) {
      if (newer.token >= token && newer.mono < mono) earliest = Math.min(earliest, newer.mono)
    }
    return earliest === Number.POSITIVE_INFINITY ? null : earliest
  }

  /**
   * Returns the earliest monotonic time at which the handler's owner lost the unfinished occurrence by a hand-back or a
   * reap. `Infinity` without a hand-back and a reap.
   */
  givenUpAt(start: WitnessStart): number {
    const { occurrence, token, life } = start
    const known = this.#givenUp.get(`${occurrence} ${token}`)
    if (known !== undefined) return known
    // The node that reaped the occurrence may have died before it recorded the reap. In this case the ledger contains
    // the time at which the attempt was lost.
    const record = this.record(occurrence)
    if (record === undefined || record.token <= token) return Number.POSITIVE_INFINITY
    const run = record.runs.find(({ task }) => task === start.task)
    const attempt = run?.attempts.find(({ number }) => number === start.attempt)
    const lostAt = attempt?.state === 'lost' ? attempt.endedAt : null
    const at = lostAt === null ? Number.NEGATIVE_INFINITY : start.mono - (start.wall - lostAt) - this.clocks.aheadMs
    // If the ledger's time of the loss is before this start, an earlier owner lost the attempt. So this code ignores
    // that time.
    return Math.min(
      at < start.mono ? Number.POSITIVE_INFINITY : at,
      this.#lifeEnds.get(life) ?? Number.POSITIVE_INFINITY,
    )
  }

  /**
   * Returns whether the process decided on the start before its token became invalid. The handler can then start with the
   * invalid token in three cases:
   *
   * - A cancel by force ended the occurrence.
   * - The process was stopped between the decision and the start.
   * - The answer to the claim was in transit when the token became invalid.
   */
  wasDecidedBefore(start: WitnessStart, supersededAt: number): boolean {
    if (this.wasForced(start.occurrence)) return true
    const suspensions = this.#suspensions.get(start.life) ?? []
    const stalls = start.stall === null ? suspensions : [...suspensions, start.stall]
    return (
      stalls.some(({ from, to }) => from <= supersededAt && start.mono >= from && start.mono <= to + aftermathMs) ||
      (this.clocks.disagree && this.#wasAnsweredBefore(start, supersededAt))
    )
  }

  /**
   * The owner started the handler after an answer of the storage. Returns whether the token became invalid while this
   * answer was in transit.
   *
   * This is possible only if the times of the engines differ. One engine may then consider a run overdue although
   * another engine has just started it.
   */
  #wasAnsweredBefore(start: WitnessStart, supersededAt: number): boolean {
    const isIts = ({ life, occurrence, token }: LineOf<'granted' | 'settled'>): boolean =>
      life === start.life && occurrence === start.occurrence && token === start.token
    return [...this.lines('granted'), ...this.lines('settled')].some(
      (line) =>
        isIts(line) && line.sentAt <= supersededAt && line.mono <= start.mono && start.mono - line.mono <= aftermathMs,
    )
  }

  /** Returns the monotonic time at which the process ended; `null` if it has not ended. */
  endOfLife(life: string): number | null {
    return this.#lifeEnds.get(life) ?? null
  }

  /**
   * Returns the longest gap between two accepted heartbeats of the process, in ms. A gap counts if it began at `before`
   * or earlier, and ended at `after` or later. The part of a gap after `before` does not count.
   */
  silenceMs(life: string, { before, after }: { readonly before: number; readonly after: number }): number {
    const beats = this.#heartbeats.get(life) ?? []
    let longest = 0
    for (const [index, { sentAt }] of beats.entries()) {
      if (sentAt > before) break
      const next = beats[index + 1]?.mono ?? Number.POSITIVE_INFINITY
      if (next >= after) longest = Math.max(longest, Math.min(next, before) - sentAt)
    }
    return longest
  }

  /** Returns whether the process was stopped, or had no processor, at a monotonic time or up to 2 s before it. */
  wasStopped(life: string, mono: number): boolean {
    return (this.#suspensions.get(life) ?? []).some(({ from, to }) => from <= mono && mono <= to + aftermathMs)
  }

  /**
   * Returns the period in which the occurrence ended; `null` if the occurrence has not ended. The period begins when
   * the process sent the call that ended the occurrence, and ends with the storage's answer.
   *
   * If the process died before it recorded the answer, this method uses the end in the ledger. This end is a wall time.
   * `near` is one moment as wall time and as monotonic time. With it, the method converts the end to monotonic time.
   */
  endedWithin(id: OccurrenceId, near: HostTime): Window | null {
    const record = this.record(id)
    if (record === undefined || record.finishedAt === null) return null
    const answered = this.#endings.get(`${id} ${record.token}`) ?? this.#endings.get(id)
    if (answered !== undefined) return answered
    const { aheadMs, behindMs } = this.clocks
    const at = near.mono - (near.wall - record.finishedAt)
    return { from: at - aheadMs, to: at + behindMs + this.run.clocks.repeatMs }
  }

  #readEndings(): void {
    for (const { occurrence, token, change, sentAt, mono } of this.lines('settled')) {
      if (change === 'finish') this.#endings.set(`${occurrence} ${token}`, { from: sentAt, to: mono })
      if (change === 'release') this.#givenUp.set(`${occurrence} ${token}`, sentAt)
    }
    for (const { occurrence, token, action, sentAt, mono } of this.lines('reaped')) {
      if (action === 'fail') this.#endings.set(`${occurrence} ${token}`, { from: sentAt, to: mono })
      else this.#givenUp.set(`${occurrence} ${token}`, sentAt)
    }
    for (const { occurrence, sentAt, mono } of this.lines('canceled')) {
      this.#endings.set(occurrence, { from: sentAt, to: mono })
    }
  }

  #readLives(): void {
    const stoppedAt = new Map<string, number>()
    for (const line of [...this.run.history].sort((one, other) => one.mono - other.mono)) {
      if (line.event === 'killed' || line.event === 'crashing' || line.event === 'exited') {
        if (!this.#lifeEnds.has(line.life)) this.#lifeEnds.set(line.life, line.mono)
      } else if (line.event === 'stalled') {
        this.#suspend(line.life, line.stall)
      } else if (line.event === 'stopped') {
        stoppedAt.set(line.life, line.mono)
      } else if (line.event === 'resumed') {
        this.#suspend(line.life, { from: stoppedAt.get(line.life) ?? line.mono, to: line.mono })
      }
    }
  }

  #suspend(life: string, stall: Stall): void {
    const stalls = this.#suspensions.get(life)
    if (stalls === undefined) this.#suspensions.set(life, [stall])
    else stalls.push(stall)
  }

  #readSupersessions(): void {
    for (const line of this.run.history) {
      if (line.event === 'granted') this.#supersede(line.occurrence, line.token - 1, line.mono)
      else if (line.event === 'reaped') this.#supersede(line.occurrence, line.token, line.mono)
    }
    for (const start of this.starts) this.#supersede(start.occurrence, start.token - 1, start.mono)
  }

  /** Marks all tokens of the occurrence up to `token` as invalid from a monotonic time on. */
  #supersede(occurrence: OccurrenceId, token: number, mono: number): void {
    const known = this.#supersessions.get(occurrence)
    if (known === undefined) this.#supersessions.set(occurrence, [{ token, mono }])
    else known.push({ token, mono })
  }
}

/** The fields that identify an attempt. */
export interface AttemptName {
  readonly occurrence: OccurrenceId
  readonly task: string
  readonly attempt: number
}

export function attemptKey({ occurrence, task, attempt }: AttemptName): string {
  return `${occurrence} ${task} ${attempt}`
}
