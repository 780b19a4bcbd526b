import { ApiPart, headOf } from './api-part.ts'
import { recordsPerCall } from '../../tuning.ts'
import { nextTurn } from '../runtime/after-turn.ts'
import { saveChanges } from '../definitions/registrations.ts'
import { CallerBatcher } from '../storage-access/batcher.ts'
import type { JsonObject } from '../../json.ts'
import { dateOf } from '../../instant.ts'
import { byNameAscending } from '../../listing.ts'
import type { JobOverrides, JobSettingsInput } from '../../configuration/settings.ts'
import { jobSettingNames, readJobSettings } from '../../configuration/read-settings.ts'
import {
  orDefault,
  readBoolean,
  readChoice,
  readDescription,
  readInteger,
  readLimitedList,
  readList,
  readName,
  readObject,
  readTags,
} from '../../configuration/read-value.ts'
import { invalidValue, JobistemerError, printValue } from '../../errors.ts'
import { type JobId, jobId, type OccurrenceId } from '../../ids.ts'
import { type AnyTask, type Job, readSchedule, readTasks, withDefaultTimezone } from '../../job/define-job.ts'
import { assertModulesExist, isolatedWorkOf } from '../../job/isolated-work.ts'
import { type ChangedPart, changedPartsBetween } from '../../job/changed-parts.ts'
import { fingerprintOf, isSameData } from '../../job/fingerprint.ts'
import { contentOf, fingerprintOfJob } from '../../job/job-content.ts'
import { type JobDocument, labelsOf, readJobDocument, tasksOf } from '../../job/job-document.ts'
import { duplicateJob, readDistinctJob, readJob, readJobs } from '../../job/read-jobs.ts'
import { noSchedule } from '../../schedule/no-schedule.ts'
import type { Schedule } from '../../schedule/schedule.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import { decidedUpTo } from '../../storage/rules.ts'
import type { OccurrenceAddress } from '../../storage/occurrence-record.ts'
import { eachItem } from '../../storage/pages.ts'
import type { JobChange, JobContent, SaveJobAnswer } from '../../storage/storage.ts'
import { unreadablePartOf } from '../../storage/unreadable.ts'
import { originOfUpdate } from '../definitions/definition-precedence.ts'
import { changesAtOnce } from '../definitions/tuning.ts'
import { isAhead, type RegisteredJob } from '../definitions/registered-job.ts'
import { unreadableJob } from '../definitions/job-errors.ts'
import { type CheckedUpdatePolicy, readUpdatePolicy, type UpdatePolicy } from '../definitions/timeline.ts'
import { type CallerContext, type CallOptions, callOptionNames } from '../storage-access/caller-context.ts'
import { chunksOf, type StorageCalls } from '../storage-access/retrying-storage.ts'
import { type InterventionOptions, readVoice, tellCanceled } from './interventions.ts'
import { slotsInPlan } from './tuning.ts'

/** The parts of a job that an update changes. Absent parts keep their stored values. */
export interface JobUpdate extends JobSettingsInput {
  /**
   * The new schedule. The option `policy` decides when the schedule takes effect. `null`: the job then runs on request only.
   */
  readonly schedule?: Schedule | null
  /**
   * Time zone of the given schedule, if that schedule names none. Default: the job's time zone. The update rejects `timezone`
   * without `schedule`, because a stored schedule already has its time zone.
   */
  readonly timezone?: string
  /**
   * The complete new list of tasks. A task with the name of an existing task may omit `run` and `handler`: the job then
   * keeps the existing code. The data and settings of the existing task are not kept.
   */
  readonly tasks?: readonly AnyTask[]
  /** The complete new list of the job's tags. */
  readonly tags?: readonly string[]
  /** The new description. `null` removes the description. */
  readonly description?: string | null
}

/** Options of `update`: the expected version, when a new schedule takes effect, and what happens to waiting slots. */
export interface UpdateOptions extends InterventionOptions {
  /** The update rejects with `VERSION_CONFLICT` if the stored version differs from this one. Default: update any version. */
  readonly expectedVersion?: number
  /** Decides when a new schedule takes effect. The update rejects any other value without `schedule`. Default `immediate`. */
  readonly policy?: UpdatePolicy
  /**
   * Whether the update keeps or cancels the waiting slots of the job. Triggers and replays always stay, and an update that
   * changes nothing cancels nothing. Default `keep`.
   */
  readonly waiting?: 'keep' | 'cancel'
  /**
   * Whether to set the job's watermark back to the present, if a wrong clock moved it ahead (event `job.ahead`). Default
   * false.
   *
   * - Occurrences of slots that lie ahead, which a node with a wrong clock created too early, still wait and run. While they
   *   wait, the overlap policy may queue or skip other slots of the job. To prevent this, cancel them.
   * - Slots that ran ahead of their time, or that have their own `missed` record, do not run again.
   * - Slots that have no record of their own run at their time.
   * - Slots up to the prune floor never run.
   *
   * The update rejects with `CLOCK_UNCONFIRMED` while a clock jump is not confirmed.
   */
  readonly realign?: boolean
}

/** The effect of an update that set a job's watermark from the future back to the present. */
export interface Realignment {
  /** The job's watermark before the update. */
  readonly decidedUpTo: Date
}

/** Options of `plan`: the owner tag of the planned definitions. */
export interface PlanOptions extends CallOptions {
  /** The owner tag that all definitions of the plan get. 1 to 255 characters. */
  readonly owner: string
}

/** The result of `update`: the version in force, the next slot, and the canceled occurrences. */
export interface UpdateResult {
  /** The job's version in force after the update. */
  readonly version: number
  /** False if the stored definition was already equal to the requested one, and the watermark was not set back. */
  readonly changed: boolean
  /** The job's next slot; `null` if no slot follows. */
  readonly nextAt: Date | null
  /**
   * Waiting slots that this call canceled, possibly in several steps. The list lacks occurrences that another
   * node canceled between two steps.
   */
  readonly canceled: readonly OccurrenceId[]
  /** Present if the update has set the job's watermark back, see the option `realign`. */
  readonly realigned?: Realignment
}

/** One job in a plan, with its next slots before and after `apply`. */
export interface PlannedChange {
  readonly name: string
  /** The job's version in force when the plan was made; `null` for a job that does not exist. */
  readonly version: number | null
  /**
   * At most three next slots of the stored job by its schedule, even if a slot was canceled ahead. Empty for a job that does
   * not exist. At most one slot if this node does not know the type of the job's schedule.
   */
  readonly before: readonly Date[]
  /** At most three next slots of the job after `apply`. Empty for a job that the plan removes. */
  readonly after: readonly Date[]
  /** The parts of the definition that differ from the stored one. Empty for a job that the plan adds or removes. */
  readonly changes: readonly ChangedPart[]
}

/** The changes that a set of definitions would make to the stored jobs. */
export interface DefinitionPlan {
  /** The owner tag of the planned definitions. */
  readonly owner: string
  /** The planned jobs, each with the owner tag. */
  readonly jobs: readonly Job[]
  /** Jobs that `apply` adds, because they are not in the storage or are deleted. */
  readonly added: readonly PlannedChange[]
  /** Jobs that `apply` changes, because the storage has another definition of them. */
  readonly changed: readonly PlannedChange[]
  /** Jobs that `apply` removes, because they are stored under the owner tag and missing from the definitions. */
  readonly removed: readonly PlannedChange[]
  /** Names of the jobs whose stored definition equals the planned one. */
  readonly unchanged: readonly string[]
}

/** Options of a removal. */
export interface RemoveOptions extends CallOptions {
  /** The removal rejects with `VERSION_CONFLICT` if the stored version differs from this one. Default: remove any version. */
  readonly expectedVersion?: number
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
 * Stores, updates, plans and deletes definitions at run time. `add` replaces a different stored definition of the same job. Any
 * node with the handlers of an added job can run the job. When a job is deleted, all nodes forget it.
 */
export class Definitions extends ApiPart {
  /** Deletions are not retried: a retry could delete a job that another caller has created meanwhile. */
  readonly deletes: CallerBatcher<JobChange, SaveJobAnswer> = new CallerBatcher(this.engine, {
    operation: 'saveJobs',
    retries: false,
    send: saveChanges,
  })

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
    await this.#delete(new Map([[name, readExpectedVersion(options.expectedVersion) ?? null]]), asked)
  }

  /** Returns the names of the jobs that this call has deleted. A job that another caller had deleted before is not included. */
  async removeMany(names: readonly string[], options: CallOptions, asked: CallerContext): Promise<readonly string[]> {
    readObject(options, 'options', callOptionNames)
    const list = await this.#readNames(names, asked)
    return await this.#delete(new Map(list.map((name) => [name, null])), asked)
  }

  async #readNames(names: readonly string[], asked: CallerContext): Promise<readonly string[]> {
    const distinct = new Set<string>()
    const list = readLimitedList(names, 'names').slice()
    const lookedUp = await this.lookup.byNames(list, asked)
    for (const [index, name] of list.entries()) {
      const turn = this.engine.storage.turn()
      if (turn !== null) await turn
      const field = `names[${index}]`
      this.jobOf(name, field, lookedUp)
      if (distinct.has(name)) throw duplicateJob(name, field)
      distinct.add(name)
    }
    return list
  }

  /**
   * Deletes jobs, and cancels their waiting occurrences in rounds. `targets`: the expected version of each job, by its name;
   * `null` for any version. Returns the names of the jobs that this call has deleted.
   */
  async #delete(targets: ReadonlyMap<string, number | null>, asked: CallerContext): Promise<readonly string[]> {
    const deleted = new Set<string>()
    for (const some of chunksOf([...targets], Math.min(changesAtOnce, this.engine.maxBatch))) {
      for (let open: readonly (readonly [string, number | null])[] = some; open.length > 0; await nextTurn()) {
        const round = () => Promise.all(open.map(([name, version]) => this.#deleteOnce(name, version, deleted, asked)))
        open = (await asked.within(round)).flatMap((left) => left ?? [])
      }
    }
    return [...deleted]
  }

  /**
   * Deletes a job, or cancels further waiting occurrences of a job that an earlier call deleted. Each storage call cancels a
   * limited number of occurrences, so that no call takes long. Returns the name and version for the next round; `null`: no
   * further round is necessary.
   * @throws JobistemerError `VERSION_CONFLICT` if the stored version is not `expectedVersion`
   */
  async #deleteOnce(name: string, expectedVersion: number | null, deleted: Set<string>, asked: CallerContext) {
    const id = jobId(name)
    const answer = await this.deletes.send(asked, () => ({ kind: 'delete', id, expectedVersion }))
    if (answer.outcome === 'conflict' && !deleted.has(name)) throw versionConflict(name, expectedVersion, answer.job)
    if (answer.outcome === 'saved') {
      deleted.add(name)
      tellCanceled(this.engine.events, name, 'deleted', answer.canceled)
      // A further call expects the version that this call stored, so it has no effect on a job that was created again.
      if (answer.more === true) return [[name, answer.job.version] as const]
    }
    // After a conflict, another caller has created the job again, so this node keeps the new job.
    const held = this.registry.get(id)
    if (held !== undefined && answer.outcome !== 'conflict') this.registry.forget(held)
    return null
  }

  async update(
    job: RegisteredJob,
    change: JobUpdate,
    options: UpdateOptions,
    storage: StorageCalls,
  ): Promise<UpdateResult> {
    readObject(change, 'change', [...jobSettingNames, 'schedule', 'tasks', 'tags', 'description'])
    const { reason, actor } = readVoice(options, 'expectedVersion', 'policy', 'waiting', 'realign')
    const policy = readUpdatePolicy(orDefault(options.policy, 'immediate'))
    refuseWithoutSchedule(change, options)
    const waiting = readChoice(orDefault(options.waiting, 'keep'), ['keep', 'cancel'], 'waiting')
    const expected = readExpectedVersion(options.expectedVersion)
    const said: Said = { ...(reason !== null && { reason }), ...(actor !== null && { actor }) }
    const realigns = readBoolean(orDefault(options.realign, false), 'realign')
    if (realigns) this.#assertConfirmed()
    const hasChange = Object.keys(change).length > 0
    // If the version or the watermark has changed between the read and the write, the loop repeats the update.
    for (;;) {
      const record = await headOf(storage, job.job.name)
      if (expected !== undefined && record.version !== expected) throw versionConflict(job.job.name, expected, record)
      const setBackTo = realigns ? this.#setBackTo(record) : null
      const present = setBackTo === null ? record : { ...record, ...setBackTo }
      const updated = hasChange ? this.#merged(job, record, change) : job.job
      const content = hasChange ? this.#updatedContent(updated, present, policy, said) : contentAsStored(present, said)
      if (content.fingerprint === record.fingerprint && setBackTo === null) {
        return { version: record.version, changed: false, nextAt: dateOf(record.nextAt), canceled: [] }
      }
      const { id, version: expectedVersion, watermark: expectedWatermark } = record
      const replacement: JobChange = {
        kind: 'replace',
        id,
        content,
        expectedVersion,
        expectedWatermark,
        waiting,
        ...(setBackTo !== null && { setBackTo: setBackTo.watermark }),
      }
      const answer = await this.#save(storage, replacement)
      if (answer.outcome === 'saved') {
        if (hasChange) this.registry.adoptAsked(updated, answer.job, 'updated')
        else this.registry.adopt(updated, answer.job, 'updated')
        tellCanceled(this.engine.events, answer.job.name, 'updated', answer.canceled)
        const nextAt = dateOf(answer.job.nextAt)
        if (change.schedule != null && nextAt === null) this.registry.registrations.warnIfOver(updated, null)
        const decidedUpTo = new Date(record.watermark)
        if (setBackTo !== null) {
          this.engine.logger.info(
            { job: record.name, decidedUpTo, nextAt },
            'this node has set the watermark of the job back to the present',
          )
        }
        return {
          version: answer.job.version,
          changed: true,
          nextAt,
          canceled: (await this.#cancelRest(storage, replacement, answer)).map(({ id }) => id),
          ...(setBackTo !== null && { realigned: { decidedUpTo } }),
        }
      }
    }
  }

  /**
   * Cancels the rest of the waiting occurrences that an update cancels. Each `saveJobs` call cancels a limited number, so
   * this method repeats the call. Returns all occurrences that the first call and these calls have canceled. Already after
   * the first call, none of the waiting occurrences can start.
   */
  async #cancelRest(
    storage: StorageCalls,
    change: JobChange,
    first: Extract<SaveJobAnswer, { outcome: 'saved' }>,
  ): Promise<readonly OccurrenceAddress[]> {
    const canceled = [...first.canceled]
    let answer: SaveJobAnswer = first
    // The loop ends when a call cancels nothing. Nodes cancel the superseded occurrences that remain.
    while (answer.outcome === 'saved' && answer.more === true && answer.canceled.length > 0) {
      await nextTurn()
      answer = await this.#save(storage, change)
      if (answer.outcome !== 'saved') break
      tellCanceled(this.engine.events, answer.job.name, 'updated', answer.canceled)
      for (const address of answer.canceled) canceled.push(address)
    }
    return canceled
  }

  async #save(storage: StorageCalls, change: JobChange): Promise<SaveJobAnswer> {
    const now = this.engine.now()
    const [answer] = await storage.once((calls) =>
      calls.saveJobs({ now, changes: [change], cancelLimit: changesAtOnce }),
    )
    return answer as SaveJobAnswer
  }

  /**
   * Rejects while a clock jump is unconfirmed. If the clock of this node is behind, `realign` would set back jobs that
   * are not ahead.
   */
  #assertConfirmed(): void {
    this.engine.now()
    if (!this.engine.isTimeInDoubt) return
    throw new JobistemerError('CLOCK_UNCONFIRMED', {
      message: 'A clock has jumped, and the present time is not confirmed yet.',
      field: 'clock',
      value: 'unconfirmed',
      remedy: 'Wait for the event clock.confirmed, or set the clocks of node and storage right.',
    })
  }

  /** Returns the present as the new watermark of a job that is ahead, with the next slot; `null` if the job is not ahead. */
  #setBackTo(record: JobRecord): Pick<JobRecord, 'watermark' | 'nextAt'> | null {
    const now = this.engine.now()
    if (!isAhead(record, now)) return null
    const { id, timeline, pruneFloor } = record
    const series = this.registry.seriesOf(timeline, this.registry.get(id)?.job ?? null)
    return { watermark: now, nextAt: series.nextMs(decidedUpTo({ watermark: now, pruneFloor })) }
  }

  #merged(job: RegisteredJob, record: JobRecord, change: JobUpdate): Job {
    const damage = unreadablePartOf(record)
    if (damage !== null) throw unreadableJob(record.name, damage)
    const document = readJobDocument(record.definition)
    const tasks = tasksOf(document, job.job.tasks)
    const overrides = { ...document.settings, ...readJobSettings(change) }
    const changedTasks = change.tasks === undefined ? tasks : readTasks(change.tasks, tasks)
    if (change.tasks !== undefined && !this.registry.isClient) assertModulesExist([{ tasks: changedTasks }])
    let schedule: Schedule = noSchedule
    if (change.schedule === undefined) schedule = this.#presentSchedule(job, record)
    else if (change.schedule !== null) {
      schedule = readSchedule(change.schedule, job.job.name, overrides.timezone ?? this.#defaultsOf(record).timezone)
    }
    const labels = changedLabels(document, change)
    return { ...job.job, ...labels, schedule, unbound: null, settings: overrides, tasks: changedTasks }
  }

  /** Returns the defaults for an update. A client keeps the stored defaults, because it does not know the nodes' defaults. */
  #defaultsOf({ definition }: JobRecord): JobOverrides {
    return this.registry.isClient ? readJobDocument(definition).defaults : this.engine.defaults
  }

  #presentSchedule(job: RegisteredJob, record: JobRecord): Schedule {
    const present = record.timeline.at(-1)?.schedule
    const { schedule } = job.job
    if (present === undefined || fingerprintOf(present) === fingerprintOf(schedule.toJSON())) return schedule
    return this.registry.revive(present)
  }

  #updatedContent(job: Job, record: JobRecord, policy: CheckedUpdatePolicy, said: Said): JobContent {
    const { mostQueued } = this.engine
    const defaults = this.#defaultsOf(record)
    const timing = this.registry.registrations.timelineOf(job, record, this.engine.now(), policy)
    const isSame = isSameData(record.timeline.at(-1)?.schedule, job.schedule.toJSON())
    const plain = fingerprintOfJob(job, defaults)
    // Under the policy `windowed`, the new schedule applies only in a window. Two updates with different windows make
    // different definitions, which need different fingerprints. So the fingerprint includes `policy` with its window.
    const fingerprint = policy.type === 'windowed' && !isSame ? fingerprintOf([plain, policy]) : plain
    return contentOf(job, {
      defaults,
      mostQueued,
      ...timing,
      fingerprint,
      origin: { ...originOfUpdate(record), ...said },
    })
  }

  async plan(jobs: readonly Job[], options: PlanOptions, storage: CallerContext): Promise<DefinitionPlan> {
    readJobs(jobs)
    readObject(options, 'options', ['owner', ...callOptionNames])
    const owner = readName(options.owner, 'owner')
    const { timezone } = this.engine.defaults
    const tagged = jobs.map((job): Job => ({ ...withDefaultTimezone(job, timezone), owner }))
    const stored = new Map<JobId, JobRecord>()
    const read = (cursor: string | null) =>
      storage.once((calls) => calls.listJobs({ owner, limit: recordsPerCall, cursor }))
    for await (const record of eachItem(read)) stored.set(record.id, record)
    const untagged = tagged.filter((job) => !stored.has(job.id)).map((job) => job.id)
    for (const record of await this.registry.registrations.heads(untagged, storage))
      if (record !== null) stored.set(record.id, record)
    const now = this.engine.now()
    const added: PlannedChange[] = []
    const changed: PlannedChange[] = []
    const unchanged: string[] = []
    for (const job of tagged) {
      const record = stored.get(job.id) ?? null
      stored.delete(job.id)
      const change = this.registry.registrations.changeFor(job, record, now, 'apply')
      if (change === null) unchanged.push(job.name)
      else if (change.kind === 'create') added.push(this.#planned(job.name, null, change.content))
      else changed.push(this.#planned(job.name, record, change.content))
    }
    const removed = Array.from(stored.values(), (record) => this.#planned(record.name, record, null))
    for (const changes of [added, changed, removed]) changes.sort(byNameAscending)
    return { owner, jobs: tagged, added, changed, removed, unchanged: unchanged.sort() }
  }

  /**
   * @throws JobistemerError `VERSION_CONFLICT` if a job has changed since the plan was made; `apply` checks all versions
   * before its first change
   */
  async apply(plan: DefinitionPlan, options: CallOptions, storage: CallerContext): Promise<void> {
    readPlan(plan)
    readObject(options, 'options', callOptionNames)
    const { added, changed, removed } = plan
    const touched = [...added, ...changed, ...removed]
    const heads = await this.registry.registrations.heads(
      touched.map(({ name }) => jobId(name)),
      storage,
    )
    for (const [index, { name, version }] of touched.entries()) {
      const head = heads[index] ?? null
      const alive = head?.deletedAt === null ? head : null
      if ((alive?.version ?? null) !== version) throw versionConflict(name, version, alive)
    }
    const names = new Set([...added, ...changed].map(({ name }) => name))
    await this.registry.registrations.register(
      plan.jobs.filter((job) => names.has(job.name)),
      'apply',
      storage,
    )
    await this.#delete(new Map(removed.map(({ name, version }) => [name, version])), storage)
  }

  #planned(name: string, record: JobRecord | null, content: JobContent | null): PlannedChange {
    const isChange = record !== null && content !== null
    return {
      name,
      version: record?.version ?? null,
      before: record === null ? [] : this.#nextSlots(record),
      after: content === null ? [] : this.#nextSlots(content),
      changes: isChange
        ? changedPartsBetween(readJobDocument(record.definition), readJobDocument(content.definition))
        : [],
    }
  }

  #nextSlots(content: Pick<JobContent, 'timeline' | 'nextAt'>): readonly Date[] {
    if (content.nextAt === null) return []
    const slots = [new Date(content.nextAt)]
    for (const slot of this.registry.slotsAfter(content.nextAt, content, null)) {
      if (slots.push(new Date(slot)) === slotsInPlan) break
    }
    return slots
  }
}

/** Returns the stored content of a job unchanged, except for the reason and the actor of the update. */
function contentAsStored(record: JobRecord, said: Said): JobContent {
  const { name, owner, fingerprint, definition, handlerKey, overlap, timeline, nextAt } = record
  return { name, owner, fingerprint, definition: { ...definition, ...said }, handlerKey, overlap, timeline, nextAt }
}

function changedLabels(document: JobDocument, { tags, description }: JobUpdate): Pick<Job, 'tags' | 'description'> {
  const present = labelsOf(document)
  return {
    tags: tags === undefined ? present.tags : readTags(tags, 'change.tags'),
    description: orDefault(
      description == null ? description : readDescription(description, 'change.description'),
      present.description,
    ),
  }
}

/** The reason and the actor of an update. */
type Said = Pick<JobDocument, 'reason' | 'actor'>

/** Rejects a time zone or a policy that would have no effect. @throws JobistemerError `INVALID_ARGUMENT` */
function refuseWithoutSchedule({ schedule, timezone }: JobUpdate, { policy }: UpdateOptions): void {
  if (timezone !== undefined && schedule == null) {
    const remedy = 'Give the schedule too: the stored one has its time zone already.'
    throw invalidValue('change.timezone', 'comes without a schedule', timezone, remedy)
  }
  if (policy === undefined || policy === 'immediate' || schedule !== undefined) return
  const remedy = 'Leave it out: only a new schedule can take effect later.'
  throw invalidValue('policy', 'comes without a schedule', policy, remedy)
}

function readPlan(plan: DefinitionPlan): void {
  readObject(plan, 'plan', ['owner', 'jobs', 'added', 'changed', 'removed', 'unchanged'])
  readName(plan.owner, 'plan.owner', 'Give what plan() has answered.')
  for (const [index, job] of readList(plan.jobs, 'plan.jobs').entries()) readJob(job, `plan.jobs[${index}]`)
  for (const part of ['added', 'changed', 'removed'] as const) {
    for (const [index, change] of readList(plan[part], `plan.${part}`).entries()) {
      const field = `plan.${part}[${index}]`
      readObject(change, field, ['name', 'version', 'before', 'after', 'changes'])
      readName(change.name, `${field}.name`)
      if (change.version !== null) readInteger(change.version, `${field}.version`, 1, Number.MAX_SAFE_INTEGER)
    }
  }
}

function readExpectedVersion(version: number | undefined): number | undefined {
  return version === undefined ? undefined : readInteger(version, 'expectedVersion', 1, Number.MAX_SAFE_INTEGER)
}

function versionConflict(name: string, expected: number | null, record: JobRecord | null): JobistemerError {
  const actual = record?.version ?? null
  return new JobistemerError('VERSION_CONFLICT', {
    message: `Job ${printValue(name)} is at version ${actual ?? 'none'}, not at ${expected ?? 'none'}.`,
    field: 'expectedVersion',
    value: { expected, actual } as unknown as JsonObject,
    remedy: 'Read the job again, and decide anew.',
  })
}
