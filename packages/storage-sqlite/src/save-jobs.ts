import {
  createdJob,
  deletedJob,
  isBelatedCreate,
  isRepeatedReplace,
  type JobChange,
  type JobRecord,
  type OccurrenceAddress,
  replacedJob,
  type SaveJobAnswer,
  type SaveJobsRequest,
  wakesAllQueued,
} from '@jobistemer/core/storage'
import { cancelAll, waitingOf } from './create-occurrences.ts'
import type { StoredJob } from './job-table.ts'
import type { Ledger } from './ledger.ts'

export function saveJobs(ledger: Ledger, { changes, now }: SaveJobsRequest): readonly SaveJobAnswer[] {
  return changes.map((change) => saveJob(ledger, change, now))
}

type Change<Kind extends JobChange['kind']> = Extract<JobChange, { readonly kind: Kind }>

function saveJob(ledger: Ledger, change: JobChange, now: number): SaveJobAnswer {
  const stored = ledger.jobs.find(change.id)
  if (change.kind === 'create') return create(ledger, stored, change, now)
  if (stored === undefined || stored.job.deletedAt !== null) return { outcome: 'absent' }
  switch (change.kind) {
    case 'replace':
      return replace(ledger, stored, change, now)
    case 'pause':
      return pause(ledger, stored, change, now)
    case 'delete':
      return remove(ledger, stored, change, now)
  }
}

function create(ledger: Ledger, stored: StoredJob | undefined, change: Change<'create'>, now: number): SaveJobAnswer {
  if (stored !== undefined && stored.job.deletedAt === null) return { outcome: 'exists', job: stored.job }
  if (stored !== undefined && isBelatedCreate(change.content, stored.job))
    return { outcome: 'conflict', job: stored.job }
  const job = createdJob(change.id, change.content, stored?.job ?? null, now)
  if (stored === undefined) ledger.jobs.insert(job, now)
  else ledger.jobs.update(stored, job, now)
  return saved(ledger, job)
}

function replace(ledger: Ledger, found: StoredJob, change: Change<'replace'>, now: number): SaveJobAnswer {
  const { row, job: stored } = found
  if (isRepeatedReplace(stored, change)) return { outcome: 'unchanged', job: stored }
  if (stored.version !== change.expectedVersion || stored.watermark !== change.expectedWatermark) {
    return { outcome: 'conflict', job: stored }
  }
  const job = replacedJob(stored, change.content, now)
  ledger.jobs.update(found, job, now)
  let canceled: readonly OccurrenceAddress[] = []
  if (change.waiting === 'cancel') {
    const slots = waitingOf(ledger, row).filter(({ record }) => record.kind === 'slot')
    canceled = cancelAll(ledger, slots, 'updated', now)
    ledger.wakeNext(row, now)
  }
  if (wakesAllQueued(job)) ledger.wakeAll(row, now)
  return saved(ledger, job, canceled)
}

function pause(ledger: Ledger, found: StoredJob, change: Change<'pause'>, now: number): SaveJobAnswer {
  const { row, job: stored } = found
  if ((stored.paused === null) === (change.paused === null)) return { outcome: 'unchanged', job: stored }
  const job = { ...stored, paused: change.paused, changedAt: now }
  ledger.jobs.update(found, job, now)
  if (change.paused === null) ledger.live.unpark(row, now)
  else ledger.live.park(row)
  return saved(ledger, job)
}

function remove(ledger: Ledger, found: StoredJob, change: Change<'delete'>, now: number): SaveJobAnswer {
  const { row, job: stored } = found
  if (change.expectedVersion !== null && stored.version !== change.expectedVersion) {
    return { outcome: 'conflict', job: stored }
  }
  const canceled = cancelAll(ledger, waitingOf(ledger, row), 'deleted', now)
  const job = deletedJob(stored, now)
  ledger.jobs.update(found, job, now)
  return saved(ledger, job, canceled)
}

function saved(ledger: Ledger, job: JobRecord, canceled: readonly OccurrenceAddress[] = []): SaveJobAnswer {
  // Read back, so that the answer is what is stored and shares nothing with the request.
  return { outcome: 'saved', job: (ledger.jobs.find(job.id) as StoredJob).job, canceled }
}
