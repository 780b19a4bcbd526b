import type { JobId } from '../../ids.ts'
import type { OccurrenceAddress, OccurrenceRecord } from '../occurrence-record.ts'
import type { ClaimAnswer, ClaimRequest } from '../storage.ts'
import { claimStep, type ClaimTally, newTally } from './claim-step.ts'
import { compareOrder, isPausedAt, pausedUntil } from '../rules.ts'
import { AsyncWrites } from './async-writes.ts'
import type { AsyncLedger } from './ledger.ts'
import type { LedgerHead } from './job-ledger.ts'
import { canceledByClaim, lookedAtByClaim } from '../tuning.ts'
import { partialAnswers } from '../adapter-errors.ts'
import { addressOf, cancelNoticeOf, compareAddresses, tend } from './step-context.ts'
import { arePlacesFor, needsInPassing, needsNothing, needsSuperseded, wokenByEach } from './step-kinds.ts'
import type { StepKind } from './step-kinds.ts'

/**
 * Runs steps on an asynchronous ledger: the ledger reads what a step needs, the step decides what changes, and the ledger
 * writes these changes.
 */
export class AsyncSteps extends AsyncWrites<AsyncLedger> {
  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const { ledger } = this
    const { now, owner, limit } = request
    const tended = request.sweep ? await this.each(now, await ledger.stranded(), tends).catch(answersOf<boolean>) : []
    let isHeld = false
    const passedOver = new Set<JobId>()
    const tally = newTally()
    const kind = claims(request, passedOver, tally)
    const taken: OccurrenceRecord[] = []
    let page = await ledger.due(request, { limit: limit + 1, cursor: null })
    let rest = page.occurrences
    // A page may contain occurrences that this claim cannot take, so read further pages. For example, the job of the occurrence
    // is paused, another node has claimed the occurrence, or a step has queued it again. Stop once this claim has canceled
    // `canceledByClaim` occurrences. Later claims process the remaining occurrences.
    while (tally.left < canceledByClaim && (rest.length > 0 ? taken.length < limit : page.cursor !== null)) {
      if (rest.length === 0) {
        page = await ledger.due(request, { limit: limit - taken.length + 1, cursor: page.cursor })
        rest = page.occurrences.filter(({ jobId }) => !passedOver.has(jobId))
        continue
      }
      const chosen = rest.slice(0, limit - taken.length)
      // A job that another transaction holds does not prevent the claims of other jobs. A further claim tries this job again.
      const records = await this.each(now, chosen, kind).catch((error) => {
        isHeld = true
        return answersOf<OccurrenceRecord>(error)
      })
      for (const record of records) if (record !== null) taken.push(record)
      rest = rest.slice(chosen.length).filter(({ jobId }) => !passedOver.has(jobId))
      if (!tally.woke) continue
      tally.woke = false
      page = await ledger.due(request, { limit: limit - taken.length + 1, cursor: null })
      rest = page.occurrences.filter(({ jobId }) => !passedOver.has(jobId))
    }
    // `rest` has the due occurrences that this claim has not started, for example because their jobs are paused. Such an
    // occurrence can start only after the pause, so `nextDueAt` depends on the end of the pause. This claim reads the pauses of
    // at most `lookedAtByClaim` jobs. For occurrences of other jobs, `nextDueAt` uses the due instant, which may be too early
    // but never too late.
    const first = new Map(rest.filter(({ dueAt }) => dueAt !== undefined).map((address) => [address.jobId, address]))
    const looked = [...first.values()].slice(0, lookedAtByClaim)
    const looks: typeof kind = {
      ...kind,
      occurrencesOf: () => [],
      needs: () => needsNothing,
      step(_context, job) {
        if (job !== undefined) notePause(job.head, request, passedOver, tally)
        return null
      },
    }
    if (looked.length > 0) await this.each(now, looked, looks)
    const unknown = rest.filter(({ jobId }) => !looked.some((address) => address.jobId === jobId))
    const seen = page.cursor === null ? page.nextDueAt : undefined
    const [running, dueNext] = await Promise.all([
      ledger.cancelRequested(owner),
      seen === undefined ? ledger.nextDueAt(request) : seen,
    ])
    const instants = [dueNext, tally.resumesAt, ...unknown.map(({ dueAt }) => dueAt)]
    const nextDueAt = Math.min(...instants.map((instant) => instant ?? Number.POSITIVE_INFINITY))
    // If an owner handed an occurrence back, its cancel request stays. So also search the occurrences that this claim has
    // taken.
    const asked = new Map([...running, ...taken].map((record) => [record.id, record]))
    return {
      claimed: taken.sort(compareOrder),
      cancelRequested: [...asked.values()]
        .filter(({ cancelRequest }) => cancelRequest !== null)
        .sort(compareAddresses)
        .map(cancelNoticeOf),
      more: isHeld || rest.length > 0 || page.cursor !== null || tended.includes(true),
      nextDueAt: Number.isFinite(nextDueAt) ? nextDueAt : null,
    }
  }
}

/** The step by which a claim with `sweep` repairs a job that has queued occurrences but no active occurrence. */
const tends: StepKind<JobId, boolean> = {
  jobOf: (id) => id,
  isOptional: true,
  needs(items, stored) {
    const { deletedAt, cancelsBelow } = stored.head
    if (deletedAt !== null) {
      return { ...needsNothing, pending: canceledByClaim, queued: canceledByClaim, counts: true }
    }
    const queued = wokenByEach(stored.head)
    if (cancelsBelow !== null) {
      return { ...needsNothing, queued, counts: true, superseded: needsSuperseded(cancelsBelow, canceledByClaim) }
    }
    // To repair the job, the sweep needs the exact number of active occurrences.
    return stored.counts.queued === 0 ? needsNothing : { ...needsNothing, queued: items.length * queued, counts: true }
  },
  step: (context, job) => job !== undefined && tend(context, job),
}

/**
 * Makes the step that claims occurrences that `due` has returned, if they are still due. If a job allows no claim, the step
 * adds the job to `passedOver`.
 */
function claims(
  request: ClaimRequest,
  passedOver: Set<JobId>,
  tally: ClaimTally,
): StepKind<OccurrenceAddress, OccurrenceRecord | null> {
  return {
    jobOf: ({ jobId }) => jobId,
    isOptional: true,
    occurrencesOf: (address) => [{ ...addressOf(address), isSlot: true }],
    needs(items, stored) {
      const { head } = stored
      if (isPausedAt(head, request.now)) return needsNothing
      const needs =
        head.cancelsBelow === null
          ? { ...needsNothing, counts: head.overlap.policy !== 'allow' && !arePlacesFor(stored, 0) }
          : needsInPassing(items, head)
      // Each item of the claim may start one occurrence. Under a start rate, each start also wakes a queued occurrence. So the
      // step needs one queued occurrence for each item.
      return head.overlap.startRate === undefined ? needs : { ...needs, queued: needs.queued + items.length }
    },
    step(context, job, address) {
      if (job === undefined) return null
      const { id } = job.head
      const isClosed = notePause(job.head, request, passedOver, tally)
      // The ledger may repeat this step. The first try may have noted the occurrence in `heldBack`, but the occurrence may no
      // longer be claimable. So remove the note.
      if (tally.heldBack.get(id) === address.id) tally.heldBack.delete(id)
      const entry = isClosed ? undefined : job.find(address)
      const isDue = entry?.record.state === 'pending' && entry.record.dueAt <= request.now
      return isDue ? claimStep(context, job, entry, request.owner, tally) : null
    },
  }
}

/** Returns the answers of a call that failed only in part. @throws the error of any other call */
function answersOf<Answer>(error: unknown): readonly (Answer | null)[] {
  const answers = partialAnswers.get(error as Error)
  if (answers === undefined) throw error
  return answers as readonly (Answer | null)[]
}

/** Adds the job to `passedOver` if the request may claim none of its occurrences. Returns whether this is the case. */
function notePause(
  { id, paused, handlerKey }: LedgerHead,
  { now, exceptHandlerKeys }: ClaimRequest,
  passedOver: Set<JobId>,
  tally: ClaimTally,
): boolean {
  const isExcepted = exceptHandlerKeys.includes(handlerKey)
  const isPaused = isPausedAt({ paused }, now)
  if (isPaused || isExcepted) passedOver.add(id)
  if (isPaused && !isExcepted) tally.resumesAt = Math.min(tally.resumesAt, pausedUntil(paused))
  return isPaused || isExcepted
}
