import { ApiPart, headOf, livingHead } from './api-part.ts'
import { dateOf, type InstantInput, toInstantMs } from '../../instant.ts'
import { chunksOf, type StorageCalls } from '../storage-access/retrying-storage.ts'
import { type InterventionOptions, readVoice, tellCanceled } from './interventions.ts'
import { itemsLikelyEnough } from '../definitions/tuning.ts'
import {
  readName,
  readObject,
  orDefault,
  readBoolean,
  readChoice,
  readInteger,
} from '../../configuration/read-value.ts'
import { invalidValue, type JobistemerError } from '../../errors.ts'
import { type JobId, backfillOccurrenceId } from '../../ids.ts'
import { prioritized, priorityOf, readJobDocument, settingsOf } from '../../job/job-document.ts'
import { readJobName } from '../../job/read-jobs.ts'
import { isNoSchedule } from '../../schedule/no-schedule.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import {
  isFailure,
  liveStates,
  type OccurrenceDetails,
  type OccurrenceRecord,
  type TraceContext,
  type BackfillRecord,
  type OccurrenceAddress,
} from '../../storage/occurrence-record.ts'
import { traced, withTrace } from '../../tracing/trace-context.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { type CallerContext, callOptionNames, type CallOptions } from '../storage-access/caller-context.ts'
import { uniqueSuffix } from '../runtime/unique-suffix.ts'
import {
  presentSchedule,
  presentSeries,
  slotsOf,
  type SlotStanding,
  standingsOf,
  stoppedReasonOf,
  hasBegun,
  slotsAfter,
} from './backfill-states.ts'
import { eachOccurrence } from './list-pages.ts'
import { parsedDetailsOf, type RequestOptions } from './request-options.ts'
import { planOfRequest, tellCreated } from './request-creator.ts'
import { upkeepMs, recordsPerCall } from '../../tuning.ts'
import type { JobOverrides } from '../../configuration/settings.ts'
import type { CreateAnswer, CreateRequested } from '../../storage/storage.ts'
import { failInBackground } from '../runtime/background-loop.ts'
import type { EndedRun, Relay } from '../execution/next-runs.ts'
import { takeSlots } from '../scheduling/missed-slots.ts'

/** Options of a backfill, which runs past slots of a job. */
export interface BackfillOptions
  extends Pick<RequestOptions, 'data' | 'priority' | 'tasks' | 'overrides' | 'reason' | 'actor'>,
    CallOptions {
  /** Start of the backfill's span, inclusive. May lie before the job's creation. */
  readonly from: InstantInput
  /** End of the backfill's span, exclusive. Must not lie in the future. */
  readonly to: InstantInput
  /**
   * Which slots of the span to run:
   * - `missed`: slots that never ran, because no node lived, a rule skipped them, or the job did not exist yet.
   * - `failed`: slots whose last run failed. The last run may belong to an earlier backfill.
   * - `missed_and_failed`: both.
   * - `all`: all slots, including completed, canceled and pruned ones.
   *
   * A slot whose run waits or runs is not run again. Default `missed`.
   */
  readonly which?: 'all' | 'missed' | 'failed' | 'missed_and_failed'
  /** The order in which the backfill runs its slots. Default `oldest_first`. */
  readonly order?: 'oldest_first' | 'newest_first'
  /**
   * Maximum number of concurrent runs of the backfill, 1 to 1,000. Under an overlap policy other than `allow`, the maximum
   * is always 1. Default 1.
   */
  readonly maxActive?: number
  /**
   * Names the backfill. A second call with the same key resumes the backfill and runs no slot twice. For `data`, `priority`,
   * `tasks` and `overrides`, the second call uses the values of the earlier runs unless it gives new ones. New values apply
   * to the runs that the second call begins and to all following runs. Default: a new key.
   */
  readonly key?: string
  /** If true, the call returns the result without creating runs. Default false. */
  readonly dryRun?: boolean
}

/** The state of a backfill. The counts from `passed` to `canceled` add up to `slots`. */
export interface BackfillResult {
  /** The key of the backfill. */
  readonly key: string
  /** Number of slots of the job's schedule in the span. */
  readonly slots: number
  /**
   * Number of slots that the backfill does not run. Either `which` excludes the slot, or the slot has no outcome yet. A
   * slot has no outcome while a run of it outside of the backfill is live.
   */
  readonly passed: number
  /** Number of slots whose runs the backfill has still to create. */
  readonly open: number
  /** Number of live runs of the backfill: waiting or running. */
  readonly live: number
  /** Number of `completed` runs of the backfill. */
  readonly completed: number
  /** Number of failed runs of the backfill. */
  readonly failed: number
  /** Number of canceled runs of the backfill. */
  readonly canceled: number
  /** Maximum number of concurrent runs of the backfill. */
  readonly maxActive: number
  /** The first 100 `open` slots, in the order in which the backfill will run them. */
  readonly next: readonly Date[]
  /** The `open` slot that the backfill will run last; `null` if no slot is open. */
  readonly last: Date | null
}

/** Options for stopping a backfill. Each canceled run stores the reason after `backfill_stopped: `. */
export type StopBackfillOptions = InterventionOptions

/** How many waiting runs `stopBackfill` has canceled, and how many runs of the backfill go on. */
export interface StopBackfillResult {
  /** Number of waiting runs that this call of `stopBackfill` canceled. */
  readonly canceled: number
  /** Number of running runs of the backfill, which `stopBackfill` does not interrupt. */
  readonly running: number
}

const whiches = ['missed', 'failed', 'missed_and_failed', 'all'] as const
const orders = ['oldest_first', 'newest_first'] as const
const requestNames = ['key', 'data', 'priority', 'tasks', 'overrides', 'reason', 'actor']
const ownNames = ['from', 'to', 'which', 'order', 'maxActive', 'dryRun']

/**
 * Validates the options of a backfill. @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_INSTANT`, `INVALID_NAME`,
 * `UNKNOWN_OPTION`
 */
function readBackfill(options: BackfillOptions, now: number) {
  readObject(options, 'options', [...ownNames, ...requestNames, ...callOptionNames])
  const from = toInstantMs(options.from, 'from')
  const to = toInstantMs(options.to, 'to')
  if (to > now)
    throw invalidValue(
      'to',
      'lies ahead',
      new Date(to),
      `Give the present time, ${new Date(now).toISOString()}, or an earlier one.`,
    )
  if (from >= to)
    throw invalidValue(
      'to',
      'is not after from',
      new Date(to),
      `Give an instant after ${new Date(from).toISOString()}.`,
    )
  return {
    from,
    to,
    which: readChoice(orDefault(options.which, 'missed'), whiches, 'which'),
    order: readChoice(orDefault(options.order, 'oldest_first'), orders, 'order'),
    maxActive: readInteger(orDefault(options.maxActive, 1), 'maxActive', 1, 1000),
    dryRun: options.dryRun !== undefined && readBoolean(options.dryRun, 'dryRun'),
  }
}

/**
 * Starts, resumes and stops backfills.
 *
 * Runs of a backfill are delayed triggers, which the overlap policy never skips. Before a node ends a run, it creates
 * the next run of the same lane. The id of a run derives from its slot, so two nodes cannot create the same run twice.
 */
export class Backfills extends ApiPart implements Relay {
  /** Repeats each storage call until the storage answers. */
  readonly #storage: StorageCalls = {
    once: (call) => this.engine.storage.repeated('backfill', call),
    repeated: (operation, call) => this.engine.storage.repeated(operation, call),
  }

  /** Starts a backfill. If the backfill already exists, resumes each lane that has no live run. */
  async backfill(job: RegisteredJob, options: BackfillOptions, asked: CallerContext): Promise<BackfillResult> {
    const checked = readBackfill(options, this.engine.now())
    const { name, payload } = job.job
    // A run without data gets the same input as an ordinary run of its slot, so the payload schema does not apply.
    const withoutData = options.data === undefined
    const parsed = await parsedDetailsOf(options, { name, payload: withoutData ? null : payload }, asked)
    planOfRequest(this.registry, job, parsed)
    const { requestKey: key = uniqueSuffix(this.engine.random()) } = parsed
    const given: OccurrenceDetails = { ...parsed, requestKey: key }
    for (;;) {
      const head = await headOf(asked, name)
      const standings = await this.#look(head, checked, key, asked)
      const begun = latestRunOf(standings)
      // A resumed backfill keeps the number of lanes that it began with, so that each slot stays in its lane.
      const lanes = begun?.details.backfill?.lanes ?? (head.overlap.policy === 'allow' ? checked.maxActive : 1)
      const results = (began: ReadonlySet<SlotStanding>) => resultOf(standings, began, { key, maxActive: lanes })
      if (checked.dryRun) return results(new Set())
      const firsts = firstsOf(standings, lanes)
      const { from, to, which, order } = checked
      const backfill = { slot: 0, from, to, which, order, lanes }
      const wanted: OccurrenceDetails =
        begun === null
          ? { ...given, ...(withoutData && { isParsed: true }) }
          : { ...earlierOptionsOf(begun.details, withoutData), ...given }
      // If this call resumes a backfill, new runs use the tasks that an earlier call named. An update may have removed such a
      // task since. Then `planOfRequest` throws an error.
      if (begun !== null && firsts.length > 0) planOfRequest(this.registry, job, wanted)
      // Each further run of a lane copies these details from the run before it, including the priority.
      const details = prioritized(wanted, { priority: priorityOf(head) })
      const create = (trace: TraceContext | null) =>
        this.#create(asked, head, firsts, { details: { ...withTrace(details, trace), backfill } })
      const answers = await traced(this.engine.tracing, { operation: 'backfill', jobName: name, key }, create)
      // `exists`: another call has created the same run meanwhile, and the lane continues from that run.
      if (answers.every(({ outcome }) => outcome === 'created' || outcome === 'exists')) return results(new Set(firsts))
    }
  }

  async #look(
    head: JobRecord,
    { from, to, which, order }: Omit<BackfillRecord, 'slot' | 'lanes'>,
    key: string,
    asked: CallerContext,
  ): Promise<readonly SlotStanding[]> {
    const now = this.engine.now()
    const schedule = presentSchedule(head.timeline, now)
    if (schedule === undefined || isNoSchedule(schedule)) throw noSlots(head.name)
    const series = presentSeries(this.registry, head, now)
    const slots = await slotsOf(series, { from, to, order }, this.engine.storage.yieldBudget)
    const standings: SlotStanding[] = []
    for (const some of chunksOf(slots, recordsPerCall)) {
      standings.push(...(await standingsOf(asked, head, some, { key, which })))
    }
    for (const { run } of standings) {
      const other = run?.details.backfill
      if (other === undefined) continue
      const isSame = other.from === from && other.to === to && other.which === which && other.order === order
      if (!isSame) throw otherBackfill(key)
    }
    return standings
  }

  /** Cancels the waiting runs of a backfill, and prevents its running runs from creating further runs. */
  async stop(
    name: string,
    key: string,
    options: StopBackfillOptions,
    asked: CallerContext,
  ): Promise<StopBackfillResult> {
    readJobName(name)
    readName(key, 'key', 'Give the key of the backfill: its answer has it.')
    const { reason: why, actor } = readVoice(options)
    const reason = stoppedReasonOf(why)
    const head = await headOf(asked, name)
    let canceled = 0
    for (;;) {
      const live = await this.#liveOf(head.id, key, asked)
      const running = live.filter(({ state }) => state === 'running')
      const waiting = live.filter(({ state }) => state !== 'running')
      canceled += await this.#cancel(asked, waiting, { actor, reason, head })
      let isChanged = waiting.length > 0
      for (const record of running) isChanged = (await this.#close(record, { actor, reason }, asked)) || isChanged
      if (!isChanged) return { canceled, running: running.length }
    }
  }

  /**
   * Ends the lane of a running run. Before this run ends, its node would create the lane's next run. So this method creates
   * the next run itself, and cancels it at once. The node then finds the canceled run, and creates no other run.
   * Returns whether `stop` must read the live runs again.
   */
  async #close(
    { jobId, details }: OccurrenceRecord,
    voice: { readonly actor: string | null; readonly reason: string },
    asked: CallerContext,
  ): Promise<boolean> {
    const head = await livingHead(asked, jobId)
    if (head === null) return false
    const next = await this.#nextInLane(asked, head, details)
    if (next === null || next.standing === 'stopped') return false
    // The lane already has a next run. If the next run is running, `stop` also calls `#close` for the next run. If the next
    // run waits, a node created it after `stop` had read the live runs. Then `stop` must read the live runs again, and
    // cancel the next run.
    if (next.standing === 'live') return next.run?.state !== 'running'
    await this.#create(asked, head, [next], { details, delayMs: upkeepMs })
    const [closed] = await standingsOf(asked, head, [next.slot], askedOf(details))
    if (closed?.run != null) await this.#cancel(asked, [closed.run], { ...voice, head })
    return true
  }

  /** Returns the live runs of a backfill. Reads live occurrences only, so the cost does not grow with the job's history. */
  async #liveOf(id: JobId, key: string, asked: StorageCalls): Promise<readonly OccurrenceRecord[]> {
    const found: OccurrenceRecord[] = []
    for (const state of liveStates) {
      for await (const record of eachOccurrence(asked, { kind: 'live', state, runs: false })) {
        const { backfill, requestKey } = record.details
        if (record.jobId === id && backfill !== undefined && requestKey === key) found.push(record)
      }
    }
    return found
  }

  /**
   * Creates a run for each given slot, in the given order. Returns the answers of the storage.
   *
   * `tookMs`: the expected duration of each new run, in ms. If a new run might not end before the job's next slot, it
   * becomes due after that slot.
   */
  async #create(
    storage: StorageCalls,
    head: JobRecord,
    slots: readonly Pick<SlotStanding, 'slot' | 'rounds'>[],
    { details, tookMs = 0, delayMs = 0 }: { details: OccurrenceDetails; tookMs?: number; delayMs?: number },
  ): Promise<readonly CreateAnswer[]> {
    const { owner, maxBatch } = this.engine
    const executionTimeoutMs = executionTimeoutOf(head, details)
    const answers: CreateAnswer[] = []
    for (const some of chunksOf(slots, maxBatch)) {
      const { length: start } = answers
      let items: readonly CreateRequested[] = []
      const answered = await storage.repeated('createOccurrences', (calls) => {
        const now = this.engine.now()
        const dueAt = dueAtOf(head, now, tookMs) + delayMs + start
        // The storage accepts only records after the prune floor. If this node's clock is behind, the due time may lie
        // before the prune floor. So the scheduled times of the new runs begin after the prune floor.
        const firstAt = Math.max(dueAt, (head.pruneFloor ?? Number.NEGATIVE_INFINITY) + 1 + start)
        items = some.map(({ slot, rounds }, index) => ({
          kind: 'trigger',
          id: backfillOccurrenceId(head.id, slot, rounds + 1),
          jobId: head.id,
          // Ascending scheduled times keep the waiting runs in the order of the backfill.
          scheduledAt: firstAt + index,
          dueAt: dueAt + index,
          jobVersion: head.version,
          executionTimeoutMs,
          details: { ...details, backfill: { ...(details.backfill as BackfillRecord), slot } },
          runs: null,
        }))
        return calls.createOccurrences({ now, owner, items })
      })
      for (const [index, answer] of answered.entries()) {
        const item = items[index] as CreateRequested
        if (answer.outcome === 'created') tellCreated(this.engine.events, head, item, { ...answer, id: item.id })
      }
      answers.push(...answered)
    }
    this.capacity.workAppeared()
    return answers
  }

  /** Cancels waiting runs. Returns the number of runs that the storage canceled. */
  async #cancel(
    storage: StorageCalls,
    addresses: readonly OccurrenceAddress[],
    { actor, reason, head }: { readonly actor: string | null; readonly reason: string; readonly head: JobRecord },
  ): Promise<number> {
    let canceled = 0
    for (const some of chunksOf(addresses, this.engine.maxBatch)) {
      const items = some.map(({ id, jobId, scheduledAt }) => {
        return { id, jobId, scheduledAt, reason, actor, mode: 'request' } as const
      })
      const now = this.engine.now()
      const answers = await storage.once((calls) => calls.cancel({ now, items }))
      const gone = some.filter((_, index) => answers[index]?.outcome === 'canceled')
      tellCanceled(this.engine.events, head.name, reason, gone)
      canceled += gone.length
    }
    this.capacity.workAppeared()
    return canceled
  }

  async displaced(addresses: readonly OccurrenceAddress[]): Promise<void> {
    if (addresses.length === 0) return
    const ids = addresses.map(({ id }) => id)
    try {
      const { occurrences } = await this.#storage.once((calls) => calls.get({ occurrences: ids }))
      // A newer run has displaced these waiting runs. If a displaced run of a backfill never began, the backfill creates another
      // run for the same slot. The displaced run may have begun before, for example if a node has handed it back. Then the
      // next slot of the lane follows.
      for (const record of occurrences) if (record !== null) await this.handOn(record, !hasBegun(record))
    } catch (error) {
      failInBackground(this.engine, 'backfill', error)
    }
  }

  /** With `isAgain`, the search for the next slot begins at the slot of the given run. */
  async handOn({ jobId, startedAt, details }: EndedRun, isAgain = false): Promise<void> {
    if (details.backfill === undefined) return
    const now = this.engine.now()
    const tookMs = now - (startedAt ?? now)
    try {
      for (;;) {
        const head = await livingHead(this.#storage, jobId)
        if (head === null) return
        const next = await this.#nextInLane(this.#storage, head, details, isAgain)
        if (next?.standing !== 'open') return
        const [answer] = await this.#create(this.#storage, head, [next], { details, tookMs })
        // The loop searches again for the next slot if another node has already created the run. It also searches again if
        // the job has a new version.
        if (answer?.outcome !== 'exists' && answer?.outcome !== 'stale_version') return
      }
    } catch (error) {
      // If the engine has stopped, it neither continues the backfill nor ends the run. The node that takes over the run
      // continues the backfill. So this error is not reported.
      failInBackground(this.engine, 'backfill', error)
    }
  }

  /**
   * Searches the lane of a run for the next slot whose standing is neither `ended` nor `passed`, see {@link SlotStanding}.
   * Returns `null` if there is no such slot. With `isAgain`, the search begins at the run's own slot.
   */
  async #nextInLane(
    storage: StorageCalls,
    head: JobRecord,
    details: OccurrenceDetails,
    isAgain = false,
  ): Promise<SlotStanding | null> {
    const backfill = details.backfill as BackfillRecord
    const slots = slotsAfter(presentSeries(this.registry, head, this.engine.now()), backfill)
    const laterSize = Math.max(itemsLikelyEnough, Math.floor(recordsPerCall / backfill.lanes))
    let some: number[] = isAgain ? [backfill.slot] : []
    for (let size = itemsLikelyEnough; ; size = laterSize) {
      some.push(...(await takeSlots(slots, size - some.length, this.engine.storage.yieldBudget)))
      if (some.length === 0) return null
      const standings = await standingsOf(storage, head, some, askedOf(details))
      const next = standings.find(({ standing }) => standing !== 'ended' && standing !== 'passed')
      if (next !== undefined) return next
      some = []
    }
  }
}

function askedOf({ requestKey, backfill }: OccurrenceDetails) {
  return { key: requestKey as string, which: backfill?.which ?? 'missed' }
}

/** Returns the newest run of this backfill, or `null` without a run. */
function latestRunOf(standings: readonly SlotStanding[]): OccurrenceRecord | null {
  const runs = standings.flatMap(({ run }) => (run === null ? [] : [run]))
  return runs.sort((one, other) => one.createdAt - other.createdAt).at(-1) ?? null
}

/** Returns the options of an earlier run. A resumed backfill keeps these options, unless the call gives new ones. */
function earlierOptionsOf(
  { data, isParsed, priority = 0, tasks, overrides }: OccurrenceDetails,
  withData: boolean,
): OccurrenceDetails {
  return {
    priority,
    ...(tasks !== undefined && { tasks }),
    ...(overrides !== undefined && { overrides }),
    ...(withData && data !== undefined && { data }),
    ...(withData && isParsed !== undefined && { isParsed }),
  }
}

/** For each lane that needs a new run, returns the lane's first open slot. */
function firstsOf(standings: readonly SlotStanding[], lanes: number): readonly SlotStanding[] {
  const firsts = new Map<number, SlotStanding>()
  const going = new Set<number>()
  for (const [index, one] of standings.entries()) {
    const lane = index % lanes
    if (one.standing === 'live') going.add(lane)
    // `stopBackfill` has canceled the lane's next run. So the lane ends with its running run, and this call begins the
    // lane again at this slot.
    if (one.standing === 'stopped') going.delete(lane)
    if ((one.standing === 'open' || one.standing === 'stopped') && !firsts.has(lane)) firsts.set(lane, one)
  }
  for (const lane of going) firsts.delete(lane)
  return [...firsts.values()]
}

function resultOf(
  standings: readonly SlotStanding[],
  began: ReadonlySet<SlotStanding>,
  { key, maxActive }: Pick<BackfillResult, 'key' | 'maxActive'>,
): BackfillResult {
  const counts = { passed: 0, open: 0, live: 0, completed: 0, failed: 0, canceled: 0 }
  const open: number[] = []
  for (const one of standings) {
    const place = began.has(one) ? 'live' : placeOf(one)
    counts[place]++
    if (place === 'open') open.push(one.slot)
  }
  // Lists only the next 100 open slots, because people read the result.
  const next = open.slice(0, 100).map((slot) => new Date(slot))
  return { key, slots: standings.length, ...counts, maxActive, next, last: dateOf(open.at(-1) ?? null) }
}

function placeOf({ standing, run }: SlotStanding): 'passed' | 'open' | 'live' | 'completed' | 'failed' | 'canceled' {
  if (standing === 'stopped') return 'open'
  if (standing !== 'ended' || run === null) return standing as 'passed' | 'open' | 'live'
  if (isFailure(run.state)) return 'failed'
  return run.state === 'completed' ? 'completed' : 'canceled'
}

function noSlots(name: string): JobistemerError {
  return invalidValue('name', 'names a job without a schedule', name, 'Trigger it, or give it a schedule first.')
}

function otherBackfill(key: string): JobistemerError {
  const what = 'names a backfill of this job with another from, to, which or order'
  return invalidValue('key', what, key, 'Give another key, or ask for the same backfill.')
}

/**
 * Returns the due time of a backfill run. Under the overlap policy `allow`, the run is due now. Under any other policy, the
 * due time lies in the future, so that the run counts as delayed. These policies could skip a run that is due now, but never
 * skip a delayed run.
 */
function dueAtOf({ overlap, nextAt }: JobRecord, now: number, tookMs: number): number {
  if (overlap.policy === 'allow') return now
  const meetsSlot = nextAt !== null && nextAt <= now + 2 * tookMs
  // A run that could overlap the next slot starts 250 ms after that slot, so that the slot starts first.
  return (meetsSlot ? Math.max(now, nextAt) + 250 : now) + 1
}

function executionTimeoutOf({ definition }: JobRecord, details: OccurrenceDetails): number {
  const overrides = (details.overrides ?? {}) as JobOverrides
  return overrides.executionTimeoutMs ?? settingsOf(readJobDocument(definition)).executionTimeoutMs
}
