import { compareOrder, type JobRecord, type OccurrenceRecord, placesOf } from '@jobistemer/core/storage'
import type { LedgerViolation } from './ledger-report.ts'

/** Checks that queued occurrences started in their order. Checks only jobs with one place and one version. */
export function checkOrder(job: JobRecord, history: readonly OccurrenceRecord[]): readonly LedgerViolation[] {
  const { overlap, version } = job
  if (version > 1 || overlap.policy !== 'queue' || placesOf(overlap) > 1 || overlap.startRate !== undefined) return []
  const plain = history.filter(isPlain)
  const violations: LedgerViolation[] = []
  for (const started of plain) {
    const startedAt = started.startedAt
    if (startedAt === null) continue
    const wokenAt = lastEndBefore(startedAt, started, history)
    const passedOver = plain.find((other) => {
      const wasThere = other !== started && other.createdAt < wokenAt && waitedAt(startedAt, other)
      return wasThere && compareOrder(other, started) < 0
    })
    if (passedOver === undefined) continue
    const message = `it started at ${new Date(startedAt).toISOString()} before ${passedOver.id}, which waited and comes first`
    violations.push({ rule: 'order', jobId: job.id, occurrenceId: started.id, message })
  }
  return violations
}

/**
 * Returns whether the records of this occurrence show when the occurrence was queued. The records do not show this for a
 * delayed occurrence, or for an occurrence that was started more than once.
 */
function isPlain({ state, token, dueAt, createdAt }: OccurrenceRecord): boolean {
  return token <= 1 && dueAt <= createdAt && state !== 'skipped' && state !== 'missed'
}

function lastEndBefore(at: number, started: OccurrenceRecord, history: readonly OccurrenceRecord[]): number {
  let last = Number.NEGATIVE_INFINITY
  for (const record of history) {
    const { startedAt, finishedAt } = record
    if (record !== started && startedAt !== null && finishedAt !== null && finishedAt <= at) {
      last = Math.max(last, finishedAt)
    }
  }
  return last
}

function waitedAt(at: number, { startedAt, finishedAt }: OccurrenceRecord): boolean {
  const until = startedAt ?? finishedAt
  return until === null || until > at
}
