import { ApiPart } from './api-part.ts'
import { chunksOf } from '../storage-access/retrying-storage.ts'
import { assertModulesExist, isolatedWorkOf, worksOf } from '../../job/isolated-work.ts'
import { readLimitedList, readObject, readInteger } from '../../configuration/read-value.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import { type Job, withDefaultTimezone } from '../../job/define-job.ts'
import { errorOfWhatIsOver, readDistinctJob, readJob, duplicateJob, readJobName } from '../../job/read-jobs.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import type { JobChange, SaveJobAnswer } from '../../storage/storage.ts'
import { type DefinitionChange, cancelLimitOf } from '../definitions/registrations.ts'
import { changesAtOnce } from '../definitions/tuning.ts'
import { nextTurn } from '../runtime/after-turn.ts'
import { type CallerContext, callOptionNames, type CallOptions } from '../storage-access/caller-context.ts'
import { CallerBatcher, ItemRefused, refusedItem } from '../storage-access/batcher.ts'
import { type JobId, jobId } from '../../ids.ts'
import type { JsonObject } from '../../json.ts'
import { jobNotFound } from '../definitions/job-errors.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { tellCanceled } from './interventions.ts'

/** A definition to add, with the stored head of its job. */
interface Addition {
  readonly job: Job
  readonly record: JobRecord | null
  /** The change to store. `null`: the stored job already has this definition, or the stored definition has precedence. */
  readonly change: DefinitionChange | null
}

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
 * Implements `add`: stores definitions at run time. A different stored definition of the same job is replaced. Any node
 * with the handlers of an added job can run the job.
 */
export class Additions extends ApiPart {
  readonly #saves = new CallerBatcher<JobChange, SaveJobAnswer>(this.engine, {
    operation: 'saveJobs',
    send: (storage, changes, now) => storage.saveJobs({ now, changes, cancelLimit: cancelLimitOf(changes.length) }),
  })

  /** Rejects the additions that this node has not yet sent in a `saveJobs` call, and sends no further calls. */
  stop(): void {
    this.#saves.stop()
  }

  async add(input: Job | readonly Job[], options: CallOptions, asked: CallerContext): Promise<void> {
    const jobs = Array.isArray(input) ? await this.#readList(input) : [readJob(input as Job, 'job')]
    readObject(options, 'options', callOptionNames)
    if (this.registry.isClient) for (const job of jobs) refuseFunctions(job)
    else assertModulesExist(worksOf(jobs))
    asked.assertWanted()
    try {
      await this.#add(jobs, asked)
    } finally {
      this.registry.announced(jobs)
    }
  }

  async #add(jobs: readonly Job[], asked: CallerContext): Promise<void> {
    const { timezone } = this.engine.defaults
    // Checks all jobs before the first write, so that a list with an invalid job stores nothing.
    const bound = jobs.map((job) => withDefaultTimezone(job, timezone))
    let open = await this.#look(bound, asked)
    for (;;) {
      const again = await this.#store(open, asked)
      if (again.length === 0) return
      // The storage has not stored the jobs in `again`, so the next round repeats them. There are two reasons:
      // - The job changed between the read and the write.
      // - The job replaces a deleted job that still has waiting runs. First, several rounds must cancel these runs: each
      //   storage call cancels only a limited number.
      await nextTurn()
      open = await this.#look(again, asked)
    }
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

  async #look(jobs: readonly Job[], asked: CallerContext): Promise<readonly Addition[]> {
    const additions: Addition[] = []
    for (const some of chunksOf(jobs, this.#most)) {
      const records = await this.lookup.heads(
        some.map(({ id }) => id),
        asked,
      )
      await this.registry.learn(records)
      const now = this.engine.now()
      const found: Addition[] = []
      for (const [index, job] of some.entries()) {
        const turn = this.engine.storage.turn()
        if (turn !== null) await turn
        const record = records[index] ?? null
        const change = this.#changeFor(job, record, now)
        assertNotOver({ job, record, change }, now)
        found.push({ job, record, change })
      }
      const changes = found.map(({ job, change }) => (isData(job) ? null : change))
      const isDecidedAgain = await asked.within(() => this.registry.registrations.lookIfGoingBack(changes, records))
      for (const one of found) {
        const change = isDecidedAgain ? this.#changeFor(one.job, one.record, this.engine.now()) : one.change
        additions.push({ ...one, change })
      }
      const replacing = additions.filter(({ job, change }) => change?.kind === 'replace' && !isData(job))
      await asked.within(() => this.registry.announce(replacing.map(({ job }) => job)))
    }
    return additions
  }

  /** Stores the additions. Returns the jobs whose changes the storage has not accepted yet. */
  async #store(additions: readonly Addition[], asked: CallerContext): Promise<readonly Job[]> {
    const again: Job[] = []
    for (const some of chunksOf(additions, this.#most)) {
      const store = async (addition: Addition): Promise<void> => {
        if (!(await this.#storeOne(addition, asked))) again.push(addition.job)
      }
      await asked.within(() => Promise.all(some.map(store)))
    }
    return again
  }

  /** Stores one addition. Returns false if the storage has not accepted the change. */
  async #storeOne({ job, record, change }: Addition, asked: CallerContext): Promise<boolean> {
    if (change === null) {
      this.#adopt(job, record as JobRecord, undefined)
      return true
    }
    const { nextAt } = change.content
    // The storage uses `now` as the watermark of a new job, so the next slot is computed from the same instant.
    const prepare = (now: number): JobChange => {
      if (nextAt === null || nextAt > now) return change
      const present = this.#changeFor(job, record, now) ?? change
      assertNotOver({ job, record, change: present }, now)
      return present
    }
    const answer = await this.#saves.send(asked, prepare).catch((error) => {
      if (!(error instanceof ItemRefused)) throw error
      throw refusedItem(error.error, `the definition of job ${printValue(job.name)}`, 'tasks')
    })
    if (answer.outcome !== 'saved') return false
    this.#adopt(job, answer.job, change.kind === 'create' ? 'created' : 'updated')
    return true
  }

  #adopt(job: Job, record: JobRecord, change: 'created' | 'updated' | undefined): void {
    const registered = isData(job)
      ? this.registry.adoptAsked(job, record, change, 'added')
      : this.registry.adoptDefinition(job, record, change, 'added')
    if (job.tasks.some(({ handler }) => handler !== undefined)) this.registry.plans.planOf(registered)
  }

  /** Returns the change that stores a job; `null` if no change is necessary or the stored definition has precedence. */
  #changeFor(job: Job, record: JobRecord | null, now: number): DefinitionChange | null {
    return this.registry.registrations.changeFor(job, record, now, { isAsked: isData(job) })
  }

  get #most(): number {
    return Math.min(changesAtOnce, this.engine.maxBatch)
  }
}

/** Rejects a new job whose schedule has no future slot. @throws JobistemerError `SCHEDULE_NEVER_FIRES` */
function assertNotOver({ job, change }: Addition, now: number): void {
  const error = change?.kind === 'create' ? errorOfWhatIsOver(job, now, change.content.nextAt) : null
  if (error !== null) throw error
}

function isData({ tasks }: Job): boolean {
  return tasks.every(({ run }) => run === undefined)
}

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

  /** Rejects the removals that this node has not yet sent in a `saveJobs` call, and sends no further calls. */
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

  /** Returns the names of the jobs that this call has deleted. A job that another caller had deleted before is not included. */
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

  /** Deletes a job and cancels its waiting occurrences. Returns the storage's answer. */
  async delete(deletion: Deletion, asked: CallerContext): Promise<SaveJobAnswer> {
    const [answer] = await this.#deleteAll([deletion], asked)
    return answer as SaveJobAnswer
  }

  /**
   * Deletes jobs and cancels their waiting occurrences. The first storage call deletes the jobs. Each storage call
   * cancels a limited number of occurrences, so that no call takes long.
   */
  async #deleteAll(deletions: readonly Deletion[], asked: CallerContext): Promise<readonly SaveJobAnswer[]> {
    const first = await this.#deleteOnce(deletions, asked)
    // A further call cancels more occurrences of a deleted job. It expects the version that the first call stored: if another
    // caller has created the job again in the meantime, the call has no effect on the new job.
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
