import type { JobId, OccurrenceId } from '@jobistemer/core'
import { isDelayed, isFinal, nextStartAt, type OccurrenceRecord, type Storage } from '@jobistemer/core/storage'
import { checkLedger } from '@jobistemer/storage-conformance'
import type { HistoryEvent } from '../history/history.ts'
import type { StorageModel } from './check-storage.ts'
import type { JobModel, OccurrenceModel } from './job-model.ts'
import { nextSlot, slotsBetween } from './series.ts'
import type { StoredState } from './stored-state.ts'
import type { Rule, Violation } from './violation.ts'

/**
 * Maximum delay, in ms, of background work: claims, scans for overdue slots, and scans for changed definitions. A node does
 * this work at intervals, or after a wake-up, which may be late.
 */
const slackMs = 35_000

/**
 * Checks that the system recovers after the faults. `stored` is the state at the end of the simulation, after a phase without
 * faults.
 */
export function checkConvergence(
  stored: StoredState,
  model: StorageModel,
  events: readonly HistoryEvent[],
  { areCallsAlone = false }: { readonly areCallsAlone?: boolean } = {},
): readonly Violation[] {
  const violations: Violation[] = []
  const note = (jobId: JobId, occurrence: OccurrenceId | null, message: string): void => {
    violations.push({ rule: 'stuck', message, jobId, occurrence, event: null })
  }
  const calmStart = events.findIndex((event) => event.kind === 'phase' && event.phase === 'calm')
  for (const job of stored.jobs) {
    const history = stored.occurrences.filter(({ jobId }) => jobId === job.id)
    const active = history.filter((one) => one.state === 'running' || (one.state === 'pending' && !isDelayed(one)))
    for (const record of history) {
      const reason = stuckReason(record, active, {
        now: stored.now,
        places: job.overlap.maxConcurrency ?? 1,
        startsAt: nextStartAt(job),
      })
      if (reason !== null) note(job.id, record.id, reason)
    }
    if (job.deletedAt !== null) continue
    const watermark = model.jobs.get(job.id)?.watermark ?? job.watermark
    const next = nextSlot(job.timeline, Math.max(watermark, job.pruneFloor ?? watermark))
    if (next !== null && next < stored.now - slackMs) note(job.id, null, `slot ${text(next)} was never decided about`)
    // The checker accepts that this job is ahead: the storage's clock was ahead for long enough to decide future slots, and no
    // user realigned the job.
    if (watermark > stored.now) continue
    const since = stored.now - 80_000
    const known = model.jobs.get(job.id)
    // A prune while a clock was ahead may have raised the prune floor into the future. Slots up to the floor never run, also
    // after a realign.
    const slots = [
      ...slotsBetween(job.timeline, Math.max(since, job.pruneFloor ?? since), stored.now - slackMs),
    ].filter((slot) => known === undefined || !model.isDecidedAhead(known, slot))
    const fires = events.some(
      (event, index) =>
        index > calmStart &&
        // Between two calls of `runDue` a job may miss slots, and its recovery strategy may run none of these slots. So if no
        // node runs between the calls, a recovery also shows that the job still runs.
        (event.kind === 'handler.started' || (areCallsAlone && event.kind === 'recovered')) &&
        event.jobId === job.id,
    )
    if (slots.length > 1 && !fires) note(job.id, null, 'no handler of it started after the faults')
  }
  return violations
}

function stuckReason(
  record: OccurrenceRecord,
  active: readonly OccurrenceRecord[],
  { now, places, startsAt }: { readonly now: number; readonly places: number; readonly startsAt: number },
): string | null {
  switch (record.state) {
    case 'running': {
      const late = now - (record.deadlineAt as number)
      return late > slackMs ? `it runs ${late} ms beyond its deadline, on ${record.owner?.node}` : null
    }
    case 'pending': {
      const waited = now - Math.max(record.dueAt, record.createdAt)
      const running = active.filter(({ id, state }) => id !== record.id && state === 'running').length
      return waited > 75_000 && running < places
        ? `it is pending for ${waited} ms, and ${running} of its job run`
        : null
    }
    case 'queued':
      if (active.length === 0) return 'it is queued, but no active occurrence can wake it'
      // In a job with a start rate, each start wakes only one queued occurrence. So an occurrence may stay queued although the
      // job has free places. From `startsAt` on, the start rate allows the next start. The checker reports an occurrence only
      // if it is still queued 75 s after `startsAt` and after its creation.
      return active.length < places && now - Math.max(record.createdAt, startsAt) > 75_000
        ? `it is queued, but only ${active.length} of ${places} possible occurrences of its job are active`
        : null
    default:
      return null
  }
}

/** Checks that the final records are consistent with each other and with the history. */
export async function checkStored(
  storage: Storage,
  stored: StoredState,
  model: StorageModel,
): Promise<readonly Violation[]> {
  const violations: Violation[] = []
  const note = (rule: Rule, jobId: JobId | null, occurrence: OccurrenceId | null, message: string): void => {
    violations.push({ rule, message, jobId, occurrence, event: null })
  }
  const report = await checkLedger(storage, {
    exclusive: (job) => model.jobs.get(job.id)?.overlaps !== true,
    setBack: (job) => model.jobs.get(job.id)?.setBackFrom !== Number.NEGATIVE_INFINITY,
  })
  for (const { rule, jobId, occurrenceId, message } of report.violations) {
    note('ledger', jobId, occurrenceId, `${rule}: ${message}`)
  }
  for (const { id, jobId, lastSlot, ended, epoch } of model.occurrences.values()) {
    if (stored.ids.has(id)) continue
    const prunedBefore = model.jobs.get(jobId)?.prunedBefore ?? Number.NEGATIVE_INFINITY
    if (lastSlot >= prunedBefore)
      note(
        'lost record',
        jobId,
        id,
        `the record was removed, although no prune covered slots from ${text(lastSlot)} on`,
      )
    else if (ended === null) note('lost record', jobId, id, 'the record was removed before the occurrence had ended')
    const head = stored.jobs.find((job) => job.id === jobId)
    const isOfThisEpoch = epoch === model.jobs.get(jobId)?.epoch
    if (head !== undefined && isOfThisEpoch && (head.pruneFloor ?? Number.NEGATIVE_INFINITY) < lastSlot) {
      note(
        'lost record',
        jobId,
        id,
        `the record was removed, and the prune floor ${text(head.pruneFloor)} is below its slot`,
      )
    }
  }
  for (const record of stored.occurrences) {
    const { id, jobId, state, token } = record
    const known = model.occurrences.get(id)
    if (known === undefined) note('lost record', jobId, id, 'the storage has it, but reported no creation')
    else if (isFinal(state) && known.ended !== state && !isCanceledInPassing(model.jobs.get(jobId), known, record)) {
      note('ended twice', jobId, id, `the storage has it as ${state}, but reported ${known.ended}`)
    } else if (known.token !== token) note('token', jobId, id, `token ${token} is stored, ${known.token} was given out`)
  }
  return violations
}

/**
 * Returns whether the storage may have canceled the occurrence without reporting it. If a delete or replace was interrupted,
 * later claims and creations cancel the remaining occurrences. The answers to these calls do not name the canceled occurrences.
 */
function isCanceledInPassing(
  job: JobModel | undefined,
  { ended, kind, version }: OccurrenceModel,
  { state, reason }: OccurrenceRecord,
): boolean {
  if (job === undefined || ended !== null || state !== 'canceled') return false
  if (reason === 'deleted') return job.head.deletedAt !== null
  return reason === 'updated' && kind === 'slot' && version < job.cancelsBelow
}

function text(at: number | null): string {
  return at === null ? 'none' : new Date(at).toISOString().slice(11)
}
