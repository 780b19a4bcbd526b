import type { TransactWriteItem } from '@aws-sdk/client-dynamodb'
import {
  createdJob,
  deletedJob,
  ended,
  isBelatedCreate,
  isRepeatedReplace,
  type JobChange,
  type JobRecord,
  type OccurrenceAddress,
  type OccurrenceRecord,
  replacedJob,
  type SaveJobAnswer,
  type SaveJobsRequest,
  wakesAllQueued,
  woken,
} from '@jobistemer/core/storage'
import { type Item, number, text } from './attributes.ts'
import { carryOut, commitStep } from './carry-out.ts'
import { byJob } from './in-order.ts'
import { firstLookAt, headOf, versionItem } from './job-item.ts'
import { JobStep } from './job-step.ts'
import type { Keys } from './keys.ts'
import { loadJobs, type LoadedJob } from './query-jobs.ts'
import { remove } from './record-writes.ts'
import { addressOf, contended, loadOccurrences, type Table, untilDecided } from './table.ts'

export async function saveJobs(table: Table, { changes, now }: SaveJobsRequest): Promise<readonly SaveJobAnswer[]> {
  return await byJob(
    changes,
    ({ id }) => id,
    async (change) => await untilDecided(table, change.id, async () => await saveJob(table, change, now)),
  )
}

type Change<Kind extends JobChange['kind']> = Extract<JobChange, { readonly kind: Kind }>
type Decision = Promise<SaveJobAnswer | typeof contended>

async function saveJob(table: Table, change: JobChange, now: number): Decision {
  const [stored = null] = await loadJobs(table, [change.id])
  if (stored !== null && stored.head.planParts > 0) {
    await carryOut(table, stored.head)
    return contended
  }
  if (change.kind === 'create') return await create(table, stored, change, now)
  if (stored === null || stored.job.deletedAt !== null) return { outcome: 'absent' }
  switch (change.kind) {
    case 'replace':
      return await replace(table, stored, change, now)
    case 'pause':
      return await pause(table, stored, change, now)
    case 'delete':
      return await removeJob(table, stored, change, now)
  }
}

async function create(table: Table, stored: LoadedJob | null, change: Change<'create'>, now: number): Decision {
  const before = stored?.job ?? null
  if (before !== null && before.deletedAt === null) return { outcome: 'exists', job: before }
  if (before !== null && isBelatedCreate(change.content, before)) return { outcome: 'conflict', job: before }
  const job = createdJob(change.id, change.content, before, now)
  const nothing = { revision: 0, active: [], queued: [], lookAt: firstLookAt, planParts: 0 }
  const step = new JobStep(table, headOf(job, stored?.head ?? nothing), stored === null)
  return await save(table, step, job, before, { now, isNewVersion: true, canceled: [] })
}

async function replace(table: Table, stored: LoadedJob, change: Change<'replace'>, now: number): Decision {
  const { job: before, head } = stored
  if (isRepeatedReplace(before, change)) return { outcome: 'unchanged', job: before }
  if (before.version !== change.expectedVersion || before.watermark !== change.expectedWatermark) {
    return { outcome: 'conflict', job: before }
  }
  const job = replacedJob(before, change.content, now)
  const step = new JobStep(table, headOf(job, head))
  let canceled: readonly OccurrenceAddress[] = []
  if (change.waiting === 'cancel') {
    const slots = (await step.waiting()).filter(({ kind }) => kind === 'slot')
    canceled = cancelAll(step, slots, 'updated', now)
    await step.wakeNext()
  }
  if (wakesAllQueued(change.content)) for (const record of await step.queued()) step.replace(woken(record))
  return await save(table, step, job, before, { now, isNewVersion: true, canceled })
}

async function pause(table: Table, stored: LoadedJob, change: Change<'pause'>, now: number): Decision {
  const { job: before, head } = stored
  if ((before.paused === null) === (change.paused === null)) return { outcome: 'unchanged', job: before }
  const job = { ...before, paused: change.paused, changedAt: now }
  const step = new JobStep(table, headOf(job, head))
  return await save(table, step, job, before, { now, isNewVersion: false, canceled: [] })
}

async function removeJob(table: Table, stored: LoadedJob, change: Change<'delete'>, now: number): Decision {
  const { job: before, head } = stored
  if (change.expectedVersion !== null && before.version !== change.expectedVersion) {
    return { outcome: 'conflict', job: before }
  }
  const job = deletedJob(before, now)
  const step = new JobStep(table, headOf(job, head))
  const canceled = cancelAll(step, await step.waiting(), 'deleted', now)
  return await save(table, step, job, before, { now, isNewVersion: false, canceled })
}

function cancelAll(
  step: JobStep,
  records: readonly OccurrenceRecord[],
  reason: string,
  now: number,
): readonly OccurrenceAddress[] {
  for (const record of records) step.replace(ended(record, 'canceled', reason, now))
  return records.map(addressOf)
}

/** Writes the step together with the job's version and its place in the registry. */
async function save(
  table: Table,
  step: JobStep,
  job: JobRecord,
  before: JobRecord | null,
  { now, isNewVersion, canceled }: { now: number; isNewVersion: boolean; canceled: readonly OccurrenceAddress[] },
): Decision {
  const { keys, requests } = table
  const put = (item: Item): TransactWriteItem => ({ Put: { TableName: requests.tableName, Item: item } })
  if (isNewVersion) step.writes.push(put(versionItem(keys, job, now)))
  step.writes.push(put(registeredItem(keys, job)), put(changedItem(keys, job)))
  if (before !== null && before.changedAt !== job.changedAt) {
    step.writes.push(remove(table, keys.changed(job.id, before.changedAt)))
  }
  const committed = await commitStep(table, step)
  if (committed === null) return contended
  const really = committed.planParts > 0 ? await endedOf(table, canceled) : canceled
  // As it is stored, so that it shares nothing with the request.
  return { outcome: 'saved', job: structuredClone(job), canceled: really }
}

/** Those of a large step that did not run already when it took effect. */
async function endedOf(table: Table, addresses: readonly OccurrenceAddress[]): Promise<readonly OccurrenceAddress[]> {
  const stored = await loadOccurrences(table, addresses)
  return addresses.filter((_, index) => (stored[index]?.record.state ?? 'canceled') === 'canceled')
}

function registeredItem(keys: Keys, job: JobRecord): Item {
  const { pk, sk } = keys.registered(job.id)
  const item: Item = { pk: text(pk), sk: text(sk) }
  if (job.deletedAt !== null) item.d = number(job.deletedAt)
  return item
}

function changedItem(keys: Keys, job: JobRecord): Item {
  const { pk, sk } = keys.changed(job.id, job.changedAt)
  return { pk: text(pk), sk: text(sk) }
}
