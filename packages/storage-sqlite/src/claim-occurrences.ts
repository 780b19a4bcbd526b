import {
  type CancelNotice,
  type ClaimAnswer,
  type ClaimRequest,
  claimed,
  type OccurrenceRecord,
  type Owner,
  requeued,
} from '@jobistemer/core/storage'
import { cancelNoticeOf } from './create-occurrences.ts'
import type { Ledger } from './ledger.ts'

/**
 * The answer to a claim that finds nothing to do, or `null` when there is something. Reads only: nodes that poll do
 * not contend for the right to write.
 */
export function answerIdleClaim(ledger: Ledger, request: ClaimRequest): ClaimAnswer | null {
  const { now } = request
  const except = handlersOf(ledger, request)
  if (request.sweep && ledger.live.strandedJobs().length > 0) return null
  if (ledger.live.hasDelayedDue(now) || ledger.live.ready(now, except, 1).length > 0) return null
  return {
    claimed: [],
    cancelRequested: cancelRequestedOf(ledger, request.owner),
    more: false,
    nextDueAt: ledger.live.nextDueAt(now, except),
  }
}

export function claimOccurrences(ledger: Ledger, request: ClaimRequest): ClaimAnswer {
  const { now } = request
  if (request.sweep) for (const job of ledger.live.strandedJobs()) ledger.wakeNext(job, now)
  const except = handlersOf(ledger, request)
  ledger.live.promote(now)
  const { taken, more } = takeReady(ledger, request, except)
  return {
    claimed: taken,
    cancelRequested: cancelRequestedOf(ledger, request.owner),
    more,
    nextDueAt: ledger.live.nextDueAt(now, except),
  }
}

/** Starts what is ready, up to the limit; `more` when that leaves something. */
function takeReady(ledger: Ledger, { now, limit, owner }: ClaimRequest, except: readonly number[]) {
  const taken: OccurrenceRecord[] = []
  for (;;) {
    const wanted = limit - taken.length + 1
    const ready = ledger.live.ready(now, except, wanted)
    for (const row of ready) {
      if (taken.length === limit) return { taken, more: true }
      const stored = ledger.stored(row)
      const { job, record } = stored
      if (isBlocked(ledger, job)) {
        ledger.replace(stored, requeued(record), now)
        continue
      }
      const running = claimed(record, { node: owner.node, incarnation: owner.incarnation }, now)
      ledger.replace(stored, running, now)
      taken.push(running)
    }
    if (ready.length < wanted) return { taken, more: false }
  }
}

function isBlocked(ledger: Ledger, job: number): boolean {
  return ledger.jobs.headAt(job)?.overlap.policy !== 'allow' && ledger.live.hasRunning(job)
}

/** The numbers of the handler keys to leave out; keys that no job has need none. */
function handlersOf(ledger: Ledger, { exceptHandlerKeys }: ClaimRequest): readonly number[] {
  return exceptHandlerKeys.flatMap((key) => ledger.names.findHandler(key) ?? [])
}

function cancelRequestedOf(ledger: Ledger, owner: Owner): readonly CancelNotice[] {
  const row = ledger.names.findOwner(owner)
  if (row === undefined) return []
  return ledger.live.cancelRequestedOf(row).map((found) => cancelNoticeOf(ledger.read(found)))
}
