import { type JobId, jobId as jobIdOf } from '@jobistemer/core'
import type {
  CreateItem,
  JobQuery,
  JobRecord,
  OccurrenceAddress,
  OccurrenceDetails,
  OccurrenceRecord,
  OccurrenceQuery,
  Owner,
  SettleChange,
  SettleItem,
  Storage,
} from '@jobistemer/core/storage'
import { placesOf, shardOf } from '@jobistemer/core/storage'
import {
  exclusionItem,
  missedEntry,
  recoveryItem,
  requestId,
  requestItem,
  runEntry,
  slotItem,
} from '../stage/create-items.ts'
import { nodeRecord } from '../stage/heartbeats.ts'
import { minute, second, slotAt, start } from '../stage/instants.ts'
import { jobContent } from '../stage/job-content.ts'
import { firstAttempt, succeeded } from '../stage/task-runs.ts'
import { type Move, modelSize, type SettleMove } from './moves.ts'

type Method = 'saveJobs' | 'createOccurrences' | 'claim' | 'settle' | 'cancel' | 'reap' | 'prune' | 'heartbeat'

/** A call that is made to both the storage and the model. */
export type ModelCall =
  | { readonly [M in Method]: { readonly method: M; readonly request: Parameters<Storage[M]>[0] } }[Method]
  | { readonly method: 'listJobs'; readonly request: JobQuery }
  | { readonly method: 'listOccurrences'; readonly request: OccurrenceQuery }

/** The stored state from which {@link resolveMove} chooses the arguments of a call. */
export interface ModelState {
  readonly now: number
  readonly jobs: ReadonlyMap<JobId, JobRecord>
  /** All stored occurrences, in an order that does not depend on the tested storage. */
  readonly occurrences: readonly OccurrenceRecord[]
  /**
   * `true` if the storage can take the next queued occurrence of a job in the step that ends the occurrence before it.
   */
  readonly takesNext: boolean
}

/** The ids of the model's jobs. Some of the jobs may not exist. */
export const modelJobIds: readonly JobId[] = Array.from({ length: modelSize.jobs }, (_, index) => jobIdAt(index))

function jobName(index: number): string {
  return `job-${index}`
}

function jobIdAt(index: number): JobId {
  return jobIdOf(jobName(index))
}

/**
 * Converts a generated move to a storage call. Returns `null` for the kinds `advance` and `repeat`, and if the move needs a
 * record that does not exist.
 */
export function resolveMove(move: Move, state: ModelState): ModelCall | null {
  const { now } = state
  switch (move.kind) {
    case 'advance':
    case 'repeat':
      return null
    case 'createJob':
    case 'replaceJob':
    case 'pauseJob':
    case 'deleteJob': {
      const limit = 'cancelLimit' in move && move.cancelLimit !== null ? { cancelLimit: move.cancelLimit } : {}
      return { method: 'saveJobs', request: { now, changes: [jobChange(move, state)], ...limit } }
    }
    case 'slots':
    case 'allSlots':
    case 'request':
    case 'exclusion':
    case 'recovery': {
      const items = createItems(move, state)
      const waits = 'inTime' in move && move.inTime
      const due = waits ? Math.max(now, ...items.map(({ scheduledAt }) => scheduledAt)) : now
      return { method: 'createOccurrences', request: { now: due, owner: ownerAt(0), items } }
    }
    case 'claim':
      return {
        method: 'claim',
        request: {
          now,
          owner: ownerAt(move.node),
          // If a job has no free place, or its start rate is reached, a claim moves pending occurrences to `queued`. If the
          // claim reaches its limit, the number of moved occurrences depends on the adapter. The model and the storage would
          // then differ, so this claim gets a limit that it does not reach.
          limit: hasBlockedPending(state) ? 1_000 : move.limit,
          exceptHandlerKeys: move.except === null ? [] : [jobName(move.except)],
          sweep: move.sweep,
        },
      }
    case 'settle': {
      const items = move.items.map((item) => settleItem(item, state)).filter((item) => item !== null)
      return items.length === 0 ? null : { method: 'settle', request: { now, items } }
    }
    case 'cancel': {
      const picked = move.picks.map((pick) => pickOccurrence(state, pick)).filter((record) => record !== null)
      if (picked.length === 0) return null
      const items = picked.map((record) => ({
        ...addressOf(record),
        reason: 'not needed',
        actor: 'kim',
        mode: move.mode,
      }))
      return { method: 'cancel', request: { now, items } }
    }
    case 'reap': {
      const record = pickOccurrence(state, move.pick, 'running')
      if (record === null) return null
      const token = Math.max(0, record.token + move.tokenOffset)
      const sequence = Math.max(0, record.sequence + move.sequenceOffset)
      const item = { ...addressOf(record), token, sequence, runs: [], action: move.action, reason: 'deadline' }
      return { method: 'reap', request: { now, items: [item] } }
    }
    case 'prune': {
      const jobId = move.job === null ? null : jobIdAt(move.job)
      return {
        method: 'prune',
        request: { now, jobId, before: now - move.ageSeconds * second, keep: move.keep, limit: 10_000 },
      }
    }
    case 'heartbeat': {
      const profile = move.profile === null ? {} : { profile: { can: move.profile } }
      const own = move.life === null ? null : nodeRecord(lifeAt(move.life), move.counter, { leaving: move.leaving })
      const remove = move.removes.map(({ life, counter }) => ({ incarnation: lifeAt(life), counter }))
      const profilesOf = Array.from({ length: modelSize.lives }, (_, index) => lifeAt(index))
      return { method: 'heartbeat', request: { now, own, ...profile, remove, profilesOf } }
    }
    case 'due': {
      const after = move.after === null ? {} : { after: slotAt(move.after) }
      const shards = move.shardOf === null ? {} : { shards: [shardOf(jobIdAt(move.shardOf))] }
      const due = { ...after, upTo: slotAt(move.upTo), ...shards }
      return { method: 'listJobs', request: { due, limit: move.limit, cursor: null } }
    }
    case 'failures':
      return {
        method: 'listOccurrences',
        request: {
          kind: 'failed',
          order: move.descending ? 'descending' : 'ascending',
          runs: true,
          limit: move.limit,
          cursor: null,
          ...(move.job !== null && { jobId: jobIdAt(move.job) }),
          ...(move.from !== null && { from: slotAt(move.from) }),
          ...(move.to !== null && { to: slotAt(move.to) }),
        },
      }
    case 'list':
      return {
        method: 'listOccurrences',
        request: {
          kind: 'job',
          jobId: jobIdAt(move.job),
          order: move.descending ? 'descending' : 'ascending',
          runs: true,
          limit: move.limit,
          cursor: null,
          ...(move.from === null ? {} : { from: slotAt(move.from) }),
          ...(move.to === null ? {} : { to: slotAt(move.to) }),
          ...(move.states === null ? {} : { states: move.states }),
        },
      }
  }
}

type JobMove = Extract<Move, { readonly kind: 'createJob' | 'replaceJob' | 'pauseJob' | 'deleteJob' }>

function jobChange(move: JobMove, state: ModelState) {
  const id = jobIdAt(move.job)
  const head = state.jobs.get(id)
  switch (move.kind) {
    case 'createJob': {
      const { policy, maxQueued, maxConcurrency, startRate } = move
      const nextAt = nextSlotAfter(Math.max(state.now, head?.watermark ?? state.now))
      return {
        kind: 'create',
        id,
        content: jobContent({ name: jobName(move.job), policy, maxQueued, maxConcurrency, startRate, nextAt }),
      } as const
    }
    case 'replaceJob': {
      const { policy, maxQueued, maxConcurrency, startRate, waiting } = move
      const setBackTo =
        move.setBackBy === null ? undefined : (head?.watermark ?? start) - move.setBackBy * (slotAt(1) - slotAt(0))
      const nextAt = setBackTo === undefined ? (head?.nextAt ?? null) : nextSlotAfter(setBackTo)
      const fingerprint = `print-${move.print}`
      return {
        kind: 'replace',
        id,
        content: jobContent({
          name: jobName(move.job),
          policy,
          maxQueued,
          maxConcurrency,
          startRate,
          nextAt,
          fingerprint,
        }),
        expectedVersion: (head?.version ?? 1) + move.versionOffset,
        expectedWatermark: (head?.watermark ?? start) + move.watermarkOffset,
        waiting,
        ...(setBackTo !== undefined && { setBackTo }),
      } as const
    }
    case 'pauseJob': {
      if (!move.paused) return { kind: 'pause', id, paused: null } as const
      const end = move.slots === null ? {} : { until: state.now + move.slots * minute }
      return { kind: 'pause', id, paused: { at: state.now, ...end, reason: 'maintenance', actor: null } } as const
    }
    case 'deleteJob': {
      const expectedVersion = move.versionOffset === null ? null : (head?.version ?? 1) + move.versionOffset
      return { kind: 'delete', id, expectedVersion } as const
    }
  }
}

type CreateMove = Extract<Move, { readonly kind: 'slots' | 'allSlots' | 'request' | 'exclusion' | 'recovery' }>

function createItems(move: CreateMove, state: ModelState): readonly CreateItem[] {
  if (move.kind === 'allSlots') {
    const items = modelJobIds.flatMap((_, index) => {
      const job = handleAt(state, index)
      return [slotItem(job, nextIndex(job), { run: move.run })]
    })
    return move.reversed ? items.toReversed() : items
  }
  const job = handleAt(state, move.job)
  const next = nextIndex(job)
  switch (move.kind) {
    case 'slots': {
      const options = { version: job.version + move.versionOffset, run: move.run, ...prioritized(move) }
      return Array.from({ length: move.count }, (_, index) => slotItem(job, next + move.offset + index, options))
    }
    case 'request': {
      const at = move.atSlot ? slotAt(next - 1) : state.now - (state.now % second)
      const dueAt = state.now + move.delaySeconds * second
      const key = `key-${move.key}`
      const { details = { requestKey: key } } = prioritized(move)
      const version = job.version + move.versionOffset
      const options = { kind: move.request, run: move.run, dueAt, version, details }
      if (move.scope !== 'forever') {
        // Two requests with equal key, scope and time have the same id, so the later request repeats the earlier one.
        const reusable = { id: requestId(job, key, slotAt(0)), scope: move.scope }
        return [requestItem(job, `${key}, ${move.scope}, ${state.now}`, at, { ...options, key: reusable })]
      }
      // Requests with key 0 get no `skippedId`. If the storage skips such a request, the skipped record gets the id of the
      // request itself. A later request with the same id then creates no run.
      const skippedId = move.key === 0 ? undefined : requestId(job, `${key}, skipped`, at)
      return [requestItem(job, key, at, { ...options, ...(skippedId !== undefined && { skippedId }) })]
    }
    case 'exclusion':
      return [exclusionItem(job, next + move.ahead, { version: job.version + move.versionOffset })]
    case 'recovery': {
      const last = next + move.count - 1
      const firstRun = Math.max(next, last - move.runs + 1)
      const missed = firstRun > next ? [missedEntry(job, next, firstRun - 1)] : []
      const runs = Array.from({ length: last - firstRun + 1 }, (_, index) =>
        runEntry(job, firstRun + index, prioritized(move).details),
      )
      const expectedWatermark = job.watermark + move.watermarkOffset
      return [recoveryItem(job, last, { expectedWatermark, entries: [...missed, ...runs] })]
    }
  }
}

function prioritized({ priority }: { readonly priority: number | undefined }): {
  readonly details?: OccurrenceDetails
} {
  return priority === undefined ? {} : { details: { priority } }
}

/** Returns the head of a job. For a missing job, returns the head that a node might still have cached. */
function handleAt(
  state: ModelState,
  index: number,
): Pick<JobRecord, 'id' | 'name' | 'version' | 'watermark' | 'nextAt'> {
  const id = jobIdAt(index)
  return state.jobs.get(id) ?? { id, name: jobName(index), version: 1, watermark: start, nextAt: slotAt(1) }
}

function nextIndex({ nextAt, watermark }: Pick<JobRecord, 'nextAt' | 'watermark'>): number {
  return Math.round(((nextAt ?? nextSlotAfter(watermark)) - start) / minute)
}

function nextSlotAfter(at: number): number {
  return start + (Math.floor((at - start) / minute) + 1) * minute
}

function lifeAt(index: number): string {
  return `life-${index}`
}

function ownerAt(index: number): Owner {
  return { node: `node-${index}`, incarnation: `node-${index}-1` }
}

/**
 * Chooses an occurrence in the given state. In about one of five choices, or if no occurrence has this state, chooses from all
 * occurrences.
 */
function pickOccurrence(
  { occurrences }: ModelState,
  pick: number,
  state?: OccurrenceRecord['state'],
): OccurrenceRecord | null {
  const inState = occurrences.filter((record) => record.state === state)
  const candidates = inState.length > 0 && pick % 5 !== 4 ? inState : occurrences
  return candidates[pick % candidates.length] ?? null
}

function settleItem(move: SettleMove, state: ModelState): SettleItem | null {
  const record = pickOccurrence(state, move.pick, 'running')
  if (record === null) return null
  const { now } = state
  const isOver = move.change !== 'progress'
  return {
    ...addressOf(record),
    token: Math.max(0, record.token + move.tokenOffset),
    sequence: Math.max(1, record.sequence + move.sequenceOffset),
    runs: isOver ? succeeded(record.startedAt ?? now, now) : firstAttempt(now),
    change: settleChange(move.change, now),
    ...(state.takesNext && move.taker !== null && { takeNext: ownerAt(move.taker) }),
  }
}

function settleChange(change: SettleMove['change'], now: number): SettleChange {
  if (change === 'progress') return { kind: 'progress' }
  if (change === 'release') return { kind: 'release', dueAt: now + 5 * second, reason: 'shutdown' }
  return { kind: 'finish', state: change, reason: null }
}

function addressOf({ id, jobId, scheduledAt }: OccurrenceRecord): OccurrenceAddress {
  return { id, jobId, scheduledAt }
}

/** Returns whether a claim may find pending occurrences that must not start, because of a start rate or a lack of places. */
function hasBlockedPending({ jobs, occurrences }: ModelState): boolean {
  return [...jobs.values()].some((job) => {
    const active = occurrences.filter(
      ({ jobId, state }) => jobId === job.id && (state === 'pending' || state === 'running'),
    )
    return active.length > placesOf(job.overlap) || (active.length > 0 && job.overlap.startRate !== undefined)
  })
}
