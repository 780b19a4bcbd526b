import type { OccurrenceAddress, OccurrenceRecord, Owner } from '../occurrence-record.ts'
import {
  createdOccurrence,
  excludedOccurrence,
  isForLater,
  isStartable,
  recoveredOccurrence,
} from '../occurrence-transitions.ts'
import {
  blocksKey,
  decideOverlap,
  decideRecoveredRun,
  isDelayed,
  isPausedAt,
  isSuperseded,
  judgeCreate,
  passesSlot,
  standsForSeveral,
} from '../rules.ts'
import type {
  CancelNotice,
  CreateAnswer,
  CreateItem,
  CreateRecovery,
  CreateRequested,
  CreateSlot,
  RecoveryEntry,
} from '../storage.ts'
import type { JobLedger } from './job-ledger.ts'
import { slotStarted } from './ledger.ts'
import {
  askAllToCancel,
  cancelAll,
  cancelSuperseded,
  createRecord,
  inTime,
  mayStart,
  noteStart,
  type StepContext,
  waitingOf,
  wakeFirst,
} from './step-context.ts'
import { canceledByClaim, canceledInPassing } from '../tuning.ts'

/** Executes one item of `createOccurrences`: creates an occurrence, or decides several missed slots. */
export function createStep(
  context: StepContext,
  job: JobLedger | undefined,
  item: CreateItem,
  owner: Owner,
): CreateAnswer {
  if (job === undefined) return { outcome: 'absent' }
  const isSlot = item.kind !== 'trigger' && item.kind !== 'replay'
  const present = job.find(item, isSlot)?.record
  const verdict = judgeCreate(item, job.head, present !== undefined)
  if (verdict === 'exists') return answerExists(job, item, present as OccurrenceRecord)
  if (verdict !== 'create') return verdict
  if (item.kind === 'recovery') return createRecovery(context, job, item)
  if (item.kind === 'exclusion') {
    const record = excludedOccurrence(item, context.now)
    createRecord(context, job, record)
    return created(record)
  }
  const blocking = item.kind === 'slot' ? undefined : blockingKey(job, item)
  if (blocking !== undefined) return { ...answerExists(job, item, blocking), id: blocking.id }
  return createDue(context, job, item, owner)
}

/**
 * Returns the occurrence that blocks the key of a request; `undefined`: the request has no key, or no occurrence blocks the
 * key.
 */
function blockingKey(job: JobLedger, item: CreateRequested): OccurrenceRecord | undefined {
  const { key } = item
  if (key === undefined) return undefined
  const holders = [job.findByKey(key.id)?.record, job.find({ ...item, id: key.id })?.record]
  return holders.find((record) => record !== undefined && record.jobId === item.jobId && blocksKey(record, key))
}

function answerExists(
  job: JobLedger,
  item: CreateItem,
  { state, token, owner }: OccurrenceRecord,
): Extract<CreateAnswer, { readonly outcome: 'exists' }> {
  if (passesSlot(item, job.head)) job.advance(item.scheduledAt, item.nextAt)
  const { watermark, nextAt } = job.head
  return { outcome: 'exists', state, token, owner, watermark, nextAt }
}

const none: readonly never[] = Object.freeze([])

function created(
  { state, token, reason }: Pick<OccurrenceRecord, 'state' | 'token' | 'reason'>,
  displaced: readonly OccurrenceAddress[] = none,
  cancelRequested: readonly CancelNotice[] = none,
): CreateAnswer {
  const isAlone = reason === null && displaced.length + cancelRequested.length === 0
  if (isAlone && state === 'running' && token === 1) return slotStarted
  return { outcome: 'created', state, token, reason, displaced, cancelRequested }
}

function createDue(
  context: StepContext,
  job: JobLedger,
  item: CreateSlot | CreateRequested,
  owner: Owner,
): CreateAnswer {
  const superseded = passSuperseded(context, job)
  const { head, counts } = job
  const decision = decideOverlap({
    kind: item.kind,
    overlap: head.overlap,
    slotPaused: isPausedAt(head, item.scheduledAt),
    startable: isStartable(item, context.now) && !isPausedAt(head, context.now) && mayStart(context, job),
    delayed: isForLater(item, context.now),
    pending: counts.pending - counts.delayed,
    running: counts.running,
    queued: counts.queued,
    superseded,
  })
  if (decision.state === 'refused') return { outcome: 'queue_full', maxQueued: head.overlap.maxQueued }
  const displaced = decision.displacesWaiting ? displace(context, job, superseded) : none
  const cancelRequested = decision.cancelsRunning ? askAllToCancel(context, job) : none
  const record = inTime(context, job, createdOccurrence(item, decision, owner, context.now))
  // If a skipped request already has a record, the request is a repetition after a lost answer. Then create no second record.
  const isRepeated = record.id !== item.id && job.find(record) !== undefined
  if (!isRepeated) createRecord(context, job, record)
  if (record.state === 'running') noteStart(context, job)
  if (item.kind === 'slot') job.advance(item.scheduledAt, item.nextAt)
  return created(record, displaced, cancelRequested)
}

/**
 * Cancels at most `canceledInPassing` superseded slots, and wakes the next queued occurrences. Returns whether superseded slots
 * remain.
 */
function passSuperseded(context: StepContext, job: JobLedger): boolean {
  if (job.head.cancelsBelow === null || job.head.overlap.policy === 'allow') return false
  cancelSuperseded(context, job, canceledInPassing)
  wakeFirst(context, job)
  return job.head.cancelsBelow !== null
}

/**
 * Cancels the waiting occurrences of a job, except delayed and superseded occurrences. `superseded`: superseded slots remain,
 * so very many occurrences may wait. To limit the step, the function then reads only the first `canceledByClaim` waiting
 * occurrences.
 */
function displace(context: StepContext, job: JobLedger, superseded: boolean): readonly OccurrenceAddress[] {
  const waiting = waitingOf(job, superseded ? canceledByClaim : Number.POSITIVE_INFINITY)
  return cancelAll(
    context,
    job,
    waiting.filter(({ record }) => !isSuperseded(job.head, record) && !isDelayed(record)),
    'displaced',
  )
}

function createRecovery(context: StepContext, job: JobLedger, item: CreateRecovery): CreateAnswer {
  const find = (entry: RecoveryEntry) => job.find({ ...entry, jobId: item.jobId }, true)
  if (item.entries.some((entry) => standsForSeveral(entry) && find(entry) !== undefined)) {
    const { watermark, nextAt } = job.head
    return { outcome: 'off_schedule', watermark, nextAt }
  }
  let last: Pick<OccurrenceRecord, 'state' | 'token' | 'reason'> = { state: 'missed', token: 0, reason: null }
  passSuperseded(context, job)
  for (const entry of item.entries) {
    // A slot that was canceled ahead has a record already, and keeps it: create no other record.
    const present = find(entry)
    if (present !== undefined) {
      last = present.record
      continue
    }
    const { pending, delayed, running } = job.counts
    const state = decideRecoveredRun(job.head.overlap, pending - delayed + running)
    const record = inTime(context, job, recoveredOccurrence(item, entry, state, context.now))
    createRecord(context, job, record)
    last = record
  }
  job.advance(item.watermark, item.nextAt)
  return created(last)
}
