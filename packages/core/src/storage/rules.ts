import { maxLineage, priorityStepMs } from './tuning.ts'
import type { JobId, OccurrenceId } from '../ids.ts'
import type { JobRecord, OverlapPolicy, OverlapRule, PauseRecord, StartRate } from './job-record.ts'
import type { NodeRecord } from './node-record.ts'
import { isFinal, type OccurrenceRecord, type OccurrenceState } from './occurrence-record.ts'
import type {
  CreateAnswer,
  CreateItem,
  CreateRequested,
  CreateSlot,
  HeartbeatRequest,
  JobChange,
  JobContent,
  RecoveryEntry,
  ReusableKey,
  SettleItem,
} from './storage.ts'

// The decisions of the storage protocol as pure functions. They neither read nor write: an adapter reads what a decision needs,
// calls the function, and stores the outcome, all inside one atomic step. Adapters that decide elsewhere (in SQL, in a
// server-side script) must decide equally; the conformance kit compares the outcomes.

// --------------------------------------------------------------------------------------------------------------- jobs

/**
 * Returns the head of a new job. If the job has a tombstone, the new head gets the next version, and its watermark is not
 * before the tombstone's watermark.
 */
export function createdJob(id: JobId, content: JobContent, tombstone: JobRecord | null, now: number): JobRecord {
  // A literal with all members needs much less memory than an object that a spread fills.
  const job: JobRecord = {
    id,
    ...pickContent(content),
    version: tombstone === null ? 1 : tombstone.version + 1,
    lineage: tombstone === null ? [] : nextLineage(tombstone),
    watermark: tombstone === null ? now : Math.max(decidedUpTo(tombstone), now),
    pruneFloor: tombstone === null ? null : tombstone.pruneFloor,
    paused: null,
    cancelsBelow: null,
    createdAt: now,
    changedAt: now,
    deletedAt: null,
  }
  return content.overlap.startRate === undefined ? job : withStarts(job, tombstone?.starts)
}

/**
 * Returns the instant up to which the nodes have decided whether the slots of a job run: the later one of watermark and prune
 * floor.
 */
export function decidedUpTo({ watermark, pruneFloor }: Pick<JobRecord, 'watermark' | 'pruneFloor'>): number {
  return pruneFloor === null ? watermark : Math.max(watermark, pruneFloor)
}

/**
 * Returns whether the first slot of a `create` was already decided before the job was deleted. The answer to the `create` is
 * then `conflict`. Possible causes:
 * - The sender of the `create` read the head before another node stored and deleted the job.
 * - The clock of the sender is behind the clock of the node that stored and deleted the job.
 */
export function isBelatedCreate(content: Pick<JobContent, 'nextAt'>, tombstone: JobRecord | null): boolean {
  return tombstone !== null && content.nextAt !== null && content.nextAt <= decidedUpTo(tombstone)
}

/** The change of a job that stores a new version. */
export type ReplaceChange = Extract<JobChange, { readonly kind: 'replace' }>

/**
 * Returns the head after a `replace`. The new head keeps the pause, the prune floor, and the slots that an earlier `replace`
 * has still to cancel. The new head also keeps the watermark, unless `setBackTo` sets the watermark back.
 */
export function replacedJob(
  head: JobRecord,
  { content, waiting, setBackTo }: Pick<ReplaceChange, 'content' | 'waiting' | 'setBackTo'>,
  now: number,
): JobRecord {
  const version = head.version + 1
  const replaced: JobRecord = {
    ...head,
    ...pickContent(content),
    watermark: setBackTo ?? head.watermark,
    cancelsBelow: waiting === 'cancel' ? version : head.cancelsBelow,
    version,
    lineage: nextLineage(head),
    changedAt: now,
  }
  return head.starts === undefined ? replaced : withStarts(replaced, head.starts)
}

/**
 * Returns whether a `replace` may take effect. Its next instant must be after the prune floor: a `prune` may have raised the
 * floor since the sender read the head. `setBackTo` must be before the watermark and before the next instant.
 */
export function mayReplace(
  head: Pick<JobRecord, 'watermark' | 'pruneFloor'>,
  { content, setBackTo }: { readonly content: Pick<JobContent, 'nextAt'>; readonly setBackTo?: number },
): boolean {
  const { pruneFloor } = head
  if (setBackTo === undefined) return content.nextAt === null || pruneFloor === null || content.nextAt > pruneFloor
  const decided = decidedUpTo({ watermark: setBackTo, pruneFloor })
  return setBackTo < head.watermark && (content.nextAt === null || content.nextAt > decided)
}

/** Returns the head after a `delete`: a tombstone, which has no next slot. */
export function deletedJob(head: JobRecord, now: number): JobRecord {
  return { ...head, nextAt: null, cancelsBelow: null, changedAt: now, deletedAt: now }
}

/** Returns whether the stored head is already the result of this `replace`, because an earlier answer was lost. */
export function isRepeatedReplace(
  head: Pick<JobRecord, 'version' | 'fingerprint'>,
  change: { readonly content: Pick<JobContent, 'fingerprint'>; readonly expectedVersion: number },
): boolean {
  return head.version === change.expectedVersion + 1 && head.fingerprint === change.content.fingerprint
}

/**
 * Returns whether this `replace` has taken effect before, and some of its superseded slots still wait. If so, the storage
 * cancels further slots for the repeated `replace`, even if a later version is in force.
 */
export function goesOnCanceling(
  head: Pick<JobRecord, 'version' | 'fingerprint' | 'lineage' | 'cancelsBelow'>,
  change: Pick<ReplaceChange, 'waiting' | 'expectedVersion'> & { readonly content: Pick<JobContent, 'fingerprint'> },
): boolean {
  const version = change.expectedVersion + 1
  if (change.waiting !== 'cancel' || head.cancelsBelow !== version) return false
  const fingerprint = head.version === version ? head.fingerprint : head.lineage[head.version - version - 1]
  return fingerprint === change.content.fingerprint
}

/**
 * Returns whether a waiting occurrence is superseded: a `replace` has still to cancel it, and no step wakes or starts it. An
 * occurrence that a node has started once is never superseded, even if its owner handed it back.
 */
export function isSuperseded(
  { cancelsBelow }: Pick<JobRecord, 'cancelsBelow'>,
  { kind, jobVersion, token }: Pick<OccurrenceRecord, 'kind' | 'jobVersion' | 'token'>,
): boolean {
  return cancelsBelow !== null && kind === 'slot' && jobVersion < cancelsBelow && token === 0
}

/**
 * Returns whether a `replace` with this content makes every queued occurrence of the job pending. This is true under `allow`,
 * because no end of an occurrence would wake these occurrences later.
 */
export function wakesAllQueued(content: Pick<JobContent, 'overlap'>): boolean {
  return content.overlap.policy === 'allow'
}

/** Returns the lineage of the version that follows the version of this head. */
export function nextLineage(head: Pick<JobRecord, 'fingerprint' | 'lineage'>): readonly string[] {
  return [head.fingerprint, ...head.lineage].slice(0, maxLineage)
}

function pickContent(content: JobContent): JobContent {
  const { name, owner, fingerprint, definition, handlerKey, overlap, timeline, nextAt } = content
  return { name, owner, fingerprint, definition, handlerKey, overlap, timeline, nextAt }
}

// -------------------------------------------------------------------------------------------------------------- create

/** The members of a job's head that the rules compare with an item of `createOccurrences`. */
export type HeadState = Pick<JobRecord, 'version' | 'watermark' | 'nextAt' | 'pruneFloor' | 'deletedAt'>

/** The answers of `createOccurrences` that reject an item. */
export type CreateRefusal = Exclude<CreateAnswer, { readonly outcome: 'created' | 'exists' }>

/**
 * Decides whether an item of `createOccurrences` is rejected, by the checks of the protocol in their order.
 *
 * @param head the job's head, tombstones included; `null` for a job without a head.
 * @param recordExists whether a record with the item's id is stored.
 */
export function judgeCreate(
  item: CreateItem,
  head: HeadState | null,
  recordExists: boolean,
): 'exists' | 'create' | CreateRefusal {
  // For a recovery, a record of its last slot is no proof: the slot may have been canceled ahead. The recovery has taken effect
  // only if the watermark has moved.
  const isUndecided = item.kind === 'recovery' && head?.watermark === item.expectedWatermark
  if (recordExists && !isUndecided) return 'exists'
  if (head === null || head.deletedAt !== null) return { outcome: 'absent' }
  if (head.pruneFloor !== null && item.scheduledAt <= head.pruneFloor) {
    return { outcome: 'pruned', pruneFloor: head.pruneFloor }
  }
  if (item.jobVersion !== head.version) return { outcome: 'stale_version', version: head.version }
  if (!isOnSchedule(item, head)) return { outcome: 'off_schedule', watermark: head.watermark, nextAt: head.nextAt }
  return 'create'
}

function isOnSchedule(item: CreateItem, head: HeadState): boolean {
  switch (item.kind) {
    case 'slot':
      return head.nextAt === item.scheduledAt
    case 'exclusion':
      return item.scheduledAt > head.watermark
    case 'recovery':
      return head.watermark === item.expectedWatermark
    default:
      return true
  }
}

/**
 * For a slot item whose slot already has a record: returns whether the item still advances the job's next instant. The record
 * exists because the slot was canceled ahead, or because an earlier creation did not finish. An item of an older version does
 * not advance the job, because its next instant may be wrong.
 */
export function passesSlot(item: CreateItem, head: HeadState): item is CreateSlot {
  return (
    item.kind === 'slot' &&
    head.nextAt === item.scheduledAt &&
    head.version === item.jobVersion &&
    head.deletedAt === null
  )
}

/**
 * Returns whether an occurrence blocks its key for another request. Under the scope `waiting`, an occurrence that a node has
 * started once blocks no key.
 */
export function blocksKey(
  { state, token }: Pick<OccurrenceRecord, 'state' | 'token'>,
  { scope }: Pick<ReusableKey, 'scope'>,
): boolean {
  return !isFinal(state) && (scope === 'live' || token === 0)
}

/**
 * Returns the id of the reusable key that names a new record; `undefined` without such a key. A skipped request does not take
 * its key.
 */
export function namingKey({ state, details }: Pick<OccurrenceRecord, 'state' | 'details'>): OccurrenceId | undefined {
  return state === 'skipped' ? undefined : details.keyId
}

// -------------------------------------------------------------------------------------------------------------- pauses

/** The members of a pause that the rules read. */
export type PauseEnd = Pick<PauseRecord, 'until'>

/**
 * Returns the end of a pause in epoch milliseconds: positive infinity for a pause without `until`, negative infinity without a
 * pause.
 */
export function pausedUntil(paused: PauseEnd | null): number {
  if (paused === null) return Number.NEGATIVE_INFINITY
  return paused.until ?? Number.POSITIVE_INFINITY
}

/**
 * Returns whether a job is paused at an instant. For a start, the instant is the `now` of the call; for a slot, the instant
 * is its `scheduledAt`. So the outcome of a slot depends neither on a clock nor on the delay of its creation.
 */
export function isPausedAt({ paused }: { readonly paused: PauseEnd | null }, at: number): boolean {
  return at < pausedUntil(paused)
}

/**
 * Returns the first instant at which a claim may take a pending occurrence: the occurrence is due, and its job is not paused.
 */
export function claimableFrom({ paused }: { readonly paused: PauseEnd | null }, dueAt: number): number {
  return Math.max(dueAt, pausedUntil(paused))
}

/**
 * Returns whether a new pause or a resume has an effect. A new pause has an effect if it ends later than the stored pause. A
 * resume has an effect if the job is paused at `now`.
 */
export function changesPause({ paused }: Pick<JobRecord, 'paused'>, next: PauseEnd | null, now: number): boolean {
  return next === null ? isPausedAt({ paused }, now) : pausedUntil(next) > pausedUntil(paused)
}

// --------------------------------------------------------------------------------------------------------------- order

/** The members that determine the order of a waiting occurrence. These members never change. */
export type Ordered = Pick<OccurrenceRecord, 'scheduledAt' | 'details'>

/**
 * Returns the sort key of a waiting occurrence: the scheduled time minus 1 h for each level of priority. The least key runs
 * first.
 */
export function orderAt({ scheduledAt, details: { priority } }: Ordered): number {
  return priority === undefined ? scheduledAt : scheduledAt - priority * priorityStepMs
}

/** Returns whether a slot with this priority has a higher priority than the waiting occurrence `than`, and also precedes it. */
export function isMoreUrgent(scheduledAt: number, { priority }: { readonly priority: number }, than: Ordered): boolean {
  return priority > (than.details.priority ?? 0) && orderAt({ scheduledAt, details: { priority } }) < orderAt(than)
}

/** Compares two waiting occurrences by `orderAt`, ties by id, for `sort`. */
export function compareOrder(left: Ordered & { readonly id: string }, right: typeof left): number {
  return orderAt(left) - orderAt(right) || (left.id < right.id ? -1 : left.id > right.id ? 1 : 0)
}

// ------------------------------------------------------------------------------------------------------------- overlap

/** The input of the overlap rule for a new slot, trigger or replay. */
export interface OverlapSituation {
  readonly kind: 'slot' | 'trigger' | 'replay'
  /** The overlap rule of the job. */
  readonly overlap: OverlapRule
  /** Whether the slot's instant is within the pause, so that the slot is skipped. */
  readonly slotPaused: boolean
  /**
   * True if the item has `runs` and is due, the job is not paused, and the start rate of the job allows a start now. Under a start rate, false while
   * the job has pending occurrences that are not delayed, because these occurrences start first.
   */
  readonly startable: boolean
  /** True if the item is a trigger or a replay that must wait until its `dueAt`. */
  readonly delayed: boolean
  /** Number of pending occurrences of the job, without delayed occurrences, see `isDelayed`. */
  readonly pending: number
  /** Number of running occurrences of the job. */
  readonly running: number
  /** Number of queued occurrences of the job. */
  readonly queued: number
  /**
   * True if superseded slots of the job remain after this step. Later steps cancel these slots, so the present numbers of
   * waiting occurrences are too high.
   */
  readonly superseded: boolean
}

/** What to do with the item: create an occurrence, or answer `queue_full` and store nothing. */
export type OverlapDecision = CreateDecision | (Omit<CreateDecision, 'state'> & { readonly state: 'refused' })

/** The state of the new occurrence, and its effects on other occurrences of the job. */
export interface CreateDecision {
  /** The state of the new occurrence. */
  readonly state: 'running' | 'pending' | 'queued' | 'skipped'
  readonly reason: 'overlap' | 'queue_full' | 'paused' | 'delayed' | null
  /**
   * True if all waiting occurrences of the job become `canceled` with the reason `displaced`, except delayed and superseded
   * ones.
   */
  readonly displacesWaiting: boolean
  /** True if each running occurrence of the job without a cancel request gets a cancel request with the reason `displaced`. */
  readonly cancelsRunning: boolean
}

const decisions = {
  run: { state: 'running', reason: null, displacesWaiting: false, cancelsRunning: false },
  delay: { state: 'pending', reason: 'delayed', displacesWaiting: false, cancelsRunning: false },
  wait: { state: 'pending', reason: null, displacesWaiting: false, cancelsRunning: false },
  queue: { state: 'queued', reason: null, displacesWaiting: false, cancelsRunning: false },
  skip: { state: 'skipped', reason: 'overlap', displacesWaiting: false, cancelsRunning: false },
  full: { state: 'skipped', reason: 'queue_full', displacesWaiting: false, cancelsRunning: false },
  refuse: { state: 'refused', reason: 'queue_full', displacesWaiting: false, cancelsRunning: false },
  paused: { state: 'skipped', reason: 'paused', displacesWaiting: false, cancelsRunning: false },
} as const satisfies Record<string, OverlapDecision>

/**
 * Returns whether an occurrence is delayed: a trigger or a replay that waits for its `dueAt`, and then for a claim. A delayed
 * occurrence is pending, but not active: it blocks no other occurrence, and no other occurrence displaces it.
 */
export function isDelayed({ state, reason }: Pick<OccurrenceRecord, 'state' | 'reason'>): boolean {
  return state === 'pending' && reason === 'delayed'
}

/** Makes an overlap rule from its members, for adapters that store the members separately. */
export function overlapRuleOf(
  policy: OverlapPolicy,
  maxQueued: number,
  maxConcurrency: number,
  startRate: StartRate | null = null,
): OverlapRule {
  const rule: OverlapRule = maxConcurrency === 1 ? { policy, maxQueued } : { policy, maxQueued, maxConcurrency }
  return startRate === null ? rule : { ...rule, startRate }
}

/**
 * Returns the maximum number of active occurrences of a job: pending or running, without delayed ones, see {@link isDelayed}.
 */
export function placesOf({ policy, maxConcurrency = 1 }: OverlapRule): number {
  return policy === 'allow' ? Number.POSITIVE_INFINITY : maxConcurrency
}

/** Returns whether a `replace` raises `maxConcurrency`, so that queued occurrences may become pending. */
export function addsPlaces(before: Pick<JobContent, 'overlap'>, after: Pick<JobContent, 'overlap'>): boolean {
  return (after.overlap.maxConcurrency ?? 1) > (before.overlap.maxConcurrency ?? 1)
}

// -------------------------------------------------------------------------------------------------------------- starts

/** The members of a job's head that determine when its occurrences may start. */
export type StartHead = Pick<JobRecord, 'overlap' | 'starts'>

/**
 * Returns the first instant at which the start rate allows the next start of the job; negative infinity without a start rate.
 */
export function nextStartAt({ overlap: { startRate }, starts = [] }: StartHead): number {
  const counted = startRate === undefined ? undefined : starts[starts.length - startRate.limit]
  return startRate === undefined || counted === undefined ? Number.NEGATIVE_INFINITY : counted + startRate.intervalMs
}

/**
 * Returns the recorded starts of a job after one more start at `now`: the last `limit` starts. By these records, no interval
 * contains more than `limit` starts, even if the clocks of the nodes differ.
 */
export function startsAfter({ overlap: { startRate }, starts = [] }: StartHead, now: number): readonly number[] {
  return [...starts, now].slice(-(startRate?.limit ?? 1))
}

/**
 * Returns whether a `replace` changes the start rate. If so, the step must decide again about occurrences that are held back.
 */
export function changesStartRate(before: Pick<JobContent, 'overlap'>, after: Pick<JobContent, 'overlap'>): boolean {
  const [from, to] = [before.overlap.startRate, after.overlap.startRate]
  return from?.limit !== to?.limit || from?.intervalMs !== to?.intervalMs
}

/** Returns the head with the latest of the given starts, up to the limit of the head's start rate. */
function withStarts({ starts: _, ...job }: JobRecord, starts: readonly number[] = []): JobRecord {
  const { startRate } = job.overlap
  return startRate === undefined || starts.length === 0 ? job : { ...job, starts: starts.slice(-startRate.limit) }
}

/** Returns the start rate of a job and its last starts as a list of numbers, for adapters that store both in one column. */
export function startNumbersOf({ overlap: { startRate }, starts = [] }: StartHead): readonly number[] | null {
  return startRate === undefined ? null : [startRate.limit, startRate.intervalMs, ...starts]
}

/** Returns the start rate and the last starts from numbers of {@link startNumbersOf}. `null` means no start rate. */
export function readStartNumbers(numbers: readonly number[] | null): {
  readonly startRate: StartRate | null
  readonly starts?: readonly number[]
} {
  if (numbers === null) return { startRate: null }
  const [limit = 1, intervalMs = 1, ...starts] = numbers
  return { startRate: { limit, intervalMs }, ...(starts.length > 0 && { starts }) }
}

// --------------------------------------------------------------------------------------------------- what is created

/** Decides the state in which a slot, a trigger or a replay is created now. */
export function decideOverlap(situation: OverlapSituation): OverlapDecision {
  const { overlap, pending, running, queued, superseded } = situation
  if (situation.slotPaused && situation.kind === 'slot') return decisions.paused
  if (situation.delayed) return decisions.delay
  const free = situation.startable ? decisions.run : decisions.wait
  const places = placesOf(overlap)
  const active = pending + running
  // The queued occurrences, if any, have precedence for a free place.
  if (active === 0 || (active < places && queued === 0)) return free
  switch (overlap.policy) {
    case 'allow':
      return free
    case 'skip':
      // Some pending occurrences may be superseded, and will never run. If no occurrence is running, perhaps none will run. So
      // queue the item instead of skipping it.
      return superseded && running === 0 ? decisions.queue : decisions.skip
    case 'queue':
      if (queued < overlap.maxQueued || superseded) return decisions.queue
      return situation.kind === 'slot' ? decisions.full : decisions.refuse
    case 'queue_one':
    case 'cancel_running':
      return {
        state: running >= places ? 'queued' : free.state,
        reason: null,
        displacesWaiting: true,
        cancelsRunning: overlap.policy === 'cancel_running' && running > 0,
      }
  }
}

/**
 * Returns the id for the record of a slot, a trigger or a replay: usually the id of the item. A skipped request with a
 * `skippedId` gets the `skippedId` instead. The id of the item then stays free for a repetition of the request.
 */
export function createdId(item: CreateSlot | CreateRequested, state: OccurrenceState): OccurrenceId {
  return item.kind === 'slot' || state !== 'skipped' ? item.id : (item.skippedId ?? item.id)
}

/** Decides the state of a run that recovery creates. Recovery never skips such a run and displaces no other occurrence. */
export function decideRecoveredRun(overlap: OverlapRule, active: number): 'pending' | 'queued' {
  return active < placesOf(overlap) ? 'pending' : 'queued'
}

/**
 * Returns whether an entry of a recovery is one run in place of several missed slots. The storage rejects a recovery if a
 * record with the id of such a run exists. Otherwise the storage would keep that record and create no run, and the other slots
 * would never run.
 */
export function standsForSeveral(entry: RecoveryEntry): boolean {
  return entry.kind === 'run' && (entry.details.span?.count ?? 1) > 1
}

// -------------------------------------------------------------------------------------------------------------- settle

/**
 * Returns whether the record has this token and, if an owner is given, belongs to that owner's incarnation. The token alone
 * does not suffice: a storage that has lost acknowledged writes gives the same token a second time, to another incarnation.
 */
export function isHeldBy(
  record: Pick<OccurrenceRecord, 'token' | 'owner'>,
  { token, owner }: Pick<SettleItem, 'token' | 'owner'>,
): boolean {
  return record.token === token && (owner == null || record.owner?.incarnation === owner.incarnation)
}

/**
 * Judges an item of `settle`:
 * - `apply`: the storage applies the item.
 * - `repeated`: the storage answers `ok` again, and changes nothing.
 * - `lost`: the storage answers `lost`.
 *
 * An owner uses each sequence once under its token. So if the record has the token and the sequence of the item, the storage
 * accepted this item before. If the present state of the occurrence still fits the item, the result is `repeated`, otherwise
 * `lost`.
 */
export function judgeSettle(
  record: Pick<OccurrenceRecord, 'state' | 'token' | 'owner' | 'sequence'>,
  item: Pick<SettleItem, 'token' | 'owner' | 'sequence' | 'upToSequence' | 'change'>,
): 'apply' | 'repeated' | 'lost' {
  const { upToSequence = Number.POSITIVE_INFINITY } = item
  if (!isHeldBy(record, item) || item.sequence < record.sequence) return 'lost'
  if (record.state === 'running' && item.sequence > record.sequence) {
    return record.sequence > upToSequence ? 'lost' : 'apply'
  }
  if (record.state === 'running') return 'repeated'
  if (item.sequence !== record.sequence) return 'lost'
  switch (item.change.kind) {
    case 'finish':
      return record.state === item.change.state ? 'repeated' : 'lost'
    case 'release':
      return !isFinal(record.state) || record.state === 'canceled' ? 'repeated' : 'lost'
    case 'progress':
      return 'lost'
  }
}

// --------------------------------------------------------------------------------------------------------------- prune

/**
 * Returns the last slot that a record covers. After the removal of the record, no slot up to this instant may be created again.
 */
export function lastSlotOf(record: Pick<OccurrenceRecord, 'scheduledAt' | 'details'>): number {
  const span = record.details.span
  return span === undefined ? record.scheduledAt : Math.max(record.scheduledAt, span.to)
}

/**
 * Returns whether the state and the age of a record allow a prune to remove it. This function does not check `keep`: the caller
 * keeps the job's `keep` latest records. `nextAt` is the next instant in the job's head. All slots before `nextAt` are decided,
 * even slots after the watermark.
 */
export function isPrunable(
  record: Pick<OccurrenceRecord, 'state' | 'scheduledAt' | 'details'>,
  before: number,
  nextAt: number | null,
): boolean {
  const last = lastSlotOf(record)
  return isFinal(record.state) && last < before && (nextAt === null || last < nextAt)
}

// -------------------------------------------------------------------------------------------------------------- nodes

/** Returns whether a node's own record is newer than the stored record of the same incarnation. */
export function isNewsOf(stored: Pick<NodeRecord, 'counter'> | null, own: Pick<NodeRecord, 'counter'>): boolean {
  return stored === null || own.counter > stored.counter
}

/**
 * Returns whether a storage has to send a wake-up `nodes` after a heartbeat. True for the first heartbeat of an incarnation,
 * and for each heartbeat of a leaving node.
 */
export function isNodesNews({ own }: Pick<HeartbeatRequest, 'own'>): boolean {
  return own !== null && (own.counter === 1 || own.leaving)
}
