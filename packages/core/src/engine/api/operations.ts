import { recordsPerCall, mostItems } from '../../tuning.ts'
import { readInteger, readObject, orDefault, readBoolean } from '../../configuration/read-value.ts'
import { jobId, type JobId } from '../../ids.ts'
import { toInstantMs } from '../../instant.ts'
import type { Job } from '../../job/define-job.ts'
import { nameOfJob, readJobName } from '../../job/read-jobs.ts'
import type { JobOperations, PruneOptions } from '../../job-operations.ts'
import type { JsonObject } from '../../json.ts'
import { listing, pageOf } from '../../listing.ts'
import { occurrenceOf } from '../../occurrence.ts'
import type { PauseRecord, JobRecord } from '../../storage/job-record.ts'
import { pausedUntil, isPrunable } from '../../storage/rules.ts'
import { jobNotFound } from '../definitions/job-errors.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { CallerContext, callOptionNames, type CallOptions } from '../storage-access/caller-context.ts'
import { clientClosed, type EngineContext, type Phase, stateError } from '../storage-access/engine-context.ts'
import type { StorageCalls } from '../storage-access/retrying-storage.ts'
import { eachItem } from '../../storage/pages.ts'
import { Backfills } from './backfills.ts'
import { Changes, type ChangesHost } from './changes.ts'
import { Definitions, type RemoveOptions } from './definitions.ts'
import { explain, findOccurrence } from './explain.ts'
import { Interventions, type JobSelection, readPause, readSelection, readVoice } from './interventions.ts'
import { JobCatalog, type JobInfo, versionsOf } from './job-catalog.ts'
import { ApiPart, type ApiParts, JobLookup, upcomingSlots } from './api-part.ts'
import { eachOccurrence, liveCounts, namesOf } from './list-pages.ts'
import {
  listFailures,
  listOccurrences,
  readFailuresFilter,
  readLiveFilter,
  readOccurrenceFilter,
} from './occurrence-lists.ts'
import type { TriggerOptions, TriggerResult } from './request-options.ts'
import { Requests } from './requests.ts'
import { Waits } from './waits.ts'
import { toDurationMs } from '../../duration.ts'
import { finalStates } from '../../storage/occurrence-record.ts'

/** The parts of an engine that the operations for users need. */
export interface OperationsHost extends Omit<ApiParts, 'engine' | 'lookup'>, Omit<ChangesHost, 'storage'> {
  readonly callTimeoutMs: number
  readonly phase: () => Phase
  /** Resolves when the storage of a client is connected. */
  readonly connect: () => Promise<void>
}

/** Implements the operations of a running engine for users. */
export class Operations extends ApiPart {
  readonly #host: OperationsHost
  readonly #requests = new Requests(this)
  readonly #backfills = new Backfills(this)
  readonly #interventions = new Interventions(this)
  readonly #definitions = new Definitions(this)
  readonly #catalog = new JobCatalog(this.registry)
  readonly #waits: Waits
  readonly #changes: Changes

  constructor(engine: EngineContext, host: OperationsHost) {
    super({ ...host, engine, lookup: new JobLookup(engine, host.registry) })
    this.#host = host
    this.pool.relay = this.#backfills
    this.#waits = new Waits(engine, async (id, limitMs, signal) => {
      const timeout = Math.ceil(Math.min(limitMs, host.callTimeoutMs))
      const asked = this.#askedRunning(signal === undefined ? { timeout } : { timeout, signal })
      return findOccurrence({ once: (call) => asked.repeated('get', call) }, id)
    })
    this.#changes = new Changes(engine, {
      ...host,
      storage: async () => {
        if (this.registry.isClient) await host.connect()
        return this.asked({})
      },
    })
  }

  /** Resolves when no trigger or replay is in progress. */
  answered(): Promise<void> {
    return this.#requests.creator.answered()
  }

  /** Rejects all waiting calls and sends no further storage calls, because the engine stops. */
  stop(): void {
    const { registrations } = this.registry
    const parts = [this.#waits, this.#changes, registrations, this.#requests.creator, this.#definitions.deletes]
    for (const part of parts) part.stop()
  }

  /** The operations. Each operation is a function without `this`, so that a scheduler object can copy all operations. */
  readonly all: JobOperations = {
    trigger: (given: string | Job, options: TriggerOptions = {}) => this.request(given, options),

    triggerMany: async (items, options = {}) => this.#requests.triggerMany(items, options, this.#askedRunning(options)),

    replay: async (id, options = {}) => {
      const asked = this.#askedRunning(options)
      const original = await findOccurrence(asked, id)
      const held = this.registry.isClient ? undefined : this.registry.get(original.jobId)
      const job = held ?? (await this.lookup.byId(original.jobId, asked))
      if (job === undefined) throw jobNotFound(original.jobId)
      return this.#requests.replay(job, original, options, asked)
    },

    backfill: (name, options) =>
      this.#ofJob(name, options, (job, asked) => this.#backfills.backfill(job, options, asked)),

    stopBackfill: async (name, key, options = {}) =>
      this.#backfills.stop(name, key, options, this.#askedRunning(options)),

    cancel: async (id, options = {}) => this.#interventions.cancel(id, options, this.#askedRunning(options)),

    cancelSlot: (name, at, options = {}) =>
      this.#ofJob(name, options, (job, asked) =>
        this.#interventions.cancelSlot(job, toInstantMs(at, 'at'), options, asked),
      ),

    pause: async (name, options = {}) => this.#pause(name, readPause(options, this.engine.now()), options),

    resume: (name, options = {}) =>
      this.#ofJob(name, options, (job, asked) => this.#interventions.resume(job, options, asked)),

    pauseAll: async (filter, options = {}) => {
      this.#assertRunning()
      const paused = readPause(options, this.engine.now())
      const selected = await this.#selected(filter, options)
      const some = selected.filter(({ paused: present }) => endOf(present) < pausedUntil(paused))
      for (const { name } of some) await this.#pause(name, paused, options)
      return some.map(({ name }) => name)
    },

    resumeAll: async (filter, options = {}) => {
      this.#assertRunning()
      readVoice(options)
      const some = (await this.#selected(filter, options)).filter(({ paused }) => paused !== null)
      for (const { name } of some) await this.all.resume(name, options)
      return some.map(({ name }) => name)
    },

    waitFor: async (id, options = {}) => this.#waits.waitFor(id, options),

    changes: (options = {}) => {
      // Before its first call, a client is not running yet. `changes` accepts such a client, because its first scan
      // connects the client.
      if (!this.registry.isClient || this.#host.phase() !== 'new') this.#assertRunning()
      return this.#changes.follow(options)
    },

    versions: async (name, options = {}) => versionsOf(name, options, this.asked(options)),

    update: (name, change, options = {}) =>
      this.#ofJob(name, options, (job, asked) => this.#definitions.update(job, change, options, asked)),

    add: async (jobs, options = {}) => this.#definitions.add(jobs, options, this.#askedRunning(options)),

    // The cast is necessary because the compiler does not match a function with the overloads of `remove`.
    remove: (async (names: string | readonly string[], options: RemoveOptions = {}): Promise<unknown> => {
      this.#assertRunning()
      if (Array.isArray(names)) return this.#definitions.removeMany(names, options, this.asked(options))
      const remove = ({ job }: RegisteredJob, asked: CallerContext) =>
        this.#definitions.remove(job.name, options, asked)
      return this.#ofJob(names as string, options, remove)
    }) as JobOperations['remove'],

    plan: async (jobs, options) => this.#definitions.plan(jobs, options, this.#askedRunning(options)),

    apply: async (plan, options = {}) => this.#definitions.apply(plan, options, this.#askedRunning(options)),

    explain: (name, at, options = {}) =>
      this.#ofJob(name, options, (job, asked) => {
        const slot = { at: toInstantMs(at, 'at'), now: this.engine.now() }
        readObject(options, 'options', callOptionNames)
        return explain(asked, this.registry, job, slot)
      }),

    nodes: async (options = {}) => this.#host.nodes(this.#plain(options)),

    prune: async (options) => prune(options, this.#askedRunning(options), this.engine.now()),

    isRunning: async (name, options = {}) => {
      const id = jobId(readJobName(name))
      return (await liveCounts(this.#plain(options), id)).running > 0
    },

    occurrences: (filter, options = {}) =>
      listing(async (cursor) => listOccurrences(readOccurrenceFilter(pageOf(filter, cursor)), this.#plain(options))),

    failures: (filter = {}, options = {}) =>
      listing(async (cursor) => listFailures(readFailuresFilter(pageOf(filter, cursor)), this.#plain(options))),

    live: (filter = {}, options = {}) =>
      listing(async (cursor) => listOccurrences(readLiveFilter(pageOf(filter, cursor)), this.#plain(options))),

    jobs: (filter = {}, options = {}) =>
      listing(async (cursor) =>
        this.#catalog.jobs(pageOf(filter, cursor), () => this.#plain(options), this.engine.now()),
      ),

    job: async (name, options = {}) => this.#catalog.job(name, this.#plain(options), this.engine.now()),

    occurrence: async (id, options = {}) => {
      const asked = this.#plain(options)
      const record = await findOccurrence(asked, id)
      const names = await namesOf([record.jobId], asked)
      return { ...occurrenceOf(record), job: names.get(record.jobId) ?? null }
    },

    counts: async (name, options = {}) => {
      const id = name === undefined ? 'all' : jobId(readJobName(name))
      return liveCounts(this.#plain(options), id)
    },

    nextRuns: async (name, count = 5, options = {}) => {
      const asked = this.asked(options)
      const held = this.#held(name)
      readInteger(count, 'count', 1, 100_000)
      readObject(options, 'options', callOptionNames)
      const job = held ?? (await this.#lookUp(name, asked))
      const slots = await upcomingSlots(asked, job.job.id, job.nextSlots(), count)
      return slots.map((slot) => new Date(slot))
    },
  }

  /** Triggers a job. `results` are the results of tasks that do not run in this trigger. */
  request(given: string | Job, options: TriggerOptions, results?: JsonObject): Promise<TriggerResult> {
    try {
      const asked = this.asked(options)
      const name = nameOfJob(given) as string
      const request = results === undefined ? { job: given } : { job: given, results }
      const send = (job: RegisteredJob) => this.#requests.trigger(job, options, asked, request)
      const held = this.#held(name)
      return held === undefined ? this.#lookUp(name, asked).then(send) : send(held)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  #pause(name: string, paused: PauseRecord, options: CallOptions): Promise<void> {
    return this.#ofJob(name, options, (job, asked) => this.#interventions.pause(job, paused, asked))
  }

  /** Returns the jobs that the filter selects, in the order of `jobs()`. */
  async #selected(filter: JobSelection, { timeout, signal }: CallOptions): Promise<readonly JobInfo[]> {
    const options = { ...(timeout !== undefined && { timeout }), ...(signal !== undefined && { signal }) }
    const jobs: JobInfo[] = []
    const selection = { ...readSelection(filter), limit: recordsPerCall }
    for await (const job of this.all.jobs(selection, options)) jobs.push(job)
    return jobs
  }

  /** Returns the context of one call by a user. Does not check whether the engine runs. */
  asked(options: CallOptions): CallerContext {
    const { storage, clock } = this.engine
    return new CallerContext(storage, clock, options, this.#host.callTimeoutMs)
  }

  #askedRunning(options: CallOptions): CallerContext {
    this.#assertRunning()
    return this.asked(options)
  }

  /** Returns the context of a call, as {@link asked} does, and rejects options that are not common to all calls. */
  #plain(options: CallOptions): CallerContext {
    readObject(options, 'options', callOptionNames)
    return this.asked(options)
  }

  /** Runs `call` with the job: synchronously if this node holds the job, otherwise after a read of the job. */
  async #ofJob<T>(
    name: string,
    options: CallOptions,
    call: (job: RegisteredJob, asked: CallerContext) => Promise<T>,
  ): Promise<T> {
    const asked = this.asked(options)
    return call(this.#held(name) ?? (await this.#lookUp(name, asked)), asked)
  }

  #assertRunning(): void {
    const phase = this.#host.phase()
    if (phase === 'running') return
    if (this.registry.isClient) throw clientClosed()
    const remedy =
      'Start it first, and do not use it after shutdown. Beside runDue, use createClient on the same storage.'
    throw stateError('use', phase, remedy)
  }

  /**
   * Returns the job if this node holds it. Synchronous, so that a call on a held job begins in the caller's turn of the
   * event loop.
   */
  #held(name: string): RegisteredJob | undefined {
    this.#assertRunning()
    const id = jobId(readJobName(name))
    if (this.registry.isClient) return undefined
    const job = this.registry.get(id)
    if (job !== undefined) this.registry.cache.use(job)
    return job
  }

  async #lookUp(name: string, asked: CallerContext): Promise<RegisteredJob> {
    const job = await this.lookup.byId(jobId(name), asked)
    if (job === undefined) throw jobNotFound(name)
    this.#assertRunning()
    return job
  }
}

/** Returns the end of a pause in epoch milliseconds: infinity for a pause without end, negative infinity without a pause. */
const endOf = (paused: JobInfo['paused']): number =>
  paused === null ? Number.NEGATIVE_INFINITY : (paused.until?.getTime() ?? Number.POSITIVE_INFINITY)

/**
 * Removes old history. Returns the number of removed occurrences; with `dryRun`, the number that a call without `dryRun`
 * would remove.
 */
async function prune(options: PruneOptions, storage: StorageCalls, now: number): Promise<number> {
  readObject(options, 'options', ['job', 'olderThan', 'keep', 'dryRun', ...callOptionNames])
  const before = now - toDurationMs(options.olderThan, 'olderThan')
  const keep = readInteger(orDefault(options.keep, 0), 'keep', 0, Number.MAX_SAFE_INTEGER)
  const target = options.job === undefined ? null : jobId(readJobName(options.job, 'job'))
  if (readBoolean(orDefault(options.dryRun, false), 'dryRun')) return countPrunable(storage, target, before, keep)
  let removed = 0
  for (let more = true; more; ) {
    const answer = await storage.once((calls) => calls.prune({ now, jobId: target, before, keep, limit: mostItems }))
    removed += answer.removed
    more = answer.more
  }
  return removed
}

/** Returns the number of occurrences that `prune` of the storage would remove. */
async function countPrunable(storage: StorageCalls, target: JobId | null, before: number, keep: number) {
  const query = { deleted: true, limit: recordsPerCall }
  const jobs =
    target === null
      ? eachItem((cursor) => storage.once((calls) => calls.listJobs({ ...query, cursor })))
      : (await storage.once((calls) => calls.get({ jobs: [target] }))).jobs
  let count = 0
  for await (const job of jobs) if (job !== null) count += await countOfJob(storage, job, before, keep)
  return count
}

async function countOfJob(storage: StorageCalls, { id, nextAt }: JobRecord, before: number, keep: number) {
  // `prune` keeps the latest `keep` occurrences of any age, and the loop below has to count them. So if `keep` is not 0, the
  // query includes occurrences that are newer than `before`.
  const bound = keep === 0 ? { to: nextAt === null ? before : Math.min(before, nextAt) } : {}
  const query = { kind: 'job', jobId: id, states: finalStates, order: 'descending', runs: false, ...bound } as const
  // Counts from the newest occurrence backwards, because `prune` keeps the latest `keep` occurrences.
  let kept = 0
  let count = 0
  for await (const record of eachOccurrence(storage, query)) {
    if (kept < keep) kept++
    else if (isPrunable(record, before, nextAt)) count++
  }
  return count
}
