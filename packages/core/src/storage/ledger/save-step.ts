import type { JobRecord, JobVersionRecord } from '../job-record.ts'
import {
  addsPlaces,
  changesPause,
  changesStartRate,
  createdJob,
  deletedJob,
  goesOnCanceling,
  isBelatedCreate,
  isRepeatedReplace,
  mayReplace,
  replacedJob,
  wakesAllQueued,
} from '../rules.ts'
import type { JobChange, SaveJobAnswer } from '../storage.ts'
import type { JobLedger } from './job-ledger.ts'
import {
  cancelLeft,
  cancelSuperseded,
  hasWaiting,
  letGoHeld,
  type StepContext,
  wakeAll,
  wakeFirst,
} from './step-context.ts'

type Stored = JobLedger | undefined

/** Executes one item of `saveJobs`: an atomic change of a job. */
export function saveStep(context: StepContext, job: Stored, change: JobChange, cancelLimit: number): SaveJobAnswer {
  const answer = changeJob(context, job, change, cancelLimit)
  if (answer.outcome === 'saved') context.wakeUps.add('jobs')
  return answer
}

type Change<Kind extends JobChange['kind']> = Extract<JobChange, { readonly kind: Kind }>

function changeJob(context: StepContext, job: Stored, change: JobChange, cancelLimit: number): SaveJobAnswer {
  if (change.kind === 'create') return create(context, job, change, cancelLimit)
  if (job === undefined) return { outcome: 'absent' }
  const isUnfinished = change.kind === 'delete' && hasWaiting(job)
  if (job.head.deletedAt !== null && !isUnfinished) return { outcome: 'absent' }
  switch (change.kind) {
    case 'replace':
      return replace(context, job, change, cancelLimit)
    case 'pause':
      return pause(context, job, change)
    case 'delete':
      return remove(context, job, change, cancelLimit)
  }
}

function create(context: StepContext, there: Stored, change: Change<'create'>, cancelLimit: number): SaveJobAnswer {
  const present = there?.job ?? null
  if (present !== null && present.deletedAt === null) return { outcome: 'exists', job: present }
  if (there !== undefined && present !== null) {
    // Cancel waiting occurrences of the deleted job first: the new job must not run them.
    cancelLeft(context, there, cancelLimit)
    if (hasWaiting(there)) return { outcome: 'conflict', job: present }
  }
  if (present !== null && isBelatedCreate(change.content, present)) return { outcome: 'conflict', job: present }
  const job = createdJob(change.id, change.content, present, context.now)
  if (there === undefined) context.createJob(job, versionOf(job, context.now))
  else there.save(job, versionOf(job, context.now))
  return { outcome: 'saved', job, canceled: [] }
}

function replace(context: StepContext, job: JobLedger, change: Change<'replace'>, cancelLimit: number): SaveJobAnswer {
  const before = job.job
  if (goesOnCanceling(before, change)) return cancelReplaced(context, job, cancelLimit)
  if (isRepeatedReplace(before, change)) return { outcome: 'unchanged', job: before }
  if (before.version !== change.expectedVersion || before.watermark !== change.expectedWatermark) {
    return { outcome: 'conflict', job: before }
  }
  if (!mayReplace(before, change)) return { outcome: 'conflict', job: before }
  const after = replacedJob(before, change, context.now)
  job.save(after, versionOf(after, context.now))
  const isOtherRate = changesStartRate(before, after)
  if (isOtherRate && before.overlap.startRate !== undefined) letGoHeld(context, job)
  if (change.waiting === 'cancel') return cancelReplaced(context, job, cancelLimit)
  // While superseded slots remain, wake no queued occurrence. The step that cancels the last superseded slot wakes the
  // remaining queued occurrences.
  if (after.cancelsBelow === null) {
    if (wakesAllQueued(after)) wakeAll(context, job)
    else if (isOtherRate || addsPlaces(before, after)) wakeFirst(context, job)
  }
  return { outcome: 'saved', job: job.job, canceled: [] }
}

function cancelReplaced(context: StepContext, job: JobLedger, cancelLimit: number): SaveJobAnswer {
  const canceled = cancelSuperseded(context, job, cancelLimit)
  wakeFirst(context, job)
  const after = job.job
  return { outcome: 'saved', job: after, canceled, ...(after.cancelsBelow !== null && { more: true }) }
}

function pause(context: StepContext, job: JobLedger, { paused }: Change<'pause'>): SaveJobAnswer {
  const before = job.job
  if (!changesPause(before, paused, context.now)) return { outcome: 'unchanged', job: before }
  const after = { ...before, paused, changedAt: context.now }
  job.save(after, null)
  if (paused === null && job.counts.pending > 0) context.wakeUps.add('due')
  return { outcome: 'saved', job: after, canceled: [] }
}

function remove(context: StepContext, job: JobLedger, change: Change<'delete'>, cancelLimit: number): SaveJobAnswer {
  const before = job.job
  if (change.expectedVersion !== null && before.version !== change.expectedVersion) {
    return { outcome: 'conflict', job: before }
  }
  const canceled = cancelLeft(context, job, cancelLimit)
  const isLeft = hasWaiting(job)
  let after = before
  if (before.deletedAt === null) {
    after = deletedJob(before, context.now)
    // If waiting occurrences remain, later claims must cancel them. A claim cancels no occurrence of a paused job. So end the
    // pause of the deleted job.
    if (isLeft) after = { ...after, paused: null }
    job.save(after, null)
  }
  return { outcome: 'saved', job: after, canceled, ...(isLeft && { more: true }) }
}

function versionOf({ id, version, fingerprint, definition }: JobRecord, now: number): JobVersionRecord {
  return { jobId: id, version, fingerprint, definition, createdAt: now }
}
