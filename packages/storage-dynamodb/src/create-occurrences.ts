import {
  askedToCancel,
  type CancelNotice,
  type CreateAnswer,
  type CreateItem,
  type CreateOccurrencesRequest,
  type CreateRecovery,
  type CreateRequested,
  type CreateSlot,
  createdOccurrence,
  decideOverlap,
  decideRecoveredRun,
  ended,
  excludedOccurrence,
  isStartable,
  judgeCreate,
  type OccurrenceAddress,
  type OccurrenceRecord,
  type Owner,
  passesSlot,
  recoveredOccurrence,
} from '@jobistemer/core/storage'
import { carryOut, commitStep } from './carry-out.ts'
import { byJob, jobOf } from './in-order.ts'
import { readHead, type StoredHead } from './job-item.ts'
import { JobStep } from './job-step.ts'
import type { StoredOccurrence } from './occurrence-item.ts'
import {
  addressIn,
  addressOf,
  contended,
  loadOccurrences,
  occurrenceIn,
  readItems,
  type Table,
  untilDecided,
} from './table.ts'

export async function createOccurrences(
  table: Table,
  { items, now, owner }: CreateOccurrencesRequest,
): Promise<readonly CreateAnswer[]> {
  return await byJob(items, jobOf, async (item) => {
    return await untilDecided(table, item.id, async () => await createOne(table, item, owner, now))
  })
}

/** What is stored of an item's job and of its own record. */
interface Situation {
  readonly head: StoredHead | null
  readonly present: StoredOccurrence | null
  /** Where a pruned record of the same id was. */
  readonly staleAddress: OccurrenceAddress | null
}

async function createOne(
  table: Table,
  item: CreateItem,
  owner: Owner,
  now: number,
): Promise<CreateAnswer | typeof contended> {
  const { head, present, staleAddress } = await look(table, item)
  if (head !== null && head.planParts > 0) {
    await carryOut(table, head)
    return contended
  }
  const verdict = judgeCreate(item, head, present !== null)
  if (verdict === 'exists') return await answerExists(table, item, head, present as StoredOccurrence)
  if (verdict !== 'create') {
    // The two were not read at one moment: what moved the head on may have been the creation of this very record.
    const createdMeanwhile = head !== null && present === null && (await look(table, item)).present !== null
    return createdMeanwhile ? contended : verdict
  }
  const step = new JobStep(table, head as StoredHead)
  switch (item.kind) {
    case 'slot':
    case 'trigger':
    case 'replay':
      return await createDue(table, step, item, owner, now, staleAddress)
    case 'exclusion': {
      const record = excludedOccurrence(item, now)
      step.create(record)
      return (await commitStep(table, step)) ? created(record) : contended
    }
    case 'recovery':
      return await createRecovery(table, step, item, now)
  }
}

async function look(table: Table, item: CreateItem): Promise<Situation> {
  const { keys } = table
  const isRequest = item.kind === 'trigger' || item.kind === 'replay'
  const wanted = [keys.head(item.jobId), keys.occurrence(item)]
  if (isRequest) wanted.push(keys.address(item.id))
  const found = await readItems(table, wanted)
  const headItem = found.get(keys.head(item.jobId))
  const head = headItem === null ? null : readHead(headItem)
  const present = occurrenceIn(found, keys, item)
  const address = present === null && isRequest ? addressIn(found, keys, item.id) : null
  if (address === null) return { head, present, staleAddress: null }
  // It was created before, under the time of another request.
  const [elsewhere = null] = await loadOccurrences(table, [address])
  return { head, present: elsewhere, staleAddress: elsewhere === null ? address : null }
}

async function answerExists(
  table: Table,
  item: CreateItem,
  head: StoredHead | null,
  { record }: StoredOccurrence,
): Promise<CreateAnswer | typeof contended> {
  let { watermark, nextAt } = head ?? { watermark: record.scheduledAt, nextAt: null }
  if (head !== null && passesSlot(item, head)) {
    const step = new JobStep(table, head)
    advance(step, item.scheduledAt, item.nextAt)
    if (!(await commitStep(table, step))) return contended
    watermark = step.head.watermark
    nextAt = step.head.nextAt
  }
  const { state, token, owner } = record
  return { outcome: 'exists', state, token, owner, watermark, nextAt }
}

function created(
  { state, token, reason }: Pick<OccurrenceRecord, 'state' | 'token' | 'reason'>,
  displaced: readonly OccurrenceAddress[] = [],
  cancelRequested: readonly CancelNotice[] = [],
): CreateAnswer {
  return { outcome: 'created', state, token, reason, displaced, cancelRequested }
}

async function createDue(
  table: Table,
  step: JobStep,
  item: CreateSlot | CreateRequested,
  owner: Owner,
  now: number,
  staleAddress: OccurrenceAddress | null,
): Promise<CreateAnswer | typeof contended> {
  const { overlap } = step.head
  const paused = step.head.paused !== null
  const isPassedOver = paused && item.kind === 'slot'
  const looks = overlap.policy !== 'allow' && !isPassedOver
  if (!looks) await step.tidy()
  const active = looks ? await step.active() : []
  const pending = active.filter(({ state }) => state === 'pending')
  const running = active.filter(({ state }) => state === 'running')
  const decision = decideOverlap({
    kind: item.kind,
    overlap,
    paused,
    startable: isStartable(item, now),
    pending: pending.length,
    running: running.length,
    queued: step.head.queued.length,
  })
  const displaced = decision.displacesWaiting ? await step.waiting() : []
  for (const record of displaced) step.replace(ended(record, 'canceled', 'displaced', now))
  const asked = decision.cancelsRunning ? running : []
  const request = { at: now, reason: 'displaced', actor: null }
  const notices = asked.map((record) => {
    const changed = askedToCancel(record, request)
    step.replace(changed)
    return { ...addressOf(record), token: record.token, reason: changed.cancelRequest?.reason ?? request.reason }
  })
  const record = createdOccurrence(item, decision, owner, now)
  step.create(record, staleAddress)
  if (item.kind === 'slot') advance(step, item.scheduledAt, item.nextAt)
  return (await commitStep(table, step)) ? created(record, displaced.map(addressOf), notices) : contended
}

async function createRecovery(
  table: Table,
  step: JobStep,
  item: CreateRecovery,
  now: number,
): Promise<CreateAnswer | typeof contended> {
  const addresses = item.entries.map(({ id, scheduledAt }) => ({ id, scheduledAt, jobId: item.jobId }))
  const present = await loadOccurrences(table, addresses)
  let active = step.head.overlap.policy === 'allow' ? 0 : (await step.active()).length
  let last: OccurrenceRecord | null = null
  for (const [index, entry] of item.entries.entries()) {
    // A slot that was excluded ahead keeps its record.
    const there = present[index] ?? null
    last = there?.record ?? recoveredOccurrence(item, entry, decideRecoveredRun(step.head.overlap, active), now)
    if (there !== null) continue
    step.create(last)
    if (last.state === 'pending') active++
  }
  advance(step, item.watermark, item.nextAt)
  if (!(await commitStep(table, step))) return contended
  return created(last ?? { state: 'missed', token: 0, reason: null })
}

/** Moves the job past the slots up to `watermark`. */
function advance(step: JobStep, watermark: number, nextAt: number | null): void {
  step.head = { ...step.head, watermark: Math.max(step.head.watermark, watermark), nextAt }
}
