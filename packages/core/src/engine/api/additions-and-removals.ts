import { ApiPart, type ApiParts } from './api-part.ts'
import { chunksOf } from '../storage-access/retrying-storage.ts'
import { assertModulesExist, isolatedWorkOf } from '../../job/isolated-work.ts'
import { readLimitedList, readObject, readInteger } from '../../configuration/read-value.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import { type Job, withDefaultTimezone } from '../../job/define-job.ts'
import { readDistinctJob, readJob, duplicateJob, readJobName } from '../../job/read-jobs.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { JobChange } from '../../storage/storage.ts'
import { saveChanges } from '../definitions/registrations.ts'
import { changesAtOnce } from '../definitions/tuning.ts'
import { nextTurn } from '../runtime/after-turn.ts'
import { type CallerContext, callOptionNames, type CallOptions } from '../storage-access/caller-context.ts'
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
    await deleteJobs(this, new Map([[name, readExpectedVersion(options.expectedVersion) ?? null]]), asked)
  }

  /** Returns the names of the jobs that this call has deleted. A job that another caller had deleted before is not included. */
  async removeMany(names: readonly string[], options: CallOptions, asked: CallerContext): Promise<readonly string[]> {
    readObject(options, 'options', callOptionNames)
    const list = await this.#readNames(names, asked)
    return await deleteJobs(this, new Map(list.map((name) => [name, null])), asked)
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
}

/**
 * Deletes jobs and cancels their waiting occurrences. The first storage call deletes a job. Each storage call cancels a limited
 * number of occurrences, so that no call takes long. Calls are not repeated: a repeated call could delete a job that another
 * caller has created meanwhile.
 *
 * `targets`: the expected version of each job, by its name; `null` for any version. Returns the names of the jobs that this call
 * has deleted.
 * @throws JobistemerError `VERSION_CONFLICT` if a stored version is not the expected one
 */
export async function deleteJobs(
  { engine, registry }: ApiParts,
  targets: ReadonlyMap<string, number | null>,
  asked: CallerContext,
): Promise<readonly string[]> {
  const deleted = new Set<string>()
  for (const some of chunksOf([...targets], Math.min(changesAtOnce, engine.maxBatch))) {
    for (let open = new Map(some); open.size > 0; ) {
      const changes = Array.from(open, ([name, expectedVersion]): JobChange => {
        return { kind: 'delete', id: jobId(name), expectedVersion }
      })
      const now = engine.now()
      const answers = await asked.once((calls) => saveChanges(calls, changes, now))
      const names = [...open.keys()]
      open = new Map()
      let conflict: JobistemerError | null = null
      for (const [index, answer] of answers.entries()) {
        const name = names[index] as string
        if (answer.outcome === 'conflict' && !deleted.has(name)) {
          conflict ??= versionConflict(name, targets.get(name) ?? null, answer.job)
          continue
        }
        if (answer.outcome === 'saved') {
          deleted.add(name)
          tellCanceled(engine.events, name, 'deleted', answer.canceled)
          // A further call expects the version that the first call stored. If another caller has created the job again in the
          // meantime, the call has no effect on the new job.
          if (answer.more === true) open.set(name, answer.job.version)
        }
        const held = registry.get(jobId(name))
        if (held !== undefined && !open.has(name)) registry.forget(held)
      }
      if (conflict !== null) throw conflict
      if (open.size > 0) await nextTurn()
    }
  }
  return [...deleted]
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
