import type { JobId } from '../../ids.ts'
import type { OccurrenceRecord } from '../occurrence-record.ts'
import type {
  CancelAnswer,
  CancelOccurrencesRequest,
  ClaimAnswer,
  ClaimRequest,
  CreateAnswer,
  CreateOccurrencesRequest,
  ReapAnswer,
  ReapRequest,
  SaveJobAnswer,
  SaveJobsRequest,
  SettleAnswer,
  SettleRequest,
  WakeUp,
} from '../storage.ts'
import { isSuperseded } from '../rules.ts'
import { cancelStep } from './cancel-step.ts'
import { type ClaimTally, claimStep } from './claim-step.ts'
import { createStep } from './create-step.ts'
import type { JobLedger } from './job-ledger.ts'
import type { SyncLedger } from './ledger.ts'
import type { LedgerSteps } from './ledger-storage.ts'
import { type MaybePromise, whenDone } from './maybe-promise.ts'
import { reapStep } from './reap-step.ts'
import { saveStep } from './save-step.ts'
import { settleStep } from './settle-step.ts'
import { canceledByClaim, cancelNoticeOf, compareAddresses, type StepContext, tend } from './step-context.ts'

const noWakeUps: ReadonlySet<WakeUp['kind']> = new Set()

/** Steps over a synchronous ledger: the items of a call one after the other, in one transaction. */
export class SyncSteps implements LedgerSteps {
  readonly #ledger: SyncLedger

  constructor(ledger: SyncLedger) {
    this.#ledger = ledger
  }

  saveJobs({
    now,
    changes,
    cancelLimit = Number.POSITIVE_INFINITY,
  }: SaveJobsRequest): MaybePromise<readonly SaveJobAnswer[]> {
    const ledger = this.#ledger
    return this.#step(now, (context) =>
      changes.map((change) => {
        const create = ledger.createJob.bind(ledger)
        return saveStep(context, { job: ledger.job(change.id), create }, change, cancelLimit)
      }),
    )
  }

  createOccurrences({ now, owner, items }: CreateOccurrencesRequest): MaybePromise<readonly CreateAnswer[]> {
    const ledger = this.#ledger
    return this.#step(now, (context) =>
      items.map(
        (item) => ledger.quickCreate?.(item, owner) ?? createStep(context, ledger.job(item.jobId), item, owner),
      ),
    )
  }

  settle({ now, items }: SettleRequest): MaybePromise<readonly SettleAnswer[]> {
    const ledger = this.#ledger
    return this.#step(now, (context) =>
      items.map((item) => ledger.quickSettle?.(item) ?? settleStep(context, ledger.job(item.jobId), item)),
    )
  }

  cancel({ now, items }: CancelOccurrencesRequest): MaybePromise<readonly CancelAnswer[]> {
    return this.#each(now, items, cancelStep)
  }

  reap({ now, items }: ReapRequest): MaybePromise<readonly ReapAnswer[]> {
    return this.#each(now, items, reapStep)
  }

  /** Looks first: nodes that poll do not contend for the right to write. */
  claim(request: ClaimRequest): MaybePromise<ClaimAnswer> {
    const idle = this.#ledger.read(() => this.#answerIdle(request))
    return whenDone(idle, (answer) => answer ?? this.#step(request.now, (context) => this.#claim(context, request)))
  }

  /** The answer to a claim that finds nothing to do; `null` when there is something. */
  #answerIdle(request: ClaimRequest): ClaimAnswer | null {
    const ledger = this.#ledger
    if (ledger.hasDue(request) || (request.sweep && ledger.stranded().length > 0)) return null
    return this.#claimAnswer(request, [], false)
  }

  #claim(context: StepContext, request: ClaimRequest): ClaimAnswer {
    const { owner, limit } = request
    const ledger = this.#ledger
    let isLeft = false
    if (request.sweep) {
      for (const id of ledger.stranded()) if (tend(context, ledger.job(id) as JobLedger)) isLeft = true
    }
    const taken: OccurrenceRecord[] = []
    const tally: ClaimTally = { left: 0, woke: false, resumesAt: Number.POSITIVE_INFINITY }
    // What is queued again, or was left by a deleted or a replaced job, makes room for others.
    for (;;) {
      const wanted = limit - taken.length + 1
      const due = ledger.due(request, wanted)
      let isStale = false
      for (const { job, entry } of due) {
        if (taken.length === limit) return this.#claimAnswer(request, taken, true)
        // Others of these may be canceled with it.
        isStale = isSuperseded(job.head, entry.record)
        const record = claimStep(context, job, entry, owner, tally)
        if (record !== null) taken.push(record)
        if (isStale) break
      }
      // What was woken in between may come before what was taken.
      if (tally.woke) taken.sort(compareAddresses)
      if (due.length < wanted && !isStale) return this.#claimAnswer(request, taken, isLeft)
      if (tally.left >= canceledByClaim) return this.#claimAnswer(request, taken, true)
    }
  }

  #claimAnswer(request: ClaimRequest, claimed: readonly OccurrenceRecord[], more: boolean): ClaimAnswer {
    const ledger = this.#ledger
    const cancelRequested = ledger.cancelRequested(request.owner).map(cancelNoticeOf)
    return { claimed, cancelRequested, more, nextDueAt: ledger.nextDueAt(request) }
  }

  #each<Item extends { readonly jobId: JobId }, Answer>(
    now: number,
    items: readonly Item[],
    step: (context: StepContext, job: JobLedger | undefined, item: Item) => Answer,
  ): MaybePromise<readonly Answer[]> {
    const ledger = this.#ledger
    return this.#step(now, (context) => items.map((item) => step(context, ledger.job(item.jobId), item)))
  }

  /** A transaction that begins anew begins with nothing to tell. */
  #step<T>(now: number, work: (context: StepContext) => T): MaybePromise<T> {
    let wakeUps: ReadonlySet<WakeUp['kind']> = noWakeUps
    const answer = this.#ledger.transaction(now, () => {
      const context: StepContext = { now, wakeUps: new Set() }
      wakeUps = context.wakeUps
      return work(context)
    })
    return whenDone(answer, (value) => {
      if (wakeUps.size > 0) this.#ledger.notify?.(wakeUps)
      return value
    })
  }
}
