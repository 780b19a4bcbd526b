import { jobId, type OccurrenceId, occurrenceId } from '@jobistemer/core'
import type { AttemptRecord, JobRecord, OccurrenceRecord, TaskRunRecord } from '@jobistemer/core/storage'
import type { CheckedJob, RecordedRun } from '../../src/checker/recorded-run.ts'
import type { RunClocks } from '../../src/checker/run-clocks.ts'
import type { DriverEvent, HistoryLine, NodeEvent } from '../../src/record/history.ts'
import type { UserRow } from '../../src/rows/user-rows.ts'
import type { WitnessEnd, WitnessLine, WitnessStart } from '../../src/record/witness.ts'

/** Wall time of the beginning (moment 0) of a handwritten run, in epoch milliseconds. Slots are at whole seconds. */
export const origin: number = Date.parse('2026-03-01T00:00:00Z')

const monotonicOrigin = 5_000_000

export const exclusive: CheckedJob = jobOf('exclusive', true)
export const open: CheckedJob = jobOf('open', false)

/** A job whose start rate is so high that it never delays a start. Only `maxConcurrency` limits the job. */
export const rated: CheckedJob = { ...jobOf('rated', true), startRate: { limit: 100, intervalMs: 1 } }

function jobOf(name: string, isExclusive: boolean, places = 1): CheckedJob {
  return { id: jobId(name), name, isExclusive, places, startRate: null, movingTasks: ['move'], slots: secondsBetween }
}

function* secondsBetween(after: number, until: number): Iterable<number> {
  for (let at = (Math.floor(after / 1000) + 1) * 1000; at <= until; at += 1000) yield at
}

interface Doing {
  readonly at: number
  readonly occurrence: OccurrenceId
  readonly life: string
  readonly token?: number
  readonly attempt?: number
  readonly task?: string
  readonly job?: CheckedJob
  /** How far the time in the node's request is ahead of the true time, in ms. */
  readonly clockError?: number
}

/** A handwritten recorded run. All moments are milliseconds since its beginning. */
export class Story {
  readonly witness: WitnessLine[] = []
  readonly history: HistoryLine[] = []
  readonly records: Map<OccurrenceId, OccurrenceRecord> = new Map()
  readonly heads: JobRecord[] = []
  readonly rows: UserRow[] = []
  clocks: RunClocks = { source: 'process', aheadMs: 0, behindMs: 0, repeatMs: 0 }

  run(): RecordedRun {
    const { clocks, witness, history, heads, rows } = this
    const ledger = { jobs: heads, occurrences: this.records }
    return { jobs: [exclusive, open, rated], clocks, deadAfterMs: 1500, witness, history, rows, ledger }
  }

  slot(at: number, job: CheckedJob = exclusive): OccurrenceId {
    return occurrenceId(job.id, origin + at)
  }

  node(at: number, event: NodeEvent): void {
    this.history.push({ ...moment(at), ...event } as HistoryLine)
  }

  driver(at: number, event: DriverEvent): void {
    this.history.push({ ...moment(at), ...event } as HistoryLine)
  }

  created(at: number, life: string, occurrence: OccurrenceId, kind: 'slot' | 'trigger' = 'slot'): void {
    this.node(at, { event: 'created', life, occurrence, job: exclusive.name, origin: kind, state: 'running' })
  }

  granted(doing: Doing): void {
    const { at, occurrence, life, token = 1, job = exclusive, clockError = 0 } = doing
    const now = origin + at + clockError
    const deadline = now + 500
    const grant = { event: 'granted', by: 'claim', token, now, deadline, sentAt: mono(at) } as const
    this.node(at, { ...grant, life, occurrence, job: job.name, node: nodeOf(life) })
  }

  settled(
    doing: Doing & { readonly sequence?: number; readonly sentAt?: number },
    change: 'progress' | 'release' | 'completed' | 'failed',
  ): void {
    const { at, occurrence, life, token = 1, sequence = 1, sentAt = at } = doing
    const isFinish = change === 'completed' || change === 'failed'
    this.node(at, {
      event: 'settled',
      life,
      occurrence,
      token,
      sequence,
      change: isFinish ? 'finish' : change,
      state: isFinish ? change : null,
      sentAt: moment(sentAt).mono,
    })
  }

  reaped(doing: Doing & { readonly action?: 'fail' | 'retry'; readonly reason?: string }): void {
    const { at, occurrence, life, token = 1, action = 'fail', reason = 'execution_timeout', clockError = 0 } = doing
    const now = origin + at + clockError
    const sentAt = mono(at)
    this.node(at, { event: 'reaped', life, occurrence, node: nodeOf(life), token, action, reason, now, sentAt })
  }

  /** Adds an accepted heartbeat of a process. */
  heartbeat(at: number, life: string): void {
    this.node(at, { event: 'heartbeat', life, sentAt: mono(at) })
  }

  /** Sets the clock of a process `offsetMs` ahead of the machine's clock. */
  clock(at: number, life: string, offsetMs: number): void {
    this.node(at, { event: 'clock', life, offsetMs })
  }

  /** Adds one measurement of the storage's clock by a process: three readings, each of which takes `roundTripMs`. */
  measurement(at: number, life: string, roundTripMs: number): void {
    for (let count = 0; count < 3; count++) {
      this.node(at, { event: 'clock-read', life, time: origin + at, resolutionMs: 1, sentAt: mono(at) - roundTripMs })
    }
  }

  start(doing: Doing & Partial<Pick<WitnessStart, 'scheduledAt' | 'kind' | 'stall'>>): void {
    const { at, kind = 'slot', stall = null, clockError = 0 } = doing
    const takenAt = origin + at + clockError
    const scheduledAt =
      doing.scheduledAt ?? this.records.get(doing.occurrence)?.scheduledAt ?? origin + Math.floor(at / 1000) * 1000
    this.witness.push({ ...moment(at), event: 'start', ...who(doing), kind, scheduledAt, takenAt, stall })
  }

  end(doing: Doing, outcome: WitnessEnd['outcome'] = 'succeeded'): void {
    this.witness.push({ ...moment(doing.at), event: 'end', ...who(doing), outcome })
  }

  /** Adds the final record of an occurrence to the ledger. */
  record(
    occurrence: OccurrenceId,
    about: Partial<OccurrenceRecord> & { readonly scheduledAt: number; readonly finishedAt: number | null },
    job: CheckedJob = exclusive,
  ): void {
    const token = about.token ?? 1
    this.records.set(occurrence, {
      id: occurrence,
      jobId: job.id,
      kind: 'slot',
      state: 'completed',
      sequence: 1,
      owner: token === 0 ? null : { node: 'a', incarnation: 'x' },
      jobVersion: 1,
      dueAt: about.scheduledAt,
      createdAt: about.scheduledAt,
      startedAt: about.scheduledAt,
      executionTimeoutMs: 500,
      deadlineAt: null,
      reason: null,
      recovered: false,
      rescues: 0,
      cancelRequest: null,
      details: {},
      runs: [taskRun('succeeded')],
      ...about,
      token,
    })
  }

  /** Adds a slot that breaks no rule: the slot starts at its instant and runs for 100 ms. */
  plainSlot(at: number, life: string, job: CheckedJob = exclusive): OccurrenceId {
    const occurrence = this.slot(at, job)
    this.record(occurrence, { scheduledAt: origin + at, finishedAt: origin + at + 110 }, job)
    this.created(at + 4, life, occurrence)
    this.granted({ at: at + 4, occurrence, life, job })
    this.start({ at: at + 10, occurrence, life, job })
    this.end({ at: at + 110, occurrence, life, job })
    this.settled({ at: at + 115, occurrence, life, job }, 'completed')
    return occurrence
  }
}

/** Returns the task run of the task `work`, whose attempts have these states. */
export function taskRun(...states: readonly AttemptRecord['state'][]): TaskRunRecord {
  const attempts = states.map((state, index): AttemptRecord => {
    return { number: index + 1, state, startedAt: origin, endedAt: state === 'running' ? null : origin }
  })
  const last = states.at(-1)
  return {
    task: 'work',
    state: last === 'succeeded' ? 'completed' : last === 'failed' ? 'failed' : 'canceled',
    attempts,
  }
}

function moment(at: number) {
  return { mono: monotonicOrigin + at, wall: origin + at }
}

/** Converts a moment of a handwritten run (ms since its beginning) to monotonic time. */
export function mono(at: number): number {
  return monotonicOrigin + at
}

function nodeOf(life: string): string {
  return life.split('.')[0] as string
}

function who({ occurrence, life, token = 1, attempt = 1, task = 'work', job = exclusive }: Doing) {
  return { occurrence, job: job.name, task, attempt, token, node: nodeOf(life), life }
}
