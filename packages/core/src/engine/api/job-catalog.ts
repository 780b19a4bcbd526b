import { dateOf } from '../../instant.ts'
import { byNameAscending, type ListPage } from '../../listing.ts'
import { chunksOf, type StorageCalls } from '../storage-access/retrying-storage.ts'
import { eachItem } from '../../storage/pages.ts'
import {
  orDefault,
  readBoolean,
  readInteger,
  readName,
  readObject,
  readTag,
  readChoice,
  readChoices,
} from '../../configuration/read-value.ts'
import type { JobSettings } from '../../configuration/settings.ts'
import { type JobId, occurrenceId } from '../../ids.ts'
import { type JobDocument, labelsOf, readJobDocument, settingsOf } from '../../job/job-document.ts'
import type { Isolation } from '../../job/task.ts'
import type { JsonValue } from '../../json.ts'
import { orElse } from '../../or-else.ts'
import { isNoSchedule } from '../../schedule/no-schedule.ts'
import type { SerializedSchedule } from '../../schedule/schedule.ts'
import type { JobRecord, PauseRecord, JobVersionRecord } from '../../storage/job-record.ts'
import { isPausedAt } from '../../storage/rules.ts'
import { type FinalState, finalStates, type OccurrenceRecord } from '../../storage/occurrence-record.ts'
import type { LiveCounts, Page } from '../../storage/storage.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import { importTickers } from '../definitions/schedule-reviver.ts'
import { countedSince, lastSuccess, silenceRuleOf } from '../definitions/silence.ts'
import { filledPage, openCursor, sealCursor } from './list-pages.ts'
import { headOf, upcomingSlots } from './api-part.ts'
import { mostItems, recordsPerCall, fewestPerRead } from '../../tuning.ts'
import { type Occurrence, occurrenceOf } from '../../occurrence.ts'
import { KnownCapabilities } from '../cluster/node-code.ts'
import { callEndsAtOf, deathOf, hasEnded } from '../cluster/peers.ts'
import { type ChangedPart, changedPartsBetween } from '../../job/changed-parts.ts'
import { readJobName } from '../../job/read-jobs.ts'
import { type CallOptions, callOptionNames } from '../storage-access/caller-context.ts'

/** Prefix of a cursor of a list that is sorted by name. The name of the page's last job follows the prefix. */
const byName = 'name '

/** Selects stored jobs. Up to 10,000 jobs are sorted by name; a longer list is in the order of the storage. */
export interface JobsFilter {
  /** Selects only jobs whose latest run ended in one of these states. The call reads the latest run of every job. */
  readonly lastOutcome?: FinalState | readonly FinalState[]
  /**
   * Further data to read for each job. `lastRun` and `counts` together cost at most one more storage call per page;
   * `code` costs one or two more calls per page. Default: none.
   */
  readonly include?: readonly ('lastRun' | 'counts' | 'code')[]
  /** Selects only jobs with this owner tag. */
  readonly owner?: string
  /** Selects only jobs with this tag. The call reads all jobs or, with `owner`, all jobs of that owner. */
  readonly tag?: string
  /**
   * Selects only jobs whose name contains this text, ignoring case. The call reads all jobs or, with `owner`, all jobs of that
   * owner.
   */
  readonly text?: string
  /** `true` selects only paused jobs. `false` selects only jobs that are not paused. */
  readonly paused?: boolean
  /** Maximum number of jobs per page, 1 to 10,000. Default 100. */
  readonly limit?: number
  /** The cursor that the previous page returned. Default: begin with the first job. */
  readonly cursor?: string | null
}

/** A job's pause that is in effect. */
export interface PauseInfo {
  /** The instant at which the pause began. */
  readonly at: Date
  /** The instant at which the pause ends by itself. `null`: the pause lasts until a call resumes the job. */
  readonly until: Date | null
  readonly reason: string | null
  readonly actor: string | null
}

/** A stored job, as `jobs()` and `job()` return it. */
export interface JobInfo {
  /**
   * The job's latest run that has ended. `null`: the latest 1,000 occurrences of the job contain no such run. Absent if
   * `include` does not name `lastRun`.
   */
  readonly lastRun?: LastRun | null
  /** The numbers of the job's live occurrences, by state. Absent if `include` does not name `counts`. */
  readonly counts?: LiveCounts
  readonly id: JobId
  readonly name: string
  /** The owner tag of the job; `null` without an owner tag. */
  readonly owner: string | null
  /** The job's version in force, counted from 1. */
  readonly version: number
  /** The job's tags, in the order of the definition. */
  readonly tags: readonly string[]
  /** The job's description; `null` without a description. */
  readonly description: string | null
  /** The schedule as plain data; `null` if the job runs on request only. */
  readonly schedule: SerializedSchedule | null
  /**
   * The job's schedule in words; `on request` without a schedule. `null`: this process does not know the type of the
   * schedule.
   */
  readonly scheduleDescription: string | null
  /**
   * The job's next slot that was not canceled ahead; `null` without such a slot. Also `null` if the next slot was
   * canceled and this process does not know the type of the schedule.
   */
  readonly nextAt: Date | null
  /** The present pause of the job. `null`: the job is not paused, or its pause has ended by itself. */
  readonly paused: PauseInfo | null
  /** The last resume of the job. `null`: the call of `resume` had no reason and no actor, or the job is paused again. */
  readonly resumed: Omit<PauseInfo, 'until'> | null
  /** The effective settings. */
  readonly settings: JobSettings
  /** The tasks of the job, in the order of the definition. */
  readonly tasks: readonly JobTaskInfo[]
  readonly createdAt: Date
  /** Time of the last change of the job's definition or pause. */
  readonly changedAt: Date
  /**
   * Whether a living node has the code of all tasks of the job.
   *
   * - `false`: no run starts, because no living node has the code.
   * - `null`: unknown, for example because no node lives.
   * - Absent if `include` does not name `code`.
   */
  readonly hasCode?: boolean | null
}

/** A stored job with all optional data, as `job()` returns it. */
export interface JobDetails extends JobInfo {
  readonly lastRun: LastRun | null
  readonly counts: LiveCounts
  readonly hasCode: boolean | null
  /**
   * The end of the job's last `completed` run; `null` if the search found none. The search covers thousands of the latest
   * occurrences.
   */
  readonly lastSuccessAt: Date | null
  /**
   * The instant since which the job is silent: `alertAfter` after the latest of three instants. These are the job's last
   * success, its last change and the end of its pause. `null`: the job is not silent, or the search for the last success
   * was inconclusive.
   */
  readonly silentSince: Date | null
}

/** A task of a stored job, as `jobs()` and `job()` return it. */
export interface JobTaskInfo {
  readonly name: string
  /** The name of the task's handler; `null` for a task that has its own code. */
  readonly handler: string | null
  /** The data that the definition passes to the task in each run. */
  readonly data: JsonValue | undefined
  /**
   * The isolation of the task's own code; `null` if the code runs on the node itself. For a task with `handler`, each node
   * decides the isolation.
   */
  readonly isolation: Isolation | null
}

/** Returns the tasks of a stored definition. */
function taskInfosOf({ tasks }: JobDocument): readonly JobTaskInfo[] {
  return tasks.map(({ name, handler = null, data, isolation = null }) => ({ name, handler, data, isolation }))
}

function pauseInfoOf({ at, until, reason, actor }: PauseRecord): PauseInfo {
  return { at: new Date(at), until: until === undefined ? null : new Date(until), reason, actor }
}

/** Returns a page of a sorted list as `listJobs` does. The page begins with the first name after the name in the cursor. */
function sortedPage(heads: readonly JobRecord[], size: number, cursor: string | null): Page<JobRecord> {
  const rest = cursor === null ? heads : heads.filter(({ name }) => name > cursor.slice(byName.length))
  const items = rest.slice(0, size)
  return { items, cursor: size < rest.length ? `${byName}${items.at(-1)?.name}` : null }
}

/** Lists the stored jobs. This process need not have the code of the jobs. */
export class JobCatalog {
  readonly #registry: JobRegistry
  readonly #known = new KnownCapabilities()
  /** True once a read has found more than 10,000 jobs. Later lists are then not sorted, and need not read all jobs. */
  #isCrowded = false

  constructor(registry: JobRegistry) {
    this.#registry = registry
  }

  async jobs(filter: JobsFilter, open: () => StorageCalls, now: number): Promise<ListPage<JobInfo>> {
    readObject(filter, 'filter', ['owner', 'tag', 'text', 'paused', 'lastOutcome', 'include', 'limit', 'cursor'])
    const owner = filter.owner === undefined ? undefined : readName(filter.owner, 'filter.owner')
    const tag = filter.tag === undefined ? undefined : readTag(filter.tag, 'filter.tag')
    const text = filter.text === undefined ? undefined : readName(filter.text, 'filter.text').toLowerCase()
    const paused = filter.paused === undefined ? undefined : readBoolean(filter.paused, 'filter.paused')
    const limit = readInteger(orDefault(filter.limit, 100), 'filter.limit', 1, mostItems)
    const extras = readExtras(filter)
    const name = ['jobs', { owner, tag, text, paused, outcomes: extras.outcomes }]
    const storage = open()
    const isWanted = ({ name, definition, paused: pause }: JobRecord): boolean =>
      (text === undefined || name.toLowerCase().includes(text)) &&
      (tag === undefined || labelsOf(readJobDocument(definition)).tags.includes(tag)) &&
      (paused === undefined || isPausedAt({ paused: pause }, now) === paused)
    const list = (some: number, from: string | null): Promise<Page<JobRecord>> =>
      storage.once((calls) => calls.listJobs({ limit: some, cursor: from, ...(owner !== undefined && { owner }) }))
    const hasCode = extras.code ? await this.#codeOfLiving(storage, now) : null
    const from = openCursor(name, filter.cursor)
    const sorted = await this.#sortedJobs(from, list, isWanted)
    const isPlain = [text, tag, paused].every((one) => one === undefined) && extras.outcomes === null
    const page = await filledPage({
      limit,
      from,
      // The jobs of a sorted list are already filtered. In any other list, a filter may exclude most jobs of a read. Then each
      // read has the maximum size, so that a page needs few reads.
      least: sorted !== null || isPlain ? limit : recordsPerCall,
      read: sorted === null ? list : async (size, cursor) => sortedPage(sorted, size, cursor),
      choose: (heads) => withExtras(heads.filter(isWanted), extras, storage),
    })
    const items: JobInfo[] = []
    for (const one of page.items) {
      const code = hasCode === null ? {} : { hasCode: hasCode(one.record) }
      items.push({ ...(await this.#infoOf(one, now, storage)), ...one.extras, ...code })
    }
    return { items, cursor: sealCursor(name, page.cursor) }
  }

  /**
   * Returns the wanted jobs, sorted by name. `null`: there are too many jobs to sort, or the cursor belongs to a list in the
   * order of the storage.
   */
  async #sortedJobs(
    cursor: string | null,
    list: (limit: number, cursor: string | null) => Promise<Page<JobRecord>>,
    isWanted: (head: JobRecord) => boolean,
  ): Promise<readonly JobRecord[] | null> {
    if (cursor === null ? this.#isCrowded : !cursor.startsWith(byName)) return null
    const heads: JobRecord[] = []
    for await (const head of eachItem((from) => list(recordsPerCall, from))) {
      this.#isCrowded = heads.push(head) > mostItems
      // A list that began sorted stays sorted, because its cursors are names.
      if (this.#isCrowded && cursor === null) return null
    }
    return heads.filter(isWanted).sort(byNameAscending)
  }

  /** Returns a stored job with all optional data. @throws JobistemerError `JOB_NOT_FOUND` */
  async job(name: string, storage: StorageCalls, now: number): Promise<JobDetails> {
    const record = await headOf(storage, readJobName(name))
    const [{ at, isCertain }, [one], hasCode] = await Promise.all([
      // A job that always fails may have a long history, so the search ends after ten calls.
      lastSuccess({ jobId: record.id, mostCalls: 10 }, (query) =>
        storage.once((calls) => calls.listOccurrences(query)),
      ),
      withExtras([record], { lastRun: true, counts: true, outcomes: null }, storage),
      this.#codeOfLiving(storage, now),
    ])
    const rule = isCertain ? silenceRuleOf(record) : null
    const silentAt = rule === null ? null : countedSince(rule, at) + rule.alertAfterMs
    const { extras } = one as JobWithExtras
    return {
      ...(await this.#infoOf(one as JobWithExtras, now, storage)),
      lastRun: extras.lastRun as LastRun | null,
      counts: extras.counts as LiveCounts,
      hasCode: hasCode(record),
      lastSuccessAt: dateOf(at),
      silentSince: silentAt === null || silentAt > now ? null : new Date(silentAt),
    }
  }

  async #infoOf(one: JobWithExtras, now: number, storage: StorageCalls): Promise<JobInfo> {
    // A scheduler that has not started may list jobs, and has not imported the packages yet.
    await importTickers()
    const { record } = one
    const document = readJobDocument(record.definition)
    const { id, name, owner, version, paused, createdAt, changedAt } = record
    const schedule = record.timeline.at(-1)?.schedule ?? null
    return {
      id,
      name,
      owner,
      version,
      ...labelsOf(document),
      schedule: schedule === null || isNoSchedule(schedule) ? null : schedule,
      scheduleDescription: schedule === null ? null : this.#describe(schedule),
      nextAt: dateOf(await this.#nextOf(one, storage)),
      paused: paused !== null && isPausedAt(record, now) ? pauseInfoOf(paused) : null,
      resumed: paused?.lifted === undefined ? null : { ...paused.lifted, at: new Date(paused.lifted.at) },
      settings: settingsOf(document),
      tasks: taskInfosOf(document),
      createdAt: new Date(createdAt),
      changedAt: new Date(changedAt),
    }
  }

  async #nextOf({ record, isNextCanceled }: JobWithExtras, storage: StorageCalls): Promise<number | null> {
    if (!isNextCanceled || record.nextAt === null) return record.nextAt
    const { job = null } = this.#registry.get(record.id) ?? {}
    const slots = this.#registry.slotsAfter(record.nextAt, record, job)
    const [slot = null] = await upcomingSlots(storage, record.id, slots, 1)
    return slot
  }

  /** Returns for which jobs living nodes have code. Reads the node records, and the profiles that are not known yet. */
  async #codeOfLiving(storage: StorageCalls, now: number): Promise<HasCode> {
    const request = { now, own: null, remove: [] }
    const { nodes } = await storage.once((calls) => calls.heartbeat({ ...request, profilesOf: [] }))
    const living = nodes.filter((record) => !hasEnded(record) && deathOf(record) === null)
    await this.#known.learn(living, (profilesOf) =>
      storage.once((calls) => calls.heartbeat({ ...request, profilesOf })),
    )
    const isCertain = living.length > 0 && living.every((record) => callEndsAtOf(record) === null)
    const capabilities = living.map((record) => this.#known.of(record))
    return ({ id, definition }) => {
      const job = { id, tasks: readJobDocument(definition).tasks }
      if (capabilities.some((one) => one?.canRun(job))) return true
      return isCertain && !capabilities.includes(undefined) ? false : null
    }
  }

  #describe(schedule: SerializedSchedule): string | null {
    // If this process cannot load the stored schedule, `jobs()` still returns the other data of the job.
    return orElse(() => this.#registry.revive(schedule).describe(), null)
  }
}

/** The data about a job that a caller requests beyond the job's head. */
interface Extras {
  readonly lastRun: boolean
  readonly counts: boolean
  /** Whether to read which living nodes have the code of the jobs. */
  readonly code: boolean
  /** Selects only jobs whose latest run ended in one of these states. `null`: selects all jobs. */
  readonly outcomes: readonly FinalState[] | null
}

/** The job's latest run that has ended. An occurrence that never started does not count as a run. */
export type LastRun = Pick<
  Occurrence,
  'id' | 'state' | 'reason' | 'scheduledAt' | 'slot' | 'startedAt' | 'finishedAt' | 'node'
>

/** @throws JobistemerError `INVALID_ARGUMENT` */
function readExtras({ include, lastOutcome }: JobsFilter): Extras {
  const included = readChoices(orDefault(include, []), ['lastRun', 'counts', 'code'], 'filter.include')
  const outcomes = lastOutcome === undefined ? null : readOutcomes(lastOutcome)
  return {
    lastRun: included.includes('lastRun') || outcomes !== null,
    counts: included.includes('counts'),
    code: included.includes('code'),
    outcomes,
  }
}

function readOutcomes(wanted: FinalState | readonly FinalState[]): readonly FinalState[] {
  const field = 'filter.lastOutcome'
  return Array.isArray(wanted) ? readChoices(wanted, finalStates, field) : [readChoice(wanted, finalStates, field)]
}

/** A job of a list, with the data that the caller requested. */
interface JobWithExtras {
  readonly record: JobRecord
  readonly extras: Pick<JobInfo, 'lastRun' | 'counts'>
  /** True if the job's next slot was canceled ahead, and no node has yet set the job's next instant to a later slot. */
  readonly isNextCanceled: boolean
}

/** Returns the jobs of a page with the requested data, filtered by the outcome of the latest run. */
async function withExtras(
  jobs: readonly JobRecord[],
  { lastRun, counts, outcomes }: Omit<Extras, 'code'>,
  storage: StorageCalls,
): Promise<readonly JobWithExtras[]> {
  const ids = jobs.map(({ id }) => id)
  const slots = jobs.flatMap(({ id, nextAt }) => (nextAt === null ? [] : [occurrenceId(id, nextAt)]))
  if (slots.length === 0 && ((!lastRun && !counts) || jobs.length === 0)) {
    return jobs.map((record) => ({ record, extras: {}, isNextCanceled: false }))
  }
  const found = await storage.once((calls) =>
    calls.get({
      ...(lastRun && { latest: ids }),
      ...(counts && { counts: ids }),
      ...(slots.length > 0 && { occurrences: slots }),
    }),
  )
  let place = 0
  const all = jobs.map((record, index): JobWithExtras => {
    const latest = lastRun ? { lastRun: lastRunOf(found.latest[index] ?? null) } : {}
    const slot = record.nextAt === null ? null : found.occurrences[place++]
    return {
      record,
      extras: { ...latest, ...(counts && { counts: found.counts[index] as LiveCounts }) },
      isNextCanceled: slot?.state === 'canceled',
    }
  })
  return outcomes === null
    ? all
    : all.filter(({ extras }) => extras.lastRun != null && outcomes.includes(extras.lastRun.state as FinalState))
}

function lastRunOf(record: OccurrenceRecord | null): LastRun | null {
  if (record === null) return null
  // Omits the task runs: their ids are digests, and computing these digests takes long for 10,000 jobs.
  const { id, state, reason, scheduledAt, slot, startedAt, finishedAt, node } = occurrenceOf({ ...record, runs: [] })
  return { id, state, reason, scheduledAt, slot, startedAt, finishedAt, node }
}

/**
 * Returns whether a living node has the code of a job. `null`: unknown, for one of these reasons:
 * - No node lives.
 * - The code of a node exceeds the maximum size of a profile.
 * - A node is a call of `runDue`. A later call may have the code.
 */
type HasCode = (job: JobRecord) => boolean | null

/** Selects versions of a job. */
export interface VersionsOptions extends CallOptions {
  /** Maximum number of versions, newest first, 1 to 1,000. Default 20. */
  readonly limit?: number
}

/** A version of a job. */
export interface JobVersion extends Pick<JobInfo, 'tags' | 'description' | 'schedule' | 'settings' | 'tasks'> {
  /** The number of the version, counted from 1. */
  readonly version: number
  /** The instant at which the version came into force. */
  readonly createdAt: Date
  /** The digest of the version's definition. Equal definitions have equal fingerprints. */
  readonly fingerprint: string
  /** The differences from the previous version. Empty if both versions are equal, or if the previous version was removed. */
  readonly changes: readonly ChangedPart[]
  /** The `reason` option of the `update` that stored the version; `null` without a reason. */
  readonly reason: string | null
  /** The `actor` option of the `update` that stored the version; `null` without an actor. */
  readonly actor: string | null
}

/** Returns the newest versions of a job. @throws JobistemerError `JOB_NOT_FOUND` */
export async function versionsOf(
  name: string,
  options: VersionsOptions,
  storage: StorageCalls,
): Promise<readonly JobVersion[]> {
  readJobName(name)
  readObject(options, 'options', ['limit', ...callOptionNames])
  const limit = readInteger(orDefault(options.limit, 20), 'limit', 1, 1000)
  const head = await headOf(storage, name)
  // Reads one more version, so that the oldest listed version can be compared with its predecessor.
  const length = Math.min(limit + 1, head.version)
  const wanted = Array.from({ length }, (_, index) => ({ jobId: head.id, version: head.version - index }))
  const found: JobVersionRecord[] = []
  for (const some of chunksOf(wanted, fewestPerRead)) {
    const { versions } = await storage.once((calls) => calls.get({ versions: some }))
    found.push(...versions.filter((record) => record !== null))
  }
  return found.slice(0, limit).map((record, index) => {
    const before = found[index + 1]
    return versionOf(record, before?.version === record.version - 1 ? before : null)
  })
}

function versionOf({ version, createdAt, fingerprint, definition }: JobVersionRecord, before: JobVersionRecord | null) {
  const document = readJobDocument(definition)
  const { schedule, reason = null, actor = null } = document
  return {
    version,
    createdAt: new Date(createdAt),
    fingerprint,
    ...labelsOf(document),
    schedule: schedule === undefined || isNoSchedule(schedule) ? null : schedule,
    settings: settingsOf(document),
    tasks: taskInfosOf(document),
    changes: before === null ? [] : changedPartsBetween(readJobDocument(before.definition), document),
    reason,
    actor,
  }
}
