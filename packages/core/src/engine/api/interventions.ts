import { ApiPart } from './api-part.ts'
import { readBoolean, readName, readObject } from '../../configuration/read-value.ts'
import type { DurationInput } from '../../duration.ts'
import { invalidValue, type JobistemerError, printValue } from '../../errors.ts'
import type { EventHub } from '../../events.ts'
import { type OccurrenceId, occurrenceId } from '../../ids.ts'
import type { InstantInput } from '../../instant.ts'
import type { PauseRecord } from '../../storage/job-record.ts'
import { isFinal, type OccurrenceAddress, type OccurrenceState } from '../../storage/occurrence-record.ts'
import { pausedUntil } from '../../storage/rules.ts'
import type { CancelAnswer, CreateAnswer, SaveJobAnswer } from '../../storage/storage.ts'
import { jobNotFound } from '../definitions/job-errors.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { callOptionNames, type CallOptions } from '../storage-access/caller-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { findOccurrence } from './explain.ts'
import { namesOf } from './list-pages.ts'
import { readWhen } from './request-options.ts'

/**
 * The reason and the actor of a call that changes a job or an occurrence. The storage keeps both with the changed job
 * or occurrence.
 */
export interface InterventionOptions extends CallOptions {
  /** Why. 1 to 255 characters. */
  readonly reason?: string
  /** Who. 1 to 255 characters. */
  readonly actor?: string
}

/** Options of a cancel. */
export interface CancelOptions extends InterventionOptions {
  /**
   * If true, the call ends a running occurrence at once, without waiting for its owner to respond. If the owner lives, the
   * storage rejects the owner's next report of the occurrence. The owner then fires the signal of the handlers and calls
   * `onComplete`. Default false.
   */
  readonly force?: boolean
}

/** What a call of `cancel` has done to an occurrence. */
export interface CancelResult {
  readonly id: OccurrenceId
  /**
   * `canceled`: the call ended the occurrence. `requested`: the occurrence runs, and its owner is to cancel it. `final`: the
   * occurrence had ended before the call.
   */
  readonly outcome: 'canceled' | 'requested' | 'final'
  /** The state of the occurrence after the cancel. */
  readonly state: OccurrenceState
}

/** Options of a pause of a job. Without `until` and `for`, the pause lasts until a call resumes the job. */
export interface PauseOptions extends InterventionOptions {
  /** End of the pause, a future instant. A slot exactly at the end runs. */
  readonly until?: InstantInput
  /** Duration of the pause, at least 1 ms. The call rejects `for` together with `until`. */
  readonly for?: DurationInput
}

/** Selects jobs by a tag, an owner tag, or both. */
export interface JobSelection {
  /** Selects only jobs with this tag. */
  readonly tag?: string
  /** Selects only jobs with this owner tag. */
  readonly owner?: string
}

/**
 * Validates the options of a call, whose own options have the names `ownNames`. Returns the reason and the actor that the caller
 * gave; `null` for an option that is absent. @throws JobistemerError `INVALID_NAME`, `UNKNOWN_OPTION`
 */
export function readVoice(
  options: InterventionOptions,
  ...ownNames: readonly string[]
): Record<'reason' | 'actor', string | null> {
  const { reason, actor } = readObject(options, 'options', [...ownNames, 'reason', 'actor', ...callOptionNames])
  return {
    reason: reason === undefined ? null : readName(reason, 'reason'),
    actor: actor === undefined ? null : readName(actor, 'actor'),
  }
}

/**
 * Validates the options of a pause. @throws JobistemerError `UNKNOWN_OPTION`, `INVALID_NAME`, `INVALID_INSTANT`,
 * `INVALID_DURATION`, `INVALID_ARGUMENT`
 */
export function readPause(options: PauseOptions, now: number): PauseRecord {
  const voice = readVoice(options, 'until', 'for')
  const until = readWhen(options.until, options.for, now, { at: 'until', delay: 'for', min: 1 })
  if (until === null) return { at: now, ...voice }
  if (until > now) return { at: now, until, ...voice }
  const remedy = 'Give an instant that lies ahead, or leave it out: then the job stays paused until it is resumed.'
  throw invalidValue('until', 'does not lie ahead', options.until, remedy)
}

/** Validates a selection of jobs. @throws JobistemerError `INVALID_ARGUMENT` for a selection with neither a tag nor an owner */
export function readSelection(selection: JobSelection): JobSelection {
  readObject(selection, 'filter', ['tag', 'owner'])
  if (selection.tag !== undefined || selection.owner !== undefined) return selection
  const remedy = 'Give at least one of them, so that no call affects all jobs by accident.'
  throw invalidValue('filter', 'names neither a tag nor an owner', selection, remedy)
}

/** Emits `occurrence.canceled` for each of the canceled occurrences of one job. */
export function tellCanceled(
  events: EventHub,
  jobName: string,
  reason: string,
  canceled: readonly OccurrenceAddress[],
): void {
  if (!events.hears('occurrence.canceled')) return
  for (const { id: occurrenceId, jobId, scheduledAt } of canceled) {
    events.emit('occurrence.canceled', { jobId, jobName, occurrenceId, scheduledAt: new Date(scheduledAt), reason })
  }
}

/** Cancels occurrences, and pauses and resumes jobs. */
export class Interventions extends ApiPart {
  async cancel(id: OccurrenceId, options: CancelOptions, storage: StorageCalls): Promise<CancelResult> {
    const { reason: why, actor } = readVoice(options, 'force')
    const reason = why ?? 'canceled'
    const isForced = options.force !== undefined && readBoolean(options.force, 'force')
    const record = await findOccurrence(storage, id)
    const { jobId, scheduledAt } = record
    const item = { id, jobId, scheduledAt, reason, actor, mode: isForced ? 'force' : 'request' } as const
    const held = this.registry.get(jobId)
    const jobName = held?.job.name ?? (await namesOf([jobId], storage)).get(jobId) ?? jobId
    const now = this.engine.now()
    const [answer] = await storage.once((calls) => calls.cancel({ now, items: [item] }))
    const answered = answer as CancelAnswer
    if (answered.outcome === 'final') {
      // This call may have canceled the run, and its answer was lost. Or a caller with the same reason has died after its cancel.
      // The next run of a backfill is then still missing; `handOn` creates it once.
      const isOwn = answered.state === 'canceled' && (await findOccurrence(storage, id)).reason === reason
      if (isOwn) await this.pool.relay?.handOn(record)
      return { id, outcome: 'final', state: answered.state }
    }
    if (answered.outcome === 'absent') {
      // The storage has pruned the record since this call read the record. Only final occurrences are pruned, so the
      // occurrence had ended.
      return { id, outcome: 'final', state: isFinal(record.state) ? record.state : 'canceled' }
    }
    this.pool.get(id)?.cancel(reason)
    if (answered.outcome === 'requested') return { id, outcome: 'requested', state: 'running' }
    tellCanceled(this.engine.events, jobName, reason, [record])
    if (answered.woken !== null) this.capacity.workAppeared()
    // A cancel ends only this run. If the run belongs to a backfill, `handOn` creates the backfill's next run.
    await this.pool.relay?.handOn(record)
    return { id, outcome: 'canceled', state: 'canceled' }
  }

  /** Cancels a future slot: creates its record as `canceled`, so that no node runs the slot. */
  async cancelSlot(
    given: RegisteredJob,
    slot: number,
    options: InterventionOptions,
    storage: StorageCalls,
  ): Promise<CancelResult> {
    const { reason: why, actor } = readVoice(options)
    const reason = why ?? 'canceled'
    let job = given
    const jobId = job.job.id
    const id = occurrenceId(jobId, slot)
    const details = actor === null ? {} : { requestActor: actor }
    for (;;) {
      if (job.series.nextMs(slot - 1) !== slot) throw notASlot(job, slot, 'is not a slot of')
      const { owner } = this.engine
      const now = this.engine.now()
      const { version: jobVersion } = job
      const item = { kind: 'exclusion', id, jobId, scheduledAt: slot, jobVersion, reason, details } as const
      const [answer] = await storage.once((calls) => calls.createOccurrences({ now, owner, items: [item] }))
      const { outcome } = answer as CreateAnswer
      if (outcome === 'created') {
        tellCanceled(this.engine.events, job.job.name, reason, [{ id, jobId, scheduledAt: slot }])
        return { id, outcome: 'canceled', state: 'canceled' }
      }
      if (outcome === 'exists') return this.cancel(id, options, storage)
      if (outcome !== 'stale_version' && outcome !== 'absent') throw notASlot(job, slot, 'lies in the past of')
      const present = await this.registry.reloadNow(job, storage)
      if (present === null) throw jobNotFound(job.job.name)
      job = present
    }
  }

  async pause(job: RegisteredJob, paused: PauseRecord, storage: StorageCalls): Promise<void> {
    if (!(await this.#savePause(job, paused, storage))) return
    const { until, reason } = paused
    const end = until === undefined ? null : new Date(until)
    this.engine.events.emit('job.paused', { jobId: job.job.id, jobName: job.job.name, reason, until: end })
  }

  async resume(job: RegisteredJob, options: InterventionOptions, storage: StorageCalls): Promise<void> {
    const { reason, actor } = readVoice(options)
    if (!(await this.#savePause(job, null, storage))) return
    if (reason !== null || actor !== null) {
      // `resume` has ended the pause above. A job's record can keep the reason and the actor of `resume` only in a pause,
      // as the member `lifted`. So this call stores another pause, which has already ended. If another caller has begun a
      // new pause meanwhile, the storage keeps the new pause.
      const lifted = { at: this.engine.now(), reason, actor }
      await this.#savePause(job, { at: lifted.at, until: 1, reason: null, actor: null, lifted }, storage)
    }
    this.engine.events.emit('job.resumed', { jobId: job.job.id, jobName: job.job.name })
    this.capacity.workAppeared()
  }

  async #savePause(job: RegisteredJob, paused: PauseRecord | null, storage: StorageCalls): Promise<boolean> {
    const now = this.engine.now()
    const [answer] = await storage.once((calls) =>
      calls.saveJobs({ now, changes: [{ kind: 'pause', id: job.job.id, paused }] }),
    )
    const saved = answer as SaveJobAnswer
    if (saved.outcome === 'absent') throw jobNotFound(job.job.name)
    // The storage may have kept a longer pause that another caller began.
    job.pausedUntil = pausedUntil(saved.job.paused)
    return saved.outcome === 'saved'
  }
}

function notASlot(job: RegisteredJob, slot: number, how: string): JobistemerError {
  const what = `${how} the schedule of job ${printValue(job.job.name)}`
  return invalidValue('at', what, new Date(slot).toISOString(), 'Give an instant that nextRuns() lists.')
}
