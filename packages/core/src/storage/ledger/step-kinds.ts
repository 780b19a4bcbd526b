import type { JobId, OccurrenceId } from '../../ids.ts'
import type { OccurrenceAddress, Owner } from '../occurrence-record.ts'
import { addsPlaces, changesStartRate, isPausedAt, wakesAllQueued } from '../rules.ts'
import { canceledInPassing, wokenAtOnce } from '../tuning.ts'
import type {
  CancelAnswer,
  CancelItem,
  CancelOccurrencesRequest,
  CreateAnswer,
  CreateItem,
  JobChange,
  ReapAnswer,
  ReapItem,
  ReapRequest,
  SaveJobAnswer,
  SaveJobsRequest,
  SettleAnswer,
  SettleItem,
} from '../storage.ts'
import { cancelStep, reapStep, settleStep } from './end-steps.ts'
import { createStep } from './create-step.ts'
import type { LedgerStep, LiveNeeds, NamedOccurrence, StepHeads, StoredJob } from './ledger.ts'
import type { JobLedger } from './job-ledger.ts'
import type { MaybePromise } from './maybe-promise.ts'
import { saveStep } from './save-step.ts'
import { addressOf, type StepContext } from './step-context.ts'

/** How a step executes an item, and what an asynchronous ledger must read for the items. */
export interface StepKind<Item, Answer> {
  /** Set if the step needs complete heads. */
  readonly wholeJobs?: true
  /** See {@link LedgerStep}. Default false. */
  readonly isOptional?: true
  jobOf(item: Item): JobId
  /** Returns the occurrences that the item names. Default: none. */
  occurrencesOf?(item: Item): readonly NamedOccurrence[]
  /** Returns the reusable keys of the item. Default: none. */
  keysOf?(item: Item): LedgerStep['keys']
  /**
   * Returns which live occurrences a step must read for its items of one job. `stored` has the job's head, and `found` has the
   * named occurrences.
   */
  needs(items: readonly Item[], stored: StoredJob, found: StepHeads['occurrences']): LiveNeeds
  /** Executes an item. */
  step(context: StepContext, job: JobLedger | undefined, item: Item): Answer
  /** Corrects an answer after the step. `outlived` has the occurrences that the step should have ended and that continue. */
  amend?(answer: Answer, outlived: ReadonlySet<OccurrenceId>): Answer
}

const all = Number.POSITIVE_INFINITY
export const needsNothing: LiveNeeds = { pending: 0, queued: 0, running: 0, counts: false, superseded: null }

/**
 * Returns what a step must read if each of its items ends at most one occurrence of a job. If `maxConcurrency` is above 1, an
 * end wakes up to `wokenAtOnce` queued occurrences, otherwise one. So the step must read that number of queued occurrences for
 * each item.
 */
function needsNext(items: readonly unknown[], stored: StoredJob): LiveNeeds {
  const { head, counts } = stored
  if (counts.queued === 0) return needsNothing
  if (head.cancelsBelow !== null) return needsInPassing(items, head)
  return { ...needsNothing, queued: items.length * wokenByEach(head), counts: !arePlacesFor(stored, 0) }
}

/**
 * Returns whether all active occurrences and `more` further ones certainly fit into `maxConcurrency`. The counts may be too
 * high, see `StoredJob`. False under a start rate, which also limits starts.
 */
export function arePlacesFor({ head: { overlap }, counts }: StoredJob, more: number): boolean {
  const { startRate, maxConcurrency = 1 } = overlap
  return startRate === undefined && counts.pending + counts.running + more <= maxConcurrency
}

export function wokenByEach({ overlap: { maxConcurrency = 1 } }: Pick<StoredJob['head'], 'overlap'>): number {
  return Math.min(maxConcurrency, wokenAtOnce)
}

/**
 * Returns what a step must read for a job with superseded slots: the queued occurrences to wake, and the superseded slots to
 * cancel. Each item of the step cancels up to `canceledInPassing` of these slots.
 */
export function needsInPassing({ length }: readonly unknown[], head: StoredJob['head']): LiveNeeds {
  const superseded = needsSuperseded(head.cancelsBelow as number, length * canceledInPassing)
  return { ...needsNothing, queued: length * wokenByEach(head), counts: true, superseded }
}

/** Returns how many superseded slots a step must read: one more than it cancels, to find out whether some slots remain. */
export function needsSuperseded(cancelsBelow: number, canceled: number): LiveNeeds['superseded'] {
  return { cancelsBelow, count: canceled + 1 }
}

export function creates(owner: Owner): StepKind<CreateItem, CreateAnswer> {
  return {
    jobOf: ({ jobId }) => jobId,
    occurrencesOf: namedByCreate,
    keysOf: ({ jobId, ...item }) => ('key' in item && item.key !== undefined ? [{ jobId, keyId: item.key.id }] : []),
    needs(items, stored, found) {
      const { head } = stored
      const { policy } = head.overlap
      if (policy === 'allow') return needsNothing
      const passing = head.cancelsBelow === null ? needsNothing : needsInPassing(items, head)
      const mayCreate = items.filter(({ kind, id, scheduledAt }) => {
        if (kind === 'exclusion' || (kind === 'slot' && isPausedAt(head, scheduledAt))) return false
        return kind === 'recovery' || !found.has(id)
      })
      if (mayCreate.length === 0 || (head.cancelsBelow === null && isForeseen(mayCreate, stored))) return passing
      const displaces = policy === 'queue_one' || policy === 'cancel_running'
      if (!displaces || mayCreate.every(({ kind }) => kind === 'recovery')) return { ...passing, counts: true }
      return { ...passing, pending: all, queued: all, running: policy === 'cancel_running' ? all : 0, counts: true }
    },
    step: (context, job, item) => createStep(context, job, item, owner),
  }
}

/** Returns whether the answers to these items are certain, although the job's numbers of active occurrences are only estimates. */
function isForeseen(items: readonly CreateItem[], stored: StoredJob): boolean {
  const { head, counts } = stored
  const { policy, startRate } = head.overlap
  if (counts.queued === 0) {
    const created = items.reduce((sum, item) => sum + (item.kind === 'recovery' ? item.entries.length : 1), 0)
    return arePlacesFor(stored, created)
  }
  // At this line the job has queued occurrences. Under `queue` and `skip`, the answers then depend only on whether any
  // occurrence is active.
  //
  // The estimate may be above 0 although no occurrence is active. The step then queues, skips or refuses an item that it could
  // start. Such a wrong answer is rare, because a job with queued occurrences usually has an active one.
  const isBehind = (policy === 'queue' || policy === 'skip') && items.every(({ kind }) => kind !== 'recovery')
  return isBehind && startRate === undefined && counts.pending + counts.running > 0
}

function namedByCreate(item: CreateItem): readonly NamedOccurrence[] {
  const { id, jobId, scheduledAt } = item
  const named = { id, jobId, scheduledAt, isSlot: item.kind !== 'trigger' && item.kind !== 'replay' }
  if (item.kind !== 'recovery') {
    const others = 'dueAt' in item ? [item.skippedId, item.key?.id] : []
    return [named, ...others.flatMap((other) => (other === undefined ? [] : [{ ...named, id: other }]))]
  }
  return [named, ...item.entries.map((entry) => ({ ...named, id: entry.id, scheduledAt: entry.scheduledAt }))]
}

const byAddress = {
  jobOf: ({ jobId }: OccurrenceAddress) => jobId,
  occurrencesOf: (item: OccurrenceAddress) => [{ ...addressOf(item), isSlot: false }],
  needs: needsNext,
}

export const settles: StepKind<SettleItem, SettleAnswer> = { ...byAddress, step: settleStep }
const cancels: StepKind<CancelItem, CancelAnswer> = { ...byAddress, step: cancelStep }
const reaps: StepKind<ReapItem, ReapAnswer> = { ...byAddress, step: reapStep }

/** The writing methods of a `Storage` that no ledger has a fast path for. */
export abstract class LedgerWrites<Writer> {
  protected readonly ledger: Writer

  constructor(ledger: Writer) {
    this.ledger = ledger
  }

  /** Executes the items of a call, and returns the answers in the order of the items. */
  protected abstract each<Item, Answer>(
    now: number,
    items: readonly Item[],
    kind: StepKind<Item, Answer>,
  ): MaybePromise<readonly Answer[]>

  saveJobs({ now, changes, cancelLimit = all }: SaveJobsRequest): MaybePromise<readonly SaveJobAnswer[]> {
    return this.each(now, changes, saves(cancelLimit))
  }

  cancel({ now, items }: CancelOccurrencesRequest): MaybePromise<readonly CancelAnswer[]> {
    return this.each(now, items, cancels)
  }

  reap({ now, items }: ReapRequest): MaybePromise<readonly ReapAnswer[]> {
    return this.each(now, items, reaps)
  }
}

function saves(cancelLimit: number): StepKind<JobChange, SaveJobAnswer> {
  return {
    wholeJobs: true,
    jobOf: ({ id }) => id,
    needs(changes, stored) {
      const needs = needsOfChanges(changes, stored, cancelLimit)
      if (!changes.some((change) => change.kind === 'replace' && changesStartRate(stored.head, change.content))) {
        return needs
      }
      return { ...needs, pending: all, queued: needs.queued + changes.length, counts: true }
    },
    step: (context, job, change) => saveStep(context, job, change, cancelLimit),
    amend(answer, outlived) {
      if (answer.outcome !== 'saved') return answer
      return { ...answer, canceled: answer.canceled.filter(({ id }) => !outlived.has(id)) }
    },
  }
}

function needsOfChanges(changes: readonly JobChange[], { head }: StoredJob, cancelLimit: number): LiveNeeds {
  const [only] = changes
  if (changes.length === 1 && only?.kind === 'replace' && only.waiting === 'cancel') {
    const superseded = needsSuperseded(only.expectedVersion + 1, cancelLimit)
    return { ...needsNothing, queued: wokenByEach(only.content), counts: true, superseded }
  }
  if (changes.some((change) => change.kind === 'replace' && change.waiting === 'cancel')) {
    return { ...needsNothing, pending: all, queued: all, counts: true }
  }
  const wakes = changes.some((change) => change.kind === 'replace' && wakesAllQueued(change.content))
  // A `delete` cancels waiting occurrences of the job. A `create` over a deleted job first cancels its remaining ones.
  const cancelsLeft = changes.some(({ kind }) => kind === 'delete' || (kind === 'create' && head.deletedAt !== null))
  const adds = changes.filter((change) => change.kind === 'replace' && addsPlaces(head, change.content)).length
  if (!cancelsLeft && !wakes && adds > 0) return { ...needsNothing, queued: adds * wokenAtOnce, counts: true }
  if (!cancelsLeft) return wakes ? { ...needsNothing, queued: all } : needsNothing
  // Each change cancels up to `cancelLimit` occurrences.
  const most = cancelLimit * changes.length
  return { ...needsNothing, pending: most, queued: wakes ? all : most, counts: true }
}
