import type { JsonValue } from '../../json.ts'
import type { AttemptRecord, TaskRunRecord, TaskRunState } from '../../storage/occurrence-record.ts'
import type { Alarm } from '../loop/agenda.ts'
import type { TaskPlan } from '../jobs/job-plan.ts'

/** Why an attempt was told to stop. */
export type AbortReason = 'timeout' | 'fail_fast' | 'canceled' | 'execution_timeout' | 'shutdown' | 'no_place' | 'lost'

/** Whether an attempt was stopped only so that another owner can make the next one. */
export function isHandOver(reason: string | undefined): boolean {
  return reason === 'shutdown' || reason === 'no_place'
}

/** What a task of a running occurrence is doing. */
export type TaskActivity =
  /** Nothing: not started, between owners, or ended. */
  | 'idle'
  /** Its next attempt is being written ahead, or waits for its retry interval. */
  | 'starting'
  /** Its handler runs. */
  | 'running'

/** Who a task's alarms are for. */
export interface TaskOwner {
  taskAlarm(task: TaskProgress): void
}

/** The course of one task inside a running occurrence. */
export class TaskProgress implements Alarm {
  at: number = 0
  heapIndex: number = -1
  readonly plan: TaskPlan
  /** `null` until its first attempt. */
  state: TaskRunState | null = null
  activity: TaskActivity = 'idle'
  attempts: AttemptRecord[] = []
  result: JsonValue | undefined = undefined
  reason: string | undefined = undefined
  /** The present attempt is in the storage. */
  durable: boolean = false
  /** The present attempt's retry interval is over. */
  due: boolean = true
  abortReason: AbortReason | undefined = undefined
  controller: AbortController | undefined = undefined
  readonly #owner: TaskOwner

  constructor(plan: TaskPlan, owner: TaskOwner) {
    this.plan = plan
    this.#owner = owner
  }

  /** True when nothing more will happen to it. */
  get ended(): boolean {
    return this.state === 'completed' || this.state === 'failed' || this.state === 'canceled'
  }

  get lastAttempt(): AttemptRecord | undefined {
    return this.attempts.at(-1)
  }

  ring(): void {
    this.#owner.taskAlarm(this)
  }

  replaceLastAttempt(change: Partial<AttemptRecord>): void {
    const last = this.attempts.at(-1)
    if (last === undefined) return
    const attempts = this.attempts.slice()
    attempts[attempts.length - 1] = { ...last, ...change }
    this.attempts = attempts
  }

  /** The first attempt of an occurrence that has waited for its place begins now. */
  startsAt(now: number): void {
    if (this.activity === 'starting' && this.durable && this.lastAttempt?.startedAt !== now) {
      this.replaceLastAttempt({ startedAt: now })
    }
  }

  /** As the storage keeps it. */
  toRecord(): TaskRunRecord | null {
    if (this.state === null) return null
    return {
      task: this.plan.name,
      state: this.state,
      attempts: this.attempts,
      ...(this.result !== undefined && { result: this.result }),
      ...(this.reason !== undefined && { reason: this.reason }),
    }
  }

  /** Takes over what an earlier owner left: its unfinished attempt is lost. */
  resume(record: TaskRunRecord, now: number): void {
    this.state = record.state
    this.result = record.result
    this.attempts = withLostAttempts(record, now).attempts.slice()
    // Why it was handed back is said by its attempt, and is not why it will end.
    if (this.ended) this.reason = record.reason
    else this.state = 'retrying'
  }
}

/** The record with attempts that have not ended marked as lost. */
export function withLostAttempts(record: TaskRunRecord, now: number | null): TaskRunRecord {
  const unfinished = (attempt: AttemptRecord) => attempt.state === 'running' || attempt.state === 'waiting'
  if (!record.attempts.some(unfinished)) return record
  return {
    ...record,
    attempts: record.attempts.map((attempt) =>
      unfinished(attempt) ? { ...attempt, state: 'lost' as const, endedAt: now } : attempt,
    ),
  }
}

/** The record of a task that nobody goes on with; one that has ended stays as it is. */
export function abandoned(
  record: TaskRunRecord,
  how: { readonly state: 'failed' | 'canceled'; readonly reason: string; readonly now: number },
): TaskRunRecord {
  if (record.state !== 'running' && record.state !== 'retrying') return record
  return { ...withLostAttempts(record, how.now), state: how.state, reason: how.reason }
}

/** The task runs that an occurrence starts with: the first task, or all of them, with their first attempts running. */
export function initialRuns(plans: readonly TaskPlan[], parallel: boolean, now: number): TaskRunRecord[] {
  const first = parallel ? plans : plans.slice(0, 1)
  return first.map((plan) => ({
    task: plan.name,
    state: 'running',
    attempts: [{ number: 1, state: 'running', startedAt: now, endedAt: null }],
  }))
}
