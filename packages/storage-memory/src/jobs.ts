import {
  createdJob,
  deletedJob,
  ended,
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
import { addressOf, copyJob, frozenContent, frozenPause } from './copy.ts'
import type { Database } from './database.ts'
import { bySchedule, type JobEntry, type OccurrenceEntry } from './entries.ts'

export function saveJobs(database: Database, request: SaveJobsRequest): readonly SaveJobAnswer[] {
  return request.changes.map((change) => {
    const answer = saveJob(database, change, request.now)
    if (answer.outcome === 'saved') database.wakeUps.raise('jobs')
    return answer
  })
}

type Change<Kind extends JobChange['kind']> = Extract<JobChange, { readonly kind: Kind }>

function saveJob(database: Database, change: JobChange, now: number): SaveJobAnswer {
  const job = database.jobs.get(change.id)
  if (change.kind === 'create') return create(database, job, change, now)
  if (job === undefined || job.head.deletedAt !== null) return { outcome: 'absent' }
  switch (change.kind) {
    case 'replace':
      return replace(database, job, change, now)
    case 'pause':
      return pause(database, job, change, now)
    case 'delete':
      return remove(database, job, change, now)
  }
}

function create(database: Database, job: JobEntry | undefined, change: Change<'create'>, now: number): SaveJobAnswer {
  if (job !== undefined && job.head.deletedAt === null) return { outcome: 'exists', job: copyJob(job.head) }
  if (job !== undefined && isBelatedCreate(change.content, job.head)) {
    return { outcome: 'conflict', job: copyJob(job.head) }
  }
  const head = withFrozenLineage(createdJob(change.id, frozenContent(change.content), job?.head ?? null, now))
  if (job === undefined) addVersion(database.addJob(head), now)
  else {
    database.changeJob(job, head)
    addVersion(job, now)
  }
  return { outcome: 'saved', job: copyJob(head), canceled: [] }
}

function replace(database: Database, job: JobEntry, change: Change<'replace'>, now: number): SaveJobAnswer {
  const { head } = job
  if (isRepeatedReplace(head, change)) return { outcome: 'unchanged', job: copyJob(head) }
  if (head.version !== change.expectedVersion || head.watermark !== change.expectedWatermark) {
    return { outcome: 'conflict', job: copyJob(head) }
  }
  database.changeJob(job, withFrozenLineage(replacedJob(head, frozenContent(change.content), now)))
  addVersion(job, now)
  let canceled: readonly OccurrenceAddress[] = []
  if (change.waiting === 'cancel') {
    const slots = waitingOf(job).filter((entry) => entry.record.kind === 'slot')
    canceled = cancelAll(database, slots, 'updated', now)
    database.wakeNext(job)
  }
  if (wakesAllQueued(change.content)) database.wakeAll(job)
  return { outcome: 'saved', job: copyJob(job.head), canceled }
}

function pause(database: Database, job: JobEntry, change: Change<'pause'>, now: number): SaveJobAnswer {
  const { head } = job
  if ((head.paused === null) === (change.paused === null)) return { outcome: 'unchanged', job: copyJob(head) }
  const paused = change.paused === null ? null : frozenPause(change.paused)
  if (paused !== null) database.live.park(job)
  database.changeJob(job, { ...head, paused, changedAt: now })
  if (paused === null) {
    database.live.unpark(job)
    if (job.occurrences !== null && job.occurrences.pending.size > 0) database.wakeUps.raise('due')
  }
  return { outcome: 'saved', job: copyJob(job.head), canceled: [] }
}

function remove(database: Database, job: JobEntry, change: Change<'delete'>, now: number): SaveJobAnswer {
  const { head } = job
  if (change.expectedVersion !== null && head.version !== change.expectedVersion) {
    return { outcome: 'conflict', job: copyJob(head) }
  }
  const canceled = cancelAll(database, waitingOf(job), 'deleted', now)
  database.changeJob(job, deletedJob(head, now))
  return { outcome: 'saved', job: copyJob(job.head), canceled }
}

const noLineage: readonly string[] = Object.freeze([])

function withFrozenLineage(head: JobRecord): JobRecord {
  return { ...head, lineage: head.lineage.length === 0 ? noLineage : Object.freeze([...head.lineage]) }
}

/** Keeps the version that the head puts in force. */
function addVersion(job: JobEntry, now: number): void {
  const { id: jobId, version, fingerprint, definition } = job.head
  const record = { jobId, version, fingerprint, definition, createdAt: now }
  // `concat` makes an array of the exact length, a spread leaves room to grow: 130 bytes for each job.
  job.versions = job.versions.concat({ record, references: 0 })
}

/** Pending and queued occurrences of the job, in the order of their time. */
export function waitingOf(job: JobEntry): OccurrenceEntry[] {
  const { occurrences } = job
  if (occurrences === null) return []
  return [...occurrences.pending.ascending(), ...occurrences.queued.ascending()].sort(bySchedule)
}

/** Cancels waiting occurrences without waking others. */
export function cancelAll(
  database: Database,
  entries: readonly OccurrenceEntry[],
  reason: string,
  now: number,
): readonly OccurrenceAddress[] {
  return entries.map((entry) => {
    database.replace(entry, ended(entry.record, 'canceled', reason, now))
    return addressOf(entry.record)
  })
}
