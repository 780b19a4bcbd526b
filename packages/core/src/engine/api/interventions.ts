import { readBoolean, readName, readObject } from '../../configuration/read-value.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import { type JobId, type OccurrenceId, occurrenceId } from '../../ids.ts'
import type { PauseRecord } from '../../storage/job-record.ts'
import { isFinal, type OccurrenceRecord, type OccurrenceState } from '../../storage/occurrence-record.ts'
import { pausedUntil } from '../../storage/rules.ts'
import type { CancelAnswer, CreateAnswer, SaveJobAnswer } from '../../storage/storage.ts'
import type { Capacity } from '../execution/capacity.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { type CallOptions, callOptionNames } from '../storage-access/caller-context.ts'
import type { EngineContext } from '../storage-access/engine-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import type { ExecutionPool } from '../execution/execution-pool.ts'
import { withRunsOfClaim } from './runs-of-claim.ts'

/** The reason and the actor of an intervention. The storage keeps both in the record. */
export interface InterventionOptions extends CallOptions {
  /** Why. 1 to 255 characters. */
  readonly reason?: string
  /** Who. 1 to 255 characters. */
  readonly actor?: string
}

/** Options of a cancel. */
export interface CancelOptions extends InterventionOptions {
  /**
   * End a running occurrence at once, without waiting for its owner. For owners that do not respond. The storage rejects the
   * next report of a living owner, which then fires the signal of its handlers and calls `onComplete`. Default false.
   */
  readonly force?: boolean
}

/** The result of a cancel. */
export interface CancelResult {
  readonly id: OccurrenceId
  /** `requested`: the occurrence runs, and its owner is to cancel it. `final`: it had ended before. */
  readonly outcome: 'canceled' | 'requested' | 'final'
  /** The state of the occurrence after the cancel. */
  readonly state: OccurrenceState
}

/** The end of a pause without effect, in epoch milliseconds. Such a pause only stores who resumed the job. */
const beforeAllSlots = 1

/** The option names of every intervention. */
export const interventionOptionNames: readonly string[] = ['reason', 'actor', ...callOptionNames]

/** Cancels occurrences, and pauses and resumes jobs. */
export class Interventions {
  readonly #engine: EngineContext
  readonly #registry: JobRegistry
  readonly #pool: ExecutionPool
  readonly #capacity: Capacity

  constructor(engine: EngineContext, options: { registry: JobRegistry; capacity: Capacity; pool: ExecutionPool }) {
    this.#engine = engine
    this.#registry = options.registry
    this.#pool = options.pool
    this.#capacity = options.capacity
  }

  /** @throws JobistemerError `OCCURRENCE_NOT_FOUND` */
  async find(id: OccurrenceId, storage: StorageCalls): Promise<OccurrenceRecord> {
    readName(id, 'occurrenceId', 'Give the id of an occurrence, from occurrences() or an event.')
    const { occurrences } = await storage.once((calls) => calls.get({ occurrences: [id] }))
    const [record] = await withRunsOfClaim(
      storage,
      occurrences.flatMap((found) => found ?? []),
    )
    if (record !== undefined) return record
    throw new JobistemerError('OCCURRENCE_NOT_FOUND', {
      message: `There is no occurrence ${printValue(id)}.`,
      field: 'occurrenceId',
      value: id,
      remedy: 'Take the id from occurrences() or an event; pruned ones are gone.',
    })
  }

  async cancel(id: OccurrenceId, options: CancelOptions, storage: StorageCalls): Promise<CancelResult> {
    readObject(options, 'options', [...interventionOptionNames, 'force'])
    const reason = options.reason === undefined ? 'canceled' : readName(options.reason, 'reason')
    const actor = options.actor === undefined ? null : readName(options.actor, 'actor')
    const isForced = options.force !== undefined && readBoolean(options.force, 'force')
    const record = await this.find(id, storage)
    const { jobId, scheduledAt } = record
    const mode = isForced ? 'force' : 'request'
    const jobName = await this.#nameOf(jobId, storage)
    const now = this.#engine.now()
    const [answer] = await storage.once((calls) =>
      calls.cancel({ now, items: [{ id, jobId, scheduledAt, reason, actor, mode }] }),
    )
    const result = this.#canceled(record, { reason, jobName }, answer as CancelAnswer)
    // The caller cancels only this run. The relay continues its backfill.
    if (result.outcome === 'canceled') await this.#pool.relay?.handOn(record)
    return result
  }

  #canceled(
    record: OccurrenceRecord,
    { reason, jobName }: { readonly reason: string; readonly jobName: string },
    answer: CancelAnswer,
  ): CancelResult {
    const { id } = record
    switch (answer.outcome) {
      case 'canceled':
        this.#pool.get(id)?.cancel(reason)
        this.#emitCanceled({ jobId: record.jobId, jobName, occurrenceId: id }, record.scheduledAt, reason)
        if (answer.woken !== null) this.#capacity.workAppeared()
        return { id, outcome: 'canceled', state: 'canceled' }
      case 'requested':
        this.#pool.get(id)?.cancel(reason)
        return { id, outcome: 'requested', state: 'running' }
      case 'final':
        return { id, outcome: 'final', state: answer.state }
      case 'absent':
        // The record was pruned after the read.
        return { id, outcome: 'final', state: isFinal(record.state) ? record.state : 'canceled' }
    }
  }

  /** Creates the record of a future slot as `canceled`, so that no node runs it. */
  async cancelSlot(
    asked: RegisteredJob,
    slot: number,
    options: InterventionOptions,
    storage: StorageCalls,
  ): Promise<CancelResult> {
    readObject(options, 'options', interventionOptionNames)
    const reason = options.reason === undefined ? 'canceled' : readName(options.reason, 'reason')
    let job = asked
    const jobId = job.job.id
    const id = occurrenceId(jobId, slot)
    const details = options.actor === undefined ? {} : { requestActor: readName(options.actor, 'actor') }
    for (;;) {
      if (job.series.nextMs(slot - 1) !== slot) throw notASlot(job, slot, 'is not a slot of')
      const { owner } = this.#engine
      const now = this.#engine.now()
      const item = {
        kind: 'exclusion',
        id,
        jobId,
        scheduledAt: slot,
        jobVersion: job.version,
        reason,
        details,
      } as const
      const [answer] = await storage.once((calls) => calls.createOccurrences({ now, owner, items: [item] }))
      const { outcome } = answer as CreateAnswer
      if (outcome === 'created') {
        this.#emitCanceled({ jobId, jobName: job.job.name, occurrenceId: id }, slot, reason)
        return { id, outcome: 'canceled', state: 'canceled' }
      }
      if (outcome === 'exists') return this.cancel(id, options, storage)
      if (outcome !== 'stale_version' && outcome !== 'absent') throw notASlot(job, slot, 'lies in the past of')
      const present = await this.#registry.reloadNow(job, storage)
      if (present === null) throw jobDeleted(job)
      job = present
    }
  }

  async pause(job: RegisteredJob, paused: PauseRecord, storage: StorageCalls): Promise<void> {
    const changed = await this.#savePause(job, paused, storage)
    if (!changed) return
    const { until, reason } = paused
    const end = until === undefined ? null : new Date(until)
    this.#engine.events.emit('job.paused', { jobId: job.job.id, jobName: job.job.name, reason, until: end })
  }

  async resume(job: RegisteredJob, options: InterventionOptions, storage: StorageCalls): Promise<void> {
    readObject(options, 'options', interventionOptionNames)
    const reason = options.reason === undefined ? null : readName(options.reason, 'reason')
    const actor = options.actor === undefined ? null : readName(options.actor, 'actor')
    const changed = await this.#savePause(job, null, storage)
    if (!changed) return
    if (reason !== null || actor !== null) {
      // This pause has no effect, so it does not replace a pause that another caller has begun meanwhile.
      const lifted = { at: this.#engine.now(), reason, actor }
      await this.#savePause(job, { at: lifted.at, until: beforeAllSlots, reason: null, actor: null, lifted }, storage)
    }
    this.#engine.events.emit('job.resumed', { jobId: job.job.id, jobName: job.job.name })
    this.#capacity.workAppeared()
  }

  async #savePause(job: RegisteredJob, paused: PauseRecord | null, storage: StorageCalls): Promise<boolean> {
    const now = this.#engine.now()
    const [answer] = await storage.once((calls) =>
      calls.saveJobs({ now, changes: [{ kind: 'pause', id: job.job.id, paused }] }),
    )
    const saved = answer as SaveJobAnswer
    if (saved.outcome === 'absent') throw jobDeleted(job)
    // The storage may keep a longer pause by another caller.
    job.pausedUntil = pausedUntil(saved.job.paused)
    return saved.outcome === 'saved'
  }

  #emitCanceled(
    names: { readonly jobId: JobId; readonly jobName: string; readonly occurrenceId: OccurrenceId },
    scheduledAt: number,
    reason: string,
  ): void {
    this.#engine.events.emit('occurrence.canceled', { ...names, scheduledAt: new Date(scheduledAt), reason })
  }

  /** Returns the job's name, or its id for an unknown job. A node that evicts jobs reads the name from the storage. */
  async #nameOf(jobId: JobId, storage: StorageCalls): Promise<string> {
    const job = this.#registry.get(jobId)
    if (job !== undefined || !this.#registry.cache.isEvicting) return job?.job.name ?? jobId
    const { jobs } = await storage.once((calls) => calls.get({ jobs: [jobId] }))
    return jobs[0]?.name ?? jobId
  }
}

function jobDeleted(job: RegisteredJob): JobistemerError {
  return new JobistemerError('JOB_NOT_FOUND', {
    message: `Job ${printValue(job.job.name)} was deleted.`,
    field: 'name',
    value: job.job.name,
    remedy: 'Define it again.',
  })
}

function notASlot(job: RegisteredJob, slot: number, how: string): JobistemerError {
  const text = new Date(slot).toISOString()
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `${text} ${how} the schedule of job ${printValue(job.job.name)}.`,
    field: 'at',
    value: text,
    remedy: 'Give an instant that nextRuns() lists.',
  })
}
