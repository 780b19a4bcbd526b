import {
  createdJob,
  deletedJob,
  ended,
  isRepeatedReplace,
  type JobChange,
  type JobRecord,
  type OccurrenceAddress,
  replacedJob,
  type SaveJobAnswer,
  type SaveJobsRequest,
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
  const head = createdJob(change.id, frozenContent(change.content), job?.head ?? null, now)
  const created = job ?? database.addJob(head)
  putHead(created, head, now)
  return { outcome: 'saved', job: copyJob(head), canceled: [] }
}

function replace(database: Database, job: JobEntry, change: Change<'replace'>, now: number): SaveJobAnswer {
  const { head } = job
  if (isRepeatedReplace(head, change)) return { outcome: 'unchanged', job: copyJob(head) }
  if (head.version !== change.expectedVersion || head.watermark !== change.expectedWatermark) {
    return { outcome: 'conflict', job: copyJob(head) }
  }
  putHead(job, replacedJob(head, frozenContent(change.content), now), now)
  let canceled: readonly OccurrenceAddress[] = []
  if (change.waiting === 'cancel') {
    const slots = waitingOf(job).filter((entry) => entry.record.kind === 'slot')
    canceled = cancelAll(database, slots, 'updated', now)
    database.wakeNext(job)
  }
  return { outcome: 'saved', job: copyJob(job.head), canceled }
}

function pause(database: Database, job: JobEntry, change: Change<'pause'>, now: number): SaveJobAnswer {
  const { head } = job
  if ((head.paused === null) === (change.paused === null)) return { outcome: 'unchanged', job: copyJob(head) }
  const paused = change.paused === null ? null : frozenPause(change.paused)
  if (paused !== null) database.live.park(job)
  job.head = { ...head, paused, changedAt: now }
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
  job.head = deletedJob(head, now)
  return { outcome: 'saved', job: copyJob(job.head), canceled }
}

/** Puts a head with a new version in force. */
function putHead(job: JobEntry, head: JobRecord, now: number): void {
  const frozen = Object.isFrozen(head.lineage) ? head : { ...head, lineage: Object.freeze([...head.lineage]) }
  const { id: jobId, version, fingerprint, definition } = frozen
  job.head = frozen
  job.versions.set(version, { record: { jobId, version, fingerprint, definition, createdAt: now }, references: 0 })
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
