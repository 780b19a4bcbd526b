import { ApiPart } from './api-part.ts'
import { chunksOf } from '../storage-access/retrying-storage.ts'
import { readInteger, readLimitedList, readObject } from '../../configuration/read-value.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import { type JobId, jobId } from '../../ids.ts'
import { duplicateJob, readJobName } from '../../job/read-jobs.ts'
import type { JsonObject } from '../../json.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { JobChange, SaveJobAnswer } from '../../storage/storage.ts'
import { jobNotFound } from '../definitions/job-errors.ts'
import { cancelLimitOf } from '../definitions/registrations.ts'
import { changesAtOnce } from '../definitions/tuning.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { nextTurn } from '../runtime/after-turn.ts'
import { type CallerContext, callOptionNames, type CallOptions } from '../storage-access/caller-context.ts'
import { CallerBatcher } from '../storage-access/batcher.ts'
import { tellCanceled } from './interventions.ts'

/** Options of a removal. */
export interface RemoveOptions extends CallOptions {
  /** The removal rejects with `VERSION_CONFLICT` if the stored version differs from this one. Default: remove any version. */
  readonly expectedVersion?: number
}

/** A job to delete. With `expectedVersion`, the storage deletes the job only at this version. */
interface Deletion {
  readonly id: JobId
  readonly expectedVersion: number | null
}

/** Deletes jobs from the storage. All nodes then forget the jobs. */
export class Removals extends ApiPart {
  readonly #deletes = new CallerBatcher<JobChange, SaveJobAnswer>(this.engine, {
    operation: 'saveJobs',
    retries: false,
    send: (storage, changes, now) => storage.saveJobs({ now, changes, cancelLimit: cancelLimitOf(changes.length) }),
  })

  /** Stops sending batched `saveJobs` calls. */
  stop(): void {
    this.#deletes.stop()
  }

  async remove(job: RegisteredJob, options: RemoveOptions, asked: CallerContext): Promise<void> {
    readObject(options, 'options', ['expectedVersion', ...callOptionNames])
    const expectedVersion = readExpectedVersion(options.expectedVersion) ?? null
    const answer = await this.delete({ id: job.job.id, expectedVersion }, asked)
    if (answer.outcome === 'conflict') throw versionConflict(job.job.name, expectedVersion, answer.job)
    this.registry.forget(job)
  }

  /** Returns the names of the jobs that this call has deleted. The list lacks jobs that another caller deleted before. */
  async removeMany(names: readonly string[], options: CallOptions, asked: CallerContext): Promise<readonly string[]> {
    readObject(options, 'options', callOptionNames)
    const jobs = await this.#readNames(names, asked)
    const removed: string[] = []
    asked.assertWanted()
    for (const some of chunksOf(jobs, Math.min(changesAtOnce, this.engine.maxBatch))) {
      const deletions = some.map(({ job }) => ({ id: job.id, expectedVersion: null }))
      const answers = await this.#deleteAll(deletions, asked)
      for (const [index, job] of some.entries()) {
        if (answers[index]?.outcome === 'saved') removed.push(job.job.name)
        this.registry.forget(job)
      }
    }
    return removed
  }

  async #readNames(names: readonly string[], asked: CallerContext): Promise<readonly RegisteredJob[]> {
    const jobs = new Set<RegisteredJob>()
    const list = readLimitedList(names, 'names').slice()
    const lookedUp = await this.lookup.byNames(list, asked)
    for (const [index, name] of list.entries()) {
      const turn = this.engine.storage.turn()
      if (turn !== null) await turn
      const field = `names[${index}]`
      const id = jobId(readJobName(name, field))
      const job = this.registry.get(id) ?? lookedUp.get(id)
      if (job === undefined) throw jobNotFound(name, field)
      if (jobs.has(job)) throw duplicateJob(name, field)
      jobs.add(job)
    }
    return [...jobs]
  }

  /** Deletes a job and cancels its waiting occurrences. Returns the storage's answer for the deletion of the job. */
  async delete(deletion: Deletion, asked: CallerContext): Promise<SaveJobAnswer> {
    const [answer] = await this.#deleteAll([deletion], asked)
    return answer as SaveJobAnswer
  }

  /** The first call deletes the jobs. Each call cancels a limited number of waiting occurrences, so that no call takes long. */
  async #deleteAll(deletions: readonly Deletion[], asked: CallerContext): Promise<readonly SaveJobAnswer[]> {
    const first = await this.#deleteOnce(deletions, asked)
    // Repeats the deletion only for the deleted version, because another caller may have created the job anew.
    const withMore = (answers: readonly SaveJobAnswer[]): Deletion[] =>
      answers.flatMap((answer) =>
        answer.outcome === 'saved' && answer.more === true
          ? [{ id: answer.job.id, expectedVersion: answer.job.version }]
          : [],
      )
    for (let open = withMore(first); open.length > 0; ) {
      await nextTurn()
      open = withMore(await this.#deleteOnce(open, asked))
    }
    return first
  }

  async #deleteOnce(deletions: readonly Deletion[], asked: CallerContext): Promise<readonly SaveJobAnswer[]> {
    const send = (deletion: Deletion) => this.#deletes.send(asked, () => ({ kind: 'delete', ...deletion }))
    const answers = await asked.within(() => Promise.all(deletions.map(send)))
    for (const answer of answers) {
      if (answer.outcome === 'saved') tellCanceled(this.engine.events, answer.job.name, 'deleted', answer.canceled)
    }
    return answers
  }
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
