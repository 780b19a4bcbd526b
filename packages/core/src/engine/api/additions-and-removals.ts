import { ApiPart } from './api-part.ts'
import { chunksOf } from '../storage-access/retrying-storage.ts'
import { assertModulesExist, isolatedWorkOf } from '../../job/isolated-work.ts'
import { readLimitedList, readObject, readInteger } from '../../configuration/read-value.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import { type Job, withDefaultTimezone } from '../../job/define-job.ts'
import { readDistinctJob, readJob, duplicateJob, readJobName } from '../../job/read-jobs.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { JobChange, SaveJobAnswer } from '../../storage/storage.ts'
import { saveChanges } from '../definitions/registrations.ts'
import { changesAtOnce } from '../definitions/tuning.ts'
import { nextTurn } from '../runtime/after-turn.ts'
import { type CallerContext, callOptionNames, type CallOptions } from '../storage-access/caller-context.ts'
import { CallerBatcher } from '../storage-access/batcher.ts'
import { jobId } from '../../ids.ts'
import type { JsonObject } from '../../json.ts'
import { jobNotFound } from '../definitions/job-errors.ts'
import { tellCanceled } from './interventions.ts'

/**
 * Rejects a job with a task whose code is a function, because no other process can call the function.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
function refuseFunctions({ name, tasks }: Job): void {
  const index = tasks.findIndex(({ run }) => run !== undefined && isolatedWorkOf(run) === null)
  if (index === -1) return
  throw new JobistemerError('INVALID_ARGUMENT', {
    message: `Job ${printValue(name)} has a task with a function, and a client runs no tasks: tasks[${index}].run.`,
    field: `tasks[${index}].run`,
    value: tasks[index]?.run,
    remedy:
      "Name the code: { name, handler: 'report' } here, and createScheduler({ handlers: { report } }) in the processes that run it. " +
      'Or add the job with the scheduler of such a process.',
  })
}

/**
 * Stores and deletes definitions at run time. `add` replaces a different stored definition of the same job. Any node with the
 * handlers of an added job can run the job. When a job is deleted, all nodes forget it.
 */
export class AdditionsAndRemovals extends ApiPart {
  /** Deletions are not repeated: a repeated deletion could delete a job that another caller has created meanwhile. */
  readonly #deletes = new CallerBatcher<JobChange, SaveJobAnswer>(this.engine, {
    operation: 'saveJobs',
    retries: false,
    send: saveChanges,
  })

  /** Rejects the deletions that wait for a storage call, and sends no further calls. */
  stop(): void {
    this.#deletes.stop()
  }

  async add(input: Job | readonly Job[], options: CallOptions, asked: CallerContext): Promise<void> {
    const jobs = Array.isArray(input) ? await this.#readList(input) : [readJob(input as Job, 'job')]
    readObject(options, 'options', callOptionNames)
    if (this.registry.isClient) for (const job of jobs) refuseFunctions(job)
    else assertModulesExist(jobs)
    asked.assertWanted()
    const { timezone } = this.engine.defaults
    await this.registry.registrations.add(
      jobs.map((job) => withDefaultTimezone(job, timezone)),
      asked,
    )
  }

  async #readList(jobs: readonly Job[]): Promise<readonly Job[]> {
    const names = new Set<string>()
    // The caller may change its list while this loop yields, so the loop reads a copy.
    const list = readLimitedList(jobs, 'jobs').slice()
    for (const [index, job] of list.entries()) {
      const turn = this.engine.storage.turn()
      if (turn !== null) await turn
      readDistinctJob(job, `jobs[${index}]`, names)
    }
    // Sorts the jobs by id, because storages keep jobs in the order of their ids: a batch of sorted jobs writes
    // adjacent rows.
    return list.sort((one, other) => (one.id < other.id ? -1 : 1))
  }

  async remove(name: string, options: RemoveOptions, asked: CallerContext): Promise<void> {
    readObject(options, 'options', ['expectedVersion', ...callOptionNames])
    await this.delete(name, readExpectedVersion(options.expectedVersion) ?? null, asked)
  }

  /** Returns the names of the jobs that this call has deleted. A job that another caller had deleted before is not included. */
  async removeMany(names: readonly string[], options: CallOptions, asked: CallerContext): Promise<readonly string[]> {
    readObject(options, 'options', callOptionNames)
    const list = await this.#readNames(names, asked)
    const removed: string[] = []
    asked.assertWanted()
    for (const some of chunksOf(list, Math.min(changesAtOnce, this.engine.maxBatch))) {
      const deleted = await Promise.all(some.map((name) => this.delete(name, null, asked)))
      removed.push(...some.filter((_, index) => deleted[index]))
    }
    return removed
  }

  async #readNames(names: readonly string[], asked: CallerContext): Promise<readonly string[]> {
    const distinct = new Set<string>()
    const list = readLimitedList(names, 'names').slice()
    const lookedUp = await this.lookup.byNames(list, asked)
    for (const [index, name] of list.entries()) {
      const turn = this.engine.storage.turn()
      if (turn !== null) await turn
      const field = `names[${index}]`
      const id = jobId(readJobName(name, field))
      if (this.registry.get(id) === undefined && !lookedUp.has(id)) throw jobNotFound(name, field)
      if (distinct.has(name)) throw duplicateJob(name, field)
      distinct.add(name)
    }
    return list
  }

  /**
   * Deletes a job and cancels its waiting occurrences. The first storage call deletes the job. Each storage call cancels a
   * limited number of occurrences, so that no call takes long. Returns false if another caller had deleted the job before.
   * @throws JobistemerError `VERSION_CONFLICT` if the stored version is not `expectedVersion`
   */
  async delete(name: string, expectedVersion: number | null, asked: CallerContext): Promise<boolean> {
    const id = jobId(name)
    let isDeleted = false
    for (let expected = expectedVersion; ; ) {
      const change: JobChange = { kind: 'delete', id, expectedVersion: expected }
      const answer = await asked.within(() => this.#deletes.send(asked, () => change))
      if (answer.outcome === 'conflict' && !isDeleted) throw versionConflict(name, expectedVersion, answer.job)
      if (answer.outcome !== 'saved') break
      isDeleted = true
      tellCanceled(this.engine.events, name, 'deleted', answer.canceled)
      if (answer.more !== true) break
      // A further call expects the version that the first call stored. If another caller has created the job again in the
      // meantime, the call has no effect on the new job.
      expected = answer.job.version
      await nextTurn()
    }
    const held = this.registry.get(id)
    if (held !== undefined) this.registry.forget(held)
    return isDeleted
  }
}

/** Options of a removal. */
export interface RemoveOptions extends CallOptions {
  /** The removal rejects with `VERSION_CONFLICT` if the stored version differs from this one. Default: remove any version. */
  readonly expectedVersion?: number
}

export function readExpectedVersion(version: number | undefined): number | undefined {
  return version === undefined ? undefined : readInteger(version, 'expectedVersion', 1, Number.MAX_SAFE_INTEGER)
}

export function versionConflict(name: string, expected: number | null, record: JobRecord | null): JobistemerError {
  const actual = record?.version ?? null
  return new JobistemerError('VERSION_CONFLICT', {
    message: `Job ${printValue(name)} is at version ${actual ?? 'none'}, not at ${expected ?? 'none'}.`,
    field: 'expectedVersion',
    value: { expected, actual } as unknown as JsonObject,
    remedy: 'Read the job again, and decide anew.',
  })
}
