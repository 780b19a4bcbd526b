import {
  type CancelNotice,
  type ClaimAnswer,
  type ClaimRequest,
  claimed,
  type OccurrenceRecord,
  type Owner,
  requeued,
} from '@jobistemer/core/storage'
import { copyOccurrence, copyOwner } from './copy.ts'
import { cancelNoticeOf } from './create.ts'
import type { Database } from './database.ts'
import { bySchedule, type JobEntry } from './entries.ts'

export function claim(database: Database, request: ClaimRequest): ClaimAnswer {
  const { now, limit } = request
  if (request.sweep) for (const job of [...database.live.waitingJobs]) database.wakeNext(job)

  const owner = copyOwner(request.owner)
  const except = new Set(request.exceptHandlerKeys)
  const ready = database.live.readyAt(now)
  const taken: OccurrenceRecord[] = []
  let more = false
  for (let entry = ready.first; entry !== undefined; entry = ready.after(entry)) {
    if (except.has(entry.job.head.handlerKey)) continue
    if (taken.length >= limit) {
      more = true
      break
    }
    if (isBlocked(entry.job)) {
      database.replace(entry, requeued(entry.record))
      continue
    }
    database.replace(entry, claimed(entry.record, owner, now))
    taken.push(copyOccurrence(entry.record, true))
  }
  return {
    claimed: taken,
    cancelRequested: cancelRequestedOf(database, owner),
    more,
    nextDueAt: nextDueAt(database, except),
  }
}

function isBlocked(job: JobEntry): boolean {
  return job.head.overlap.policy !== 'allow' && job.occurrences !== null && job.occurrences.running.size > 0
}

function cancelRequestedOf(database: Database, owner: Owner): readonly CancelNotice[] {
  if (database.live.cancelRequested.size === 0) return []
  return [...database.live.cancelRequested]
    .filter(({ record }) => record.owner?.node === owner.node && record.owner.incarnation === owner.incarnation)
    .sort(bySchedule)
    .map(cancelNoticeOf)
}

function nextDueAt(database: Database, except: ReadonlySet<string>): number | null {
  for (const entry of database.live.future.ascending()) {
    if (!except.has(entry.job.head.handlerKey)) return entry.record.dueAt
  }
  return null
}
