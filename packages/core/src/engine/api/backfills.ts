import { ApiPart, type ApiParts } from './api-part.ts'
import { dateOf } from '../../instant.ts'
import { chunksOf, eachItem, type StorageCalls } from '../storage-access/retrying-storage.ts'
import { readVoice } from './interventions.ts'
import { livingHead } from './job-lookup.ts'
import { mostSlotsNamed } from './tuning.ts'
import { readName, readObject } from '../../configuration/read-value.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import { type JobId, jobId } from '../../ids.ts'
import { prioritized, priorityOf } from '../../job/job-document.ts'
import { readJobName } from '../../job/read-jobs.ts'
import { isNoSchedule } from '../../schedule/no-schedule.ts'
import type { JobRecord } from '../../storage/job-record.ts'
import {
  isFailure,
  liveStates,
  type OccurrenceDetails,
  type OccurrenceRecord,
  type TraceContext,
} from '../../storage/occurrence-record.ts'
import { traced, withTrace } from '../../tracing/trace-context.ts'
import { jobNotFound } from '../definitions/job-errors.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { type CallerContext, callOptionNames } from '../storage-access/caller-context.ts'
import { uniqueSuffix } from '../runtime/unique-suffix.ts'
import {
  type BackfillOptions,
  type BackfillResult,
  type CheckedBackfill,
  readBackfill,
  type StopBackfillOptions,
  type StopBackfillResult,
} from './backfill-options.ts'
import type { BackfillRuns } from './backfill-runs.ts'
import {
  presentSchedule,
  presentSeries,
  slotsOf,
  type SlotStanding,
  standingsOf,
  stoppedReasonOf,
} from './backfill-states.ts'
import { parsedDetailsOf } from './request-options.ts'
import { planOfRequest } from './request-item.ts'
import { longestTimerMs, recordsPerCall } from '../../tuning.ts'

/** Starts, resumes and stops backfills. `BackfillRelay` creates the next runs of a started backfill. */
export class Backfills extends ApiPart {
  readonly #runs: BackfillRuns

  constructor(parts: ApiParts, runs: BackfillRuns) {
    super(parts)
    this.#runs = runs
  }

  /** Starts a backfill, or resumes those of its lanes that have no live run. */
  async backfill(job: RegisteredJob, options: BackfillOptions, asked: CallerContext): Promise<BackfillResult> {
    const checked = readBackfill(options, this.engine.now())
    const { name, payload, id } = job.job
    // Without data, a run is like the run of its slot, and the payload schema does not apply.
    const withoutData = options.data === undefined
    const parsed = await parsedDetailsOf(checked.request, { name, payload: withoutData ? null : payload }, asked)
    planOfRequest(this.registry, job, parsed)
    const key = checked.key ?? uniqueSuffix(this.engine.random())
    const request = { ...parsed, ...(withoutData && { isParsed: true as const }), requestKey: key }
    for (;;) {
      const head = await livingHead(asked, id)
      if (head === null) throw jobNotFound(name)
      const standings = await this.#look(head, checked, key, asked)
      const lanes = lanesOf(head, checked, standings)
      const results = (began: ReadonlySet<SlotStanding>) => resultOf(standings, began, { key, maxActive: lanes })
      if (checked.dryRun) return results(new Set())
      const firsts = firstsOf(standings, lanes)
      const { from, to, which, order } = checked
      const backfill = { slot: 0, from, to, which, order, lanes }
      const begun = latestRunOf(standings)
      const wanted = begun === null ? request : goingOn(begun.details, request, !withoutData)
      // The job may no longer have the tasks of an earlier call. This check is necessary only if a run begins.
      if (begun !== null && firsts.length > 0) planOfRequest(this.registry, job, wanted)
      // The relay copies the details, with their priority, to all further runs.
      const details = prioritized(wanted, { priority: priorityOf(head) })
      const create = (trace: TraceContext | null) =>
        this.#runs.create(asked, head, firsts, { details: { ...withTrace(details, trace), backfill } })
      const answers = await traced(this.engine.tracing, { operation: 'backfill', jobName: name, key }, create)
      // `exists`: another call has created the run meanwhile, and its lane continues from that run.
      if (answers.every(({ outcome }) => outcome === 'created' || outcome === 'exists')) return results(new Set(firsts))
    }
  }

  async #look(
    head: JobRecord,
    { from, to, which, order }: CheckedBackfill,
    key: string,
    asked: CallerContext,
  ): Promise<readonly SlotStanding[]> {
    const now = this.engine.now()
    const schedule = presentSchedule(head.timeline, now)
    if (schedule === undefined || isNoSchedule(schedule)) throw noSlots(head.name)
    const series = await presentSeries(this.registry, head, now)
    const slots = await slotsOf(series, { from, to, order }, this.engine.yieldBudget)
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

  /** Cancels the waiting runs of a backfill, and prevents that its running runs create further ones. */
  async stop(
    name: string,
    key: string,
    options: StopBackfillOptions,
    asked: CallerContext,
  ): Promise<StopBackfillResult> {
    const id = jobId(readJobName(name))
    readName(key, 'key', 'Give the key of the backfill: its answer has it.')
    readObject(options, 'options', ['reason', 'actor', ...callOptionNames])
    const { reason: why, actor } = readVoice(options)
    const reason = stoppedReasonOf(why)
    const head = await livingHead(asked, id)
    if (head === null) throw jobNotFound(name)
    let canceled = 0
    for (;;) {
      const live = await this.#liveOf(id, key, asked)
      const running = live.filter(({ state }) => state === 'running')
      const waiting = live.filter(({ state }) => state !== 'running')
      const gone = await this.#runs.cancel(asked, waiting, { actor, reason, head })
      canceled += gone
      let isChanged = gone > 0 || waiting.length > 0
      for (const record of running) isChanged = (await this.#close(record, { actor, reason }, asked)) || isChanged
      if (!isChanged) return { canceled, running: running.length }
    }
  }

  /** Creates a canceled run at the next slot of a running run's lane, which ends the lane. Returns whether anything changed. */
  async #close(
    { jobId, details }: OccurrenceRecord,
    voice: { readonly actor: string | null; readonly reason: string },
    asked: CallerContext,
  ): Promise<boolean> {
    const head = await livingHead(asked, jobId)
    if (head === null) return false
    const next = await this.#runs.nextInLane(asked, head, details)
    if (next === null || next.standing === 'stopped') return false
    // A running run is closed in its own turn. A waiting run is new, so the caller reads the live runs again.
    if (next.standing === 'live') return next.run?.state !== 'running'
    await this.#runs.create(asked, head, [next], { details, delayMs: longestTimerMs })
    const [closed] = await standingsOf(asked, head, [next.slot], askedOf(details))
    if (closed?.run != null) await this.#runs.cancel(asked, [closed.run], { ...voice, head })
    return true
  }

  /** Returns the live runs of a backfill. Reads live occurrences only, so the cost does not grow with the history. */
  async #liveOf(id: JobId, key: string, asked: StorageCalls): Promise<readonly OccurrenceRecord[]> {
    const found: OccurrenceRecord[] = []
    for (const state of liveStates) {
      const query = { kind: 'live', state, runs: false, limit: recordsPerCall } as const
      const records = eachItem((cursor) => asked.once((calls) => calls.listOccurrences({ ...query, cursor })))
      for await (const record of records) {
        const { backfill, requestKey } = record.details
        if (record.jobId === id && backfill !== undefined && requestKey === key) found.push(record)
      }
    }
    return found
  }
}

function askedOf({ requestKey, backfill }: OccurrenceDetails) {
  return { key: requestKey as string, which: backfill?.which ?? 'missed' }
}

/** Returns the number of lanes. A started backfill keeps its number, so that each slot stays in its lane. */
function lanesOf({ overlap }: JobRecord, { maxActive }: CheckedBackfill, standings: readonly SlotStanding[]): number {
  const begun = standings.find(({ run }) => run !== null)?.run?.details.backfill?.lanes
  return begun ?? (overlap.policy === 'allow' ? maxActive : 1)
}

/** Returns the run of this backfill that was created last, or `null` without a run. */
function latestRunOf(standings: readonly SlotStanding[]): OccurrenceRecord | null {
  let latest: OccurrenceRecord | null = null
  for (const { run } of standings) {
    if (run !== null && (latest === null || run.createdAt >= latest.createdAt)) latest = run
  }
  return latest
}

/** Returns the details for a call that resumes a backfill. Omitted options are those of the earlier runs. */
function goingOn(
  { data, isParsed, priority = 0, tasks, overrides }: OccurrenceDetails,
  request: OccurrenceDetails,
  saysData: boolean,
): OccurrenceDetails {
  const before = { priority, ...(tasks !== undefined && { tasks }), ...(overrides !== undefined && { overrides }) }
  if (saysData) return { ...before, ...request }
  const { isParsed: _, ...others } = request
  return {
    ...before,
    ...(data !== undefined && { data }),
    ...(isParsed !== undefined && { isParsed }),
    ...others,
  }
}

/** Returns the first open slot of each lane that has no live run. */
function firstsOf(standings: readonly SlotStanding[], lanes: number): readonly SlotStanding[] {
  const firsts = new Map<number, SlotStanding>()
  const going = new Set<number>()
  for (const [index, one] of standings.entries()) {
    const lane = index % lanes
    if (one.standing === 'live') going.add(lane)
    // The stop of a backfill has ended the lane after its running run.
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
  const next = open.slice(0, mostSlotsNamed).map((slot) => new Date(slot))
  return { key, slots: standings.length, ...counts, maxActive, next, last: dateOf(open.at(-1) ?? null) }
}

function placeOf({ standing, run }: SlotStanding): 'passed' | 'open' | 'live' | 'completed' | 'failed' | 'canceled' {
  if (standing === 'stopped') return 'open'
  if (standing !== 'ended' || run === null) return standing as 'passed' | 'open' | 'live'
  if (isFailure(run.state)) return 'failed'
  return run.state === 'completed' ? 'completed' : 'canceled'
}

function noSlots(name: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `Job ${printValue(name)} has no schedule, and so no slots that could be run.`,
    field: 'name',
    value: name,
    remedy: 'Trigger it, or give it a schedule first.',
  })
}

function otherBackfill(key: string): JobistemerError {
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `Another backfill of this job has the key ${printValue(key)}: its from, to, which or order differ.`,
    field: 'key',
    value: key,
    remedy: 'Give another key, or ask for the same backfill.',
  })
}
