import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import type { JobId, OccurrenceId } from '@jobistemer/core'
import {
  addressOf,
  ended,
  isFinal,
  isSuperseded,
  type JobWrite,
  type LedgerStep,
  type OccurrenceAddress,
  type OccurrenceRecord,
  type OccurrenceWrite,
  StepTooLarge,
  withRuns,
  woken,
} from '@jobistemer/core/storage'
import { gunzipSync, gzipSync } from 'node:zlib'
import { type Item, number, text } from './attributes.ts'
import { followingError } from './dynamodb-errors.ts'
import { headOf, type StoredHead, versionItem } from './job-item.ts'
import { JobReading } from './job-reading.ts'
import { keyItem } from './keys.ts'
import { listsAfter } from './live-lists.ts'
import type { StoredOccurrence } from './occurrence-item.ts'
import {
  checkHead,
  checkStartable,
  commit,
  isTooLarge,
  put,
  putHead,
  type QueueMoves,
  type RecordWrite,
  recordWrite,
  remove,
  writesOf,
} from './record-writes.ts'
import { groupsOf, transactionLimit } from './requests.ts'
import { contended, loadOccurrences, nameByKeys, type Table, untilDecided } from './table.ts'

/**
 * Reads what a step needs, lets the step decide, and commits its changes. Repeats this after a conflict with another
 * node. Steps of this storage on one job run one after the other, because DynamoDB charges for conflicting steps too.
 */
export async function runStep(table: Table, step: LedgerStep): Promise<void> {
  const id = step.jobs[0] as JobId
  const { stepsUnderWay } = table
  const earlier = stepsUnderWay.get(id)
  const own = decided(step.isOptional ? { ...table, requests: table.requests.brief } : table, id, step, earlier)
  stepsUnderWay.set(id, own)
  try {
    await own
  } finally {
    if (stepsUnderWay.get(id) === own) stepsUnderWay.delete(id)
  }
}

async function decided(table: Table, id: JobId, step: LedgerStep, earlier: Promise<void> | undefined): Promise<void> {
  // Waits for the earlier step on this job. If DynamoDB did not complete the earlier step, this step rejects at once. Otherwise
  // the k-th step would wait for k whole retry periods. Other errors concern only the caller of the earlier step.
  const failure = await earlier?.then(() => null, followingError)
  if (failure) throw failure
  await untilDecided(table, id, async () => ((await attempt(table, id, step)) ? null : contended))
}

async function attempt(table: Table, id: JobId, step: LedgerStep): Promise<boolean> {
  const job = await JobReading.begin(table, id, step)
  if (job.head !== null && job.head.planParts > 0) {
    await carryOut(table, job.head)
    return false
  }
  for (const need of step.needs(job.heads())) await job.readLive(need)
  const [write] = step.decide(job.state())
  if (await job.haveAppeared(refused(step, job, write))) return false
  return write === undefined || (await commitStep(table, job, write, step))
}

/**
 * Returns the occurrences that the step names, but that the step has neither found nor created. If such an occurrence exists
 * now, the reads of the step have missed it.
 */
function refused({ occurrences }: LedgerStep, { records }: JobReading, write: JobWrite | undefined) {
  const created = new Set(write?.occurrences.map(({ after }) => after.id))
  return occurrences.filter(({ id }) => !records.has(id) && !created.has(id))
}

/**
 * Writes the decisions of a step if the data that the step has read are unchanged. Otherwise writes nothing and returns false.
 *
 * Most steps also write the job's head. Such a write fails if another step has written the head since this step read it. So
 * only one of several concurrent steps succeeds. Two kinds of steps do not write the head, if they do not change it:
 * - The step changes only running occurrences, and each of them keeps running or is not {@link StoredOccurrence.marked}.
 * - The step only starts pending occurrences of a job with the overlap policy `allow`.
 */
async function commitStep(table: Table, job: JobReading, write: JobWrite, step: LedgerStep): Promise<boolean> {
  const { before, after, occurrences } = write
  if (before !== null && after.head === before.head) {
    if (occurrences.every(concernsNobody)) return await commitBesideHead(table, job, write, step, [])
    if (before.head.overlap.policy === 'allow' && occurrences.every(starts)) {
      return await commitBesideHead(table, job, write, step, [checkStartable(table, job.head as StoredHead)])
    }
  }
  return await commitWithHead(table, job, write, step)
}

function concernsNobody({ before, after }: OccurrenceWrite): boolean {
  if (before?.record.state !== 'running') return false
  return after.state === 'running' || !(before as StoredOccurrence).marked
}

function starts({ before, after }: OccurrenceWrite): boolean {
  return before?.record.state === 'pending' && after.state === 'running'
}

async function commitBesideHead(
  table: Table,
  job: JobReading,
  { occurrences }: JobWrite,
  step: LedgerStep,
  checks: readonly TransactWriteItem[],
): Promise<boolean> {
  const writes = await writesOf(
    table,
    occurrences.map((change) => recordWrite(job, change, { marks: false })),
  )
  if (writes === null) return false
  if (step.isDivisible && isTooLarge(writes.items)) throw new StepTooLarge()
  return await commit(table, writes, checks)
}

async function commitWithHead(table: Table, job: JobReading, write: JobWrite, step: LedgerStep): Promise<boolean> {
  const { after, occurrences } = write
  const before = after.job === null ? (after.head as StoredHead) : headOf(after.job, job.head)
  const { lists, moves, writes: ofLists } = await listsAfter(table, job, before, occurrences)
  const changed = { ...before, ...lists }
  const records = recordsOf(job, write, changed, moves)
  const others = [...ofLists, ...jobWrites(table, write), ...nameByKeys(table, job, occurrences)]
  const writes = await writesOf(table, records)
  if (writes === null) return false
  const isPlanned = isTooLarge([...writes.items, ...others])
  if (isPlanned && step.isDivisible) throw new StepTooLarge()
  const plan = isPlanned ? planWrites(table, changed.id, records) : []
  const revision = write.before === null ? 0 : (job.head as StoredHead).revision
  const head = { ...changed, revision: revision + 1, planParts: plan.length }
  const withHead = [putHead(table, head, revision), ...plan, ...others]
  if (!isPlanned) return await commit(table, writes, withHead)
  if (!(await table.requests.transact(withHead))) return false
  await carryOut(table, head)
  step.outlived(await outlived(table, write))
  return true
}

/** Builds the writes of the step's changes. Marks running occurrences whose end must also write the head. */
function recordsOf(
  job: JobReading,
  { occurrences }: JobWrite,
  head: StoredHead,
  moves: QueueMoves,
): readonly RecordWrite[] {
  const marks = head.queued.length > 0 || head.deletedAt !== null
  const changed = new Set<OccurrenceId>(occurrences.map(({ after }) => after.id))
  const unmarked = [...job.records.values()].filter(
    ({ record, marked }) => marks && record.state === 'running' && !marked && !changed.has(record.id),
  )
  return [...occurrences, ...unmarked.map((before) => ({ before, after: before.record }))].map((change) =>
    recordWrite(job, change, { marks, moves }),
  )
}

/**
 * Returns the occurrences that this large step should have ended, but that another node has started first. These occurrences
 * continue to run.
 */
async function outlived(table: Table, { occurrences }: JobWrite): Promise<ReadonlySet<OccurrenceId>> {
  const ends = occurrences.filter(({ before, after }) => before !== null && isFinal(after.state))
  const stored = await loadOccurrences(
    table,
    ends.map(({ after }) => after),
  )
  const others = ends.filter(({ after }, index) => (stored[index]?.record.state ?? after.state) !== after.state)
  return new Set(others.map(({ after }) => after.id))
}

/** Returns the writes of a job's versions and registry entry, for a step that changes the job itself. */
function jobWrites(table: Table, { before, after: { job }, versions }: JobWrite): readonly TransactWriteItem[] {
  if (job === null) return []
  const { keys } = table
  const writes = versions.map((version) => put(table, versionItem(keys, { ...job, ...version }, version.createdAt)))
  const registered: Item = keyItem(keys.registered(job.id))
  if (job.deletedAt !== null) registered.d = number(job.deletedAt)
  writes.push(put(table, registered), put(table, keyItem(keys.changed(job.id, job.changedAt))))
  const changedAt = before?.job?.changedAt ?? job.changedAt
  if (changedAt !== job.changedAt) writes.push(remove(table, keys.changed(job.id, changedAt)))
  return writes
}

// A transaction has at most 100 items. A larger step writes the new head together with a plan, the list of the remaining
// writes. Examples are a recovery of hundreds of slots, and the deletion of a job with hundreds of waiting occurrences.
// When the plan is stored, the step has taken effect. If its node dies, the next step that reads the head carries the plan
// out first.

// Maximum size of one item with remaining writes of a large step, in bytes: below the 400 KB of an item.
const bytesPerPart = 300_000

/**
 * A record that a large step has still to write. If an older state of the record is already stored, `record` has no details
 * and no task runs.
 */
interface PlannedWrite extends RecordWrite {
  /**
   * The details and task runs that the step changes in a stored record. Absent for a new record. Plans that an older version of
   * the package has stored never have this member.
   */
  readonly changed?: Bulk
}

type Bulk = Partial<Pick<OccurrenceRecord, 'details' | 'runs'>>

/** Returns requests that store these writes as a plan. After storing the plan, a node makes the writes in the plan. */
function planWrites(table: Table, job: JobId, records: readonly RecordWrite[]): TransactWriteItem[] {
  const { keys } = table
  const bytes = gzipSync(JSON.stringify(records.map(withoutBulk)))
  return Array.from({ length: Math.ceil(bytes.length / bytesPerPart) }, (_, part) => {
    const content = { B: bytes.subarray(part * bytesPerPart, (part + 1) * bytesPerPart) }
    return put(table, { ...keyItem(keys.plan(job, part)), lp: text(keys.planPartition), lo: number(part), j: content })
  })
}

/** Returns the remaining writes of a job's large step; `null` if a node has carried them out. */
async function readPlan({ keys, requests }: Table, head: StoredHead): Promise<readonly PlannedWrite[] | null> {
  const places = Array.from({ length: head.planParts }, (_, part) => keys.plan(head.id, part))
  const found = await requests.getAll(places)
  const parts = places.map((place) => found.get(place)?.j?.B)
  if (!parts.every((part) => part !== undefined)) return null
  return JSON.parse(gunzipSync(Buffer.concat(parts)).toString()) as readonly PlannedWrite[]
}

/** Leaves out unchanged details and task runs, which the stored record has. */
function withoutBulk(write: RecordWrite): PlannedWrite {
  const { record, before, revision } = write
  if (revision === 0) return write
  const { details, runs } = record
  const changed: Bulk = {
    ...(before?.record.details !== details && { details }),
    ...(before?.record.runs !== runs && { runs }),
  }
  return { ...write, before: null, record: { ...record, details: {}, runs: [] }, changed }
}

/**
 * Occurrences that the plan of a large step was meant to end. Another node claimed these occurrences before the plan was
 * stored, so they continue to run.
 */
type Survivors = Map<OccurrenceId, OccurrenceAddress>

/**
 * Makes the writes in a job's stored plan, and then removes the plan. The plan has the writes of a large step that do not fit
 * into one transaction. Several nodes may carry out the same plan at once.
 */
export async function carryOut(table: Table, head: StoredHead): Promise<void> {
  const writes = await readPlan(table, head)
  if (writes === null) return
  const survivors: Survivors = new Map()
  for (const some of groupsOf(writes, recordsPerTransaction)) {
    if (!(await writeSome(table, head, some, survivors))) return
  }
  await takeAway(table, head, [...survivors.values()])
}

/**
 * Removes the plan of a large step. The plan marks running occurrences, so that their ends wake the next occurrence. But a
 * running occurrence may have ended before it was marked, and its end has woken no occurrence. So if no occurrence is active,
 * this function wakes the next queued occurrence.
 */
async function takeAway(table: Table, stored: StoredHead, survivors: readonly OccurrenceAddress[]): Promise<void> {
  const head = { ...stored, active: [...stored.active, ...survivors] }
  const job = new JobReading(table, head.id, head)
  await job.readLive({ counts: head.queued.length > 0, pending: 0, queued: 1, running: 0, superseded: null })
  const { queued, running, pending, delayed } = job.counts
  const [first] = queued > 0 && running + pending === delayed ? (job.state().live.get(head.id)?.queued ?? []) : []
  const next = first === undefined || isSuperseded(head, first.record) ? undefined : first
  const plan = Array.from({ length: head.planParts }, (_, part) => remove(table, table.keys.plan(head.id, part)))
  const wakes = next === undefined ? [] : [{ before: next, after: woken(next.record) }]
  const { lists, moves, writes } = await listsAfter(table, job, head, wakes)
  const woke = await writesOf(
    table,
    wakes.map((change) => recordWrite(job, change, { marks: false, moves })),
  )
  if (woke === null) return
  const after = { ...head, ...lists, revision: head.revision + 1, planParts: 0 }
  await commit(table, woke, [putHead(table, after, head.revision), ...writes, ...plan])
}

// A new queued record needs three items of a transaction: the record, its address and its queue item. The check of the head
// needs one item.
const recordsPerTransaction = Math.floor((transactionLimit - 1) / 3)

/** Writes the records `wanted` of a large step's plan. Returns false if another node has carried out the plan. */
async function writeSome(
  table: Table,
  head: StoredHead,
  wanted: readonly PlannedWrite[],
  survivors: Survivors,
): Promise<boolean> {
  return await untilDecided(table, head.id, async () => {
    const left = await stillToWrite(table, head, wanted, survivors)
    if (left.length === 0) return true
    const writes = await writesOf(table, left)
    if (writes !== null && left.length > 1 && isTooLarge(writes.items)) {
      const half = Math.ceil(left.length / 2)
      if (!(await writeSome(table, head, left.slice(0, half), survivors))) return false
      return await writeSome(table, head, left.slice(half), survivors)
    }
    if (writes !== null && (await commit(table, writes, [checkHead(table, head)]))) return true
    // The transaction has not written the records, for one of three reasons:
    // - Another node has written the same records of the plan.
    // - The owner of a running occurrence has changed the record of this occurrence.
    // - `writesOf` has only marked a record.
    const item = await table.requests.get(table.keys.head(head.id))
    return item?.v?.N === String(head.revision) ? contended : false
  })
}

/** Returns the planned writes that are still needed, given the stored records. */
async function stillToWrite(
  table: Table,
  head: StoredHead,
  writes: readonly PlannedWrite[],
  survivors: Survivors,
): Promise<readonly RecordWrite[]> {
  const stored = await loadOccurrences(
    table,
    writes.map(({ record }) => record),
  )
  return writes.flatMap((write, index) => leftOf(head, write, stored[index] ?? null, survivors) ?? [])
}

function leftOf(
  head: StoredHead,
  write: PlannedWrite,
  there: StoredOccurrence | null,
  survivors: Survivors,
): RecordWrite | null {
  const { record: wanted, changed } = write
  if (there === null) return write.revision === 0 ? write : null
  const { record, revision, marked } = there
  const { details, runs, state } = record
  if (revision === write.revision) return { ...write, record: { ...wanted, details, runs, ...changed }, before: there }
  if (write.revision === 0 || isFinal(state)) return null
  // The stored revision differs from the planned one, for one of two reasons. Another node has already written this record
  // of the plan. Or a node changed the record before the plan was stored.
  const isClaimed = state === 'running' && record.token !== wanted.token
  const concerns = head.deletedAt !== null || head.queued.length > 0
  const said = withSaid(record, write)
  if (isFinal(wanted.state)) {
    if (!isClaimed) return anew(ended(said, wanted.state, wanted.reason, wanted.finishedAt as number))
    survivors.set(record.id, addressOf(record))
  } else if (wanted.state !== 'running') return null
  if (state !== 'running' && head.deletedAt !== null) {
    return anew(ended(record, 'canceled', 'deleted', head.deletedAt))
  }
  const cancelRequest = record.cancelRequest ?? wanted.cancelRequest
  const isMarked = state === 'running' && (marked || write.marked || concerns)
  if (isMarked === marked && cancelRequest === record.cancelRequest && said.sequence === record.sequence) return null
  return { ...anew({ ...said, cancelRequest }), marked: isMarked }

  function anew(next: OccurrenceRecord): RecordWrite {
    return { record: next, before: there, marked: false, revision, staleAddress: null }
  }
}

/**
 * Returns the record with the task runs of the planned write. Returns the record unchanged in three cases:
 * - The planned write contains no task runs.
 * - The record has another token than the planned write.
 * - The owner of the occurrence has stored newer task runs.
 */
function withSaid(record: OccurrenceRecord, { record: { token, sequence }, changed }: PlannedWrite): OccurrenceRecord {
  if (changed?.runs === undefined || token !== record.token || sequence < record.sequence) return record
  return withRuns(record, changed.runs, sequence)
}
