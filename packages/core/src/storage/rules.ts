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

// The decisions of the storage protocol as pure functions. Nothing here reads or writes: an adapter looks up what a
// decision needs, asks for it, and stores the outcome, all inside one atomic step. Adapters that decide elsewhere
// (in SQL, in a server-side script) must come to the same answers; the conformance kit compares them.

// --------------------------------------------------------------------------------------------------------------- jobs

/** How many earlier fingerprints a head keeps. */
export const maxLineage = 32

/** The head of a job that is created: anew, or over its tombstone. */
export function createdJob(id: JobId, content: JobContent, tombstone: JobRecord | null, now: number): JobRecord {
  // Member by member: an object that begins as a literal is much smaller than one that a spread fills.
  const job: JobRecord = {
    id,
    name: content.name,
    owner: content.owner,
    version: tombstone === null ? 1 : tombstone.version + 1,
    fingerprint: content.fingerprint,
    lineage: tombstone === null ? [] : nextLineage(tombstone),
    definition: content.definition,
    handlerKey: content.handlerKey,
    overlap: content.overlap,
    timeline: content.timeline,
    watermark: tombstone === null ? now : Math.max(decidedUpTo(tombstone), now),
    nextAt: content.nextAt,
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
 * Up to where a job's slots are decided. The removal of history that lies between its last slot and its next one puts
 * the prune floor above the watermark; nothing up to there can be created again.
 */
export function decidedUpTo({ watermark, pruneFloor }: Pick<JobRecord, 'watermark' | 'pruneFloor'>): number {
  return pruneFloor === null ? watermark : Math.max(watermark, pruneFloor)
}

/**
 * True when the tombstone's job has decided about the first slot that a `create` brings: whoever sends it has looked
 * before the job came and went, or has a clock that is behind.
 */
export function isBelatedCreate(content: Pick<JobContent, 'nextAt'>, tombstone: JobRecord | null): boolean {
  return tombstone !== null && content.nextAt !== null && content.nextAt <= decidedUpTo(tombstone)
}

/**
 * The head after a `replace`. Its watermark, unless it is set back, its pause and its prune floor stay; and what an
 * earlier one has still to cancel.
 */
export function replacedJob(
  head: JobRecord,
  {
    content,
    waiting,
    setBackTo,
  }: Pick<Extract<JobChange, { readonly kind: 'replace' }>, 'content' | 'waiting' | 'setBackTo'>,
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
 * Whether the next instant of a `replace` lies after the prune floor: a `prune` may have raised the floor since the sender
 * read the head. A `replace` that sets the watermark back sets it to an earlier instant, before the next one.
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

/** The head after a `delete`: a tombstone, which has no next slot. */
export function deletedJob(head: JobRecord, now: number): JobRecord {
  return { ...head, nextAt: null, cancelsBelow: null, changedAt: now, deletedAt: now }
}

/** True when the stored head already is what this `replace` made of it: its first answer got lost. */
export function isRepeatedReplace(
  head: Pick<JobRecord, 'version' | 'fingerprint'>,
  change: { readonly content: Pick<JobContent, 'fingerprint'>; readonly expectedVersion: number },
): boolean {
  return head.version === change.expectedVersion + 1 && head.fingerprint === change.content.fingerprint
}

/**
 * True when this `replace` has taken effect, and has left slots that it is to cancel: repeated, it goes on with them. Its
 * version need not be in force any more.
 */
export function goesOnCanceling(
  head: Pick<JobRecord, 'version' | 'fingerprint' | 'lineage' | 'cancelsBelow'>,
  change: Pick<Extract<JobChange, { readonly kind: 'replace' }>, 'waiting' | 'expectedVersion'> & {
    readonly content: Pick<JobContent, 'fingerprint'>
  },
): boolean {
  const version = change.expectedVersion + 1
  if (change.waiting !== 'cancel' || head.cancelsBelow !== version) return false
  const fingerprint = head.version === version ? head.fingerprint : head.lineage[head.version - version - 1]
  return fingerprint === change.content.fingerprint
}

/**
 * Whether an occurrence, if it waits, is one that a `replace` has left to be canceled: no step wakes or starts it. What
 * has begun is kept, although its owner may have handed it back: it is finished.
 */
export function isSuperseded(
  { cancelsBelow }: Pick<JobRecord, 'cancelsBelow'>,
  { kind, jobVersion, token }: Pick<OccurrenceRecord, 'kind' | 'jobVersion' | 'token'>,
): boolean {
  return cancelsBelow !== null && kind === 'slot' && jobVersion < cancelsBelow && token === 0
}

/**
 * Whether a `replace` with this content makes every queued occurrence of the job pending. Under `allow` none waits for
 * another, and nothing would ever look for one that does.
 */
export function wakesAllQueued(content: Pick<JobContent, 'overlap'>): boolean {
  return content.overlap.policy === 'allow'
}

/** The lineage of the version that follows this head's. */
export function nextLineage(head: Pick<JobRecord, 'fingerprint' | 'lineage'>): readonly string[] {
  return [head.fingerprint, ...head.lineage].slice(0, maxLineage)
}

function pickContent(content: JobContent): JobContent {
  const { name, owner, fingerprint, definition, handlerKey, overlap, timeline, nextAt } = content
  return { name, owner, fingerprint, definition, handlerKey, overlap, timeline, nextAt }
}

// -------------------------------------------------------------------------------------------------------------- create

/** The part of a job's head that a create item is judged by. */
export type HeadState = Pick<JobRecord, 'version' | 'watermark' | 'nextAt' | 'pruneFloor' | 'deletedAt'>

/** Why an item creates nothing. */
export type CreateRefusal = Exclude<CreateAnswer, { readonly outcome: 'created' | 'exists' }>

/**
 * Judges a create item, in the protocol's order.
 *
 * @param head the job's head, tombstones included; `null` when there is none.
 * @param recordExists whether a record with the item's id is stored.
 */
export function judgeCreate(
  item: CreateItem,
  head: HeadState | null,
  recordExists: boolean,
): 'exists' | 'create' | CreateRefusal {
  if (recordExists) {
    // An exclusion may lie on a recovery's last slot: that the record is there says nothing while the watermark is
    // still before it.
    const undecided = item.kind === 'recovery' && head !== null && head.watermark === item.expectedWatermark
    if (!undecided) return 'exists'
  }
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
 * Whether an item that was judged `exists` moves the job past its slot: an exclusion waits there, or the record's
 * creation was not seen through. An older version's next instant is not to be trusted.
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
 * Whether an occurrence blocks its key for another request, see `CreateRequested.key`. One that a node started once does not
 * wait, although that node may have handed it back.
 */
export function blocksKey(
  { state, token }: Pick<OccurrenceRecord, 'state' | 'token'>,
  { scope }: Pick<ReusableKey, 'scope'>,
): boolean {
  return !isFinal(state) && (scope === 'live' || token === 0)
}

/** The key that names a record from its creation on. A request that is skipped does not take its key. */
export function namingKey({ state, details }: Pick<OccurrenceRecord, 'state' | 'details'>): OccurrenceId | undefined {
  return state === 'skipped' ? undefined : details.keyId
}

// -------------------------------------------------------------------------------------------------------------- pauses

/** What the rules look at of a pause. */
export type PauseEnd = Pick<PauseRecord, 'until'>

/** The instant before which a pause holds: infinite for one that is to be lifted, before all time for none. */
export function pausedUntil(paused: PauseEnd | null): number {
  if (paused === null) return Number.NEGATIVE_INFINITY
  return paused.until ?? Number.POSITIVE_INFINITY
}

/**
 * Whether a job is paused at an instant. What starts is judged by the `now` of the call, a slot by its own `scheduledAt`:
 * so what becomes of it depends on no clock, and not on how late it is created.
 */
export function isPausedAt({ paused }: { readonly paused: PauseEnd | null }, at: number): boolean {
  return at < pausedUntil(paused)
}

/** From when on a claim may take a pending occurrence: it is due, and its job is not paused. */
export function claimableFrom({ paused }: { readonly paused: PauseEnd | null }, dueAt: number): number {
  return Math.max(dueAt, pausedUntil(paused))
}

/**
 * Whether a change of the pause changes anything: the pause that holds longer wins, whichever came first, and only one
 * that holds now can be lifted.
 */
export function changesPause({ paused }: Pick<JobRecord, 'paused'>, next: PauseEnd | null, now: number): boolean {
  return next === null ? isPausedAt({ paused }, now) : pausedUntil(next) > pausedUntil(paused)
}

// --------------------------------------------------------------------------------------------------------------- order

/** How long an occurrence waits until it goes before a new one of the next higher priority, in milliseconds: an hour. */
export const priorityStepMs = 3_600_000

/** What the order of an occurrence that waits depends on. Nothing of it ever changes. */
export type Ordered = Pick<OccurrenceRecord, 'scheduledAt' | 'details'>

/**
 * By this instant what waits (pending or queued) is ordered, the least first: its scheduled time, set forward by a step
 * for each level of its priority. So whoever has waited long enough goes first, whatever comes.
 */
export function orderAt({ scheduledAt, details: { priority } }: Ordered): number {
  return priority === undefined ? scheduledAt : scheduledAt - priority * priorityStepMs
}

/** The order of what waits, for `sort`: equal ones by id. */
export function compareOrder(left: Ordered & { readonly id: string }, right: typeof left): number {
  return orderAt(left) - orderAt(right) || (left.id < right.id ? -1 : left.id > right.id ? 1 : 0)
}

// ------------------------------------------------------------------------------------------------------------- overlap

/** What the overlap rule looks at when a slot, a trigger or a replay is created. */
export interface OverlapSituation {
  readonly kind: 'slot' | 'trigger' | 'replay'
  /** The job's rule. */
  readonly overlap: OverlapRule
  /** Whether the job is paused now: nothing of it starts. */
  readonly paused: boolean
  /** Whether the instant of a slot lies in the pause: it is skipped. */
  readonly slotPaused: boolean
  /** The item brings its first runs, is due, and the job's start rate lets it start before all others that wait. */
  readonly startable: boolean
  /** The item is a trigger or a replay that is to wait for its time. */
  readonly delayed: boolean
  /** How many occurrences of the job are pending, those left out that `isDelayed` holds for. */
  readonly pending: number
  /** How many occurrences of the job are running. */
  readonly running: number
  /** How many occurrences of the job are queued. */
  readonly queued: number
  /**
   * Slots are left that a `replace` has still to cancel: more than this step could. They are as good as canceled, so that
   * the counts of those that wait say too much.
   */
  readonly superseded: boolean
}

/** What an adapter does with the item: it creates an occurrence, or answers `queue_full` and stores nothing. */
export type OverlapDecision =
  | CreateDecision
  | {
      readonly state: 'refused'
      readonly reason: 'queue_full'
      readonly displacesWaiting: false
      readonly cancelsRunning: false
    }

/** How the occurrence is created. */
export interface CreateDecision {
  /** The state that the occurrence is created in. */
  readonly state: 'running' | 'pending' | 'queued' | 'skipped'
  readonly reason: 'overlap' | 'queue_full' | 'paused' | 'delayed' | null
  /**
   * All waiting occurrences of the job, pending and queued, become `canceled` with the reason `displaced`; but not those
   * that `isDelayed` holds for.
   */
  readonly displacesWaiting: boolean
  /** All running occurrences of the job are asked to cancel with the reason `displaced`, unless they were asked. */
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
 * Whether an occurrence is a trigger or a replay that waits, or has waited, for its time, and that no node has met since.
 * It is pending, and yet none of those that keep others of its job from starting: whatever the overlap policy, it keeps
 * nobody waiting and is displaced by nobody. A claim, once it is due, starts it, or makes it queued behind one that is
 * active; from then on it is like any other. So what is active depends on no clock.
 */
export function isDelayed({ state, reason }: Pick<OccurrenceRecord, 'state' | 'reason'>): boolean {
  return state === 'pending' && reason === 'delayed'
}

/** The rule with these members: for adapters that keep them apart. */
export function overlapRuleOf(
  policy: OverlapPolicy,
  maxQueued: number,
  maxConcurrency: number,
  startRate: StartRate | null = null,
): OverlapRule {
  const rule: OverlapRule = maxConcurrency === 1 ? { policy, maxQueued } : { policy, maxQueued, maxConcurrency }
  return startRate === null ? rule : { ...rule, startRate }
}

/** How many occurrences of a job may be active at once: pending or running, those left out that {@link isDelayed} holds for. */
export function placesOf({ policy, maxConcurrency = 1 }: OverlapRule): number {
  return policy === 'allow' ? Number.POSITIVE_INFINITY : maxConcurrency
}

/**
 * So many queued occurrences a step wakes at most, of a job with several places: one for the place of what it has ended, and
 * one more where a place came free without an end, since the job has got more of them.
 */
export const wokenAtOnce = 2

/** Whether a `replace` gives a job more places, so that queued occurrences may be woken. */
export function addsPlaces(before: Pick<JobContent, 'overlap'>, after: Pick<JobContent, 'overlap'>): boolean {
  return (after.overlap.maxConcurrency ?? 1) > (before.overlap.maxConcurrency ?? 1)
}

// -------------------------------------------------------------------------------------------------------------- starts

/** The part of a job's head that says when its occurrences may start. */
export type StartHead = Pick<JobRecord, 'overlap' | 'starts'>

/** From when on the next occurrence of the job may start, as far as its start rate goes: before all time without one. */
export function nextStartAt({ overlap: { startRate }, starts = [] }: StartHead): number {
  const counted = startRate === undefined ? undefined : starts[starts.length - startRate.limit]
  return startRate === undefined || counted === undefined ? Number.NEGATIVE_INFINITY : counted + startRate.intervalMs
}

/**
 * The starts of a job with a start rate once one more occurrence has started. Whatever the clocks of those who start them,
 * each lies an interval or more behind the one that is so many before it as the limit says: so no more than these lie within
 * an interval.
 */
export function startsAfter({ overlap: { startRate }, starts = [] }: StartHead, now: number): readonly number[] {
  return [...starts, now].slice(-(startRate?.limit ?? 1))
}

/** Whether a `replace` changes the start rate: what waits for its time by the one before is looked at anew. */
export function changesStartRate(before: Pick<JobContent, 'overlap'>, after: Pick<JobContent, 'overlap'>): boolean {
  const [from, to] = [before.overlap.startRate, after.overlap.startRate]
  return from?.limit !== to?.limit || from?.intervalMs !== to?.intervalMs
}

/** The head with as many of these starts as its own start rate looks at. */
function withStarts({ starts: _, ...job }: JobRecord, starts: readonly number[] = []): JobRecord {
  const { startRate } = job.overlap
  return startRate === undefined || starts.length === 0 ? job : { ...job, starts: starts.slice(-startRate.limit) }
}

/** The start rate of a job and its last starts as a list of numbers: for adapters that keep them in one place. */
export function startNumbersOf({ overlap: { startRate }, starts = [] }: StartHead): readonly number[] | null {
  return startRate === undefined ? null : [startRate.limit, startRate.intervalMs, ...starts]
}

/** What {@link startNumbersOf} has made a list of. */
export function readStartNumbers(numbers: readonly number[] | null): {
  readonly startRate: StartRate | null
  readonly starts?: readonly number[]
} {
  if (numbers === null) return { startRate: null }
  const [limit = 1, intervalMs = 1, ...starts] = numbers
  return { startRate: { limit, intervalMs }, ...(starts.length > 0 && { starts }) }
}

// --------------------------------------------------------------------------------------------------- what is created

/** What becomes of a slot, a trigger or a replay that is created now. */
export function decideOverlap(situation: OverlapSituation): OverlapDecision {
  const { overlap, pending, running, queued, superseded } = situation
  if (situation.slotPaused && situation.kind === 'slot') return decisions.paused
  if (situation.delayed) return decisions.delay
  const free = situation.startable && !situation.paused ? decisions.run : decisions.wait
  const places = placesOf(overlap)
  const active = pending + running
  // While others wait for a place, one that is free is theirs.
  if (active === 0 || (active < places && queued === 0)) return free
  switch (overlap.policy) {
    case 'allow':
      return free
    case 'skip':
      // Whether any of the pending ones will ever run is seen once those that are left are canceled.
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
 * The id of the record that a slot, a trigger or a replay is kept under: a request that is skipped does not use up its
 * own.
 */
export function createdId(item: CreateSlot | CreateRequested, state: OccurrenceState): OccurrenceId {
  return item.kind === 'slot' || state !== 'skipped' ? item.id : (item.skippedId ?? item.id)
}

/** What becomes of a run that recovery creates. It is never skipped, and displaces nothing. */
export function decideRecoveredRun(overlap: OverlapRule, active: number): 'pending' | 'queued' {
  return active < placesOf(overlap) ? 'pending' : 'queued'
}

/**
 * Whether a recovery is refused, as `off_schedule`, when this entry of it finds a record under its id: it is a run for
 * several slots, which must not vanish behind the record of one. Whoever decided so has not seen that record.
 */
export function standsForSeveral(entry: RecoveryEntry): boolean {
  return entry.kind === 'run' && (entry.details.span?.count ?? 1) > 1
}

// -------------------------------------------------------------------------------------------------------------- settle

/**
 * Whether token and owner are those of the record. The token alone is not enough: a storage that has lost acknowledged
 * writes gives it a second time, to another incarnation.
 */
export function isHeldBy(
  record: Pick<OccurrenceRecord, 'token' | 'owner'>,
  { token, owner }: Pick<SettleItem, 'token' | 'owner'>,
): boolean {
  return record.token === token && (owner == null || record.owner?.incarnation === owner.incarnation)
}

/**
 * Judges what an owner says: `apply` it, answer `ok` again without a change (`repeated`), or `lost`.
 *
 * A stored sequence equal to the item's under the same token proves that the item was accepted before, since one owner
 * says one thing under one number; what has become of the occurrence since decides whether that still holds.
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

/** The last slot that a record stands for: nothing at or before it may be created again once the record is gone. */
export function lastSlotOf(record: Pick<OccurrenceRecord, 'scheduledAt' | 'details'>): number {
  const span = record.details.span
  return span === undefined ? record.scheduledAt : Math.max(record.scheduledAt, span.to)
}

/**
 * Whether history may be removed as far as the record goes; the job's `keep` latest stay all the same. `nextAt` is that
 * of the job's head: before it, everything is decided, also what lies after the watermark.
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

/** Whether what a node says of itself is newer than what is stored of this life of it. */
export function isNewsOf(stored: Pick<NodeRecord, 'counter'> | null, own: Pick<NodeRecord, 'counter'>): boolean {
  return stored === null || own.counter > stored.counter
}

/** Whether the others are to be woken by a heartbeat: the first of a life, and those of a node that is leaving. */
export function isNodesNews({ own }: Pick<HeartbeatRequest, 'own'>): boolean {
  return own !== null && (own.counter === 1 || own.leaving)
}
