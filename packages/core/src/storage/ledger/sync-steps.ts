import type { OccurrenceRecord } from '../occurrence-record.ts'
import type {
  ClaimAnswer,
  ClaimRequest,
  CreateAnswer,
  CreateOccurrencesRequest,
  SettleAnswer,
  SettleRequest,
  WakeUp,
} from '../storage.ts'
import { compareOrder, isSuperseded } from '../rules.ts'
import { claimStep, newTally } from './claim-step.ts'
import type { JobLedger } from './job-ledger.ts'
import type { SyncLedger } from './ledger.ts'
import { type MaybePromise, whenDone } from './maybe-promise.ts'
import { canceledByClaim } from '../tuning.ts'
import { cancelNoticeOf, type StepContext, tend } from './step-context.ts'
import { creates, LedgerWrites, settles, type StepKind } from './step-kinds.ts'

/** The part of a synchronous ledger that runs writing steps. `createJob` is absent inside a user's transaction. */
type SyncWriter = Pick<SyncLedger, 'transaction' | 'job' | 'quickCreate' | 'quickSettle' | 'notify'> &
  Partial<Pick<SyncLedger, 'createJob'>>

/** The writing methods of a storage. The items of a call run in sequence, in one transaction. */
export class SyncWrites<Writer extends SyncWriter = SyncWriter> extends LedgerWrites<Writer> {
  createOccurrences({ now, owner, items }: CreateOccurrencesRequest): MaybePromise<readonly CreateAnswer[]> {
    return this.each(now, items, creates(owner), (item) => this.ledger.quickCreate?.(item, owner))
  }

  settle({ now, items }: SettleRequest): MaybePromise<readonly SettleAnswer[]> {
    return this.each(now, items, settles, (item) => this.ledger.quickSettle?.(item))
  }

  /** Executes the items in one step. Runs the rules only for items for which the fast path `quick` returns no answer. */
  protected each<Item, Answer>(
    now: number,
    items: readonly Item[],
    kind: StepKind<Item, Answer>,
    quick?: (item: Item) => Answer | null | undefined,
  ): MaybePromise<readonly Answer[]> {
    const { ledger } = this
    return this.step(now, (context) =>
      items.map((item) => quick?.(item) ?? kind.step(context, ledger.job(kind.jobOf(item)), item)),
    )
  }

  /**
   * Runs a step in a transaction of the ledger, and then sends its wake-ups. If the ledger repeats the transaction, the step
   * starts without the earlier wake-ups.
   */
  protected step<T>(now: number, work: (context: StepContext) => T): MaybePromise<T> {
    let wakeUps: ReadonlySet<WakeUp['kind']> = noWakeUps
    const answer = this.ledger.transaction(now, () => {
      const createJob: StepContext['createJob'] = (...created) => this.ledger.createJob?.(...created)
      const context: StepContext = { now, wakeUps: new Set(), createJob }
      wakeUps = context.wakeUps
      return work(context)
    })
    return whenDone(answer, (value) => {
      if (wakeUps.size > 0) this.ledger.notify?.(wakeUps)
      return value
    })
  }
}

const noWakeUps: ReadonlySet<WakeUp['kind']> = new Set()

/** Runs steps on a synchronous ledger. */
export class SyncSteps extends SyncWrites<SyncLedger> {
  /** Claims occurrences. Reads before it writes, so that polling nodes without work do not contend for the write lock. */
  claim(request: ClaimRequest): MaybePromise<ClaimAnswer> {
    const { ledger } = this
    const idle = ledger.read(() => {
      const isWork = ledger.hasDue(request) || (request.sweep && ledger.stranded().length > 0)
      return isWork ? null : this.#claimAnswer(request, [], false)
    })
    return whenDone(idle, (answer) => answer ?? this.step(request.now, (context) => this.#claim(context, request)))
  }

  #claim(context: StepContext, request: ClaimRequest): ClaimAnswer {
    const { owner, limit } = request
    const { ledger } = this
    let isLeft = false
    for (const id of request.sweep ? ledger.stranded() : []) {
      if (tend(context, ledger.job(id) as JobLedger)) isLeft = true
    }
    const taken: OccurrenceRecord[] = []
    const tally = newTally()
    // Each pass reads the due occurrences. If a step changes which occurrences are due, a further pass reads them again.
    for (;;) {
      const wanted = limit - taken.length + 1
      const due = ledger.due(request, wanted)
      let isStale = false
      for (const { job, entry } of due) {
        if (taken.length === limit) return this.#claimAnswer(request, taken, true)
        // If the occurrence is superseded, `claimStep` cancels superseded slots of its job. Some of these slots may be in
        // `due`, so read the due occurrences again.
        isStale = isSuperseded(job.head, entry.record)
        const record = claimStep(context, job, entry, owner, tally)
        if (record !== null) taken.push(record)
        // A woken occurrence may precede the occurrences that were read, so read the due occurrences again.
        isStale ||= tally.woke
        tally.woke = false
        if (isStale) break
      }
      if (due.length < wanted && !isStale) return this.#claimAnswer(request, taken, isLeft)
      if (tally.left >= canceledByClaim) return this.#claimAnswer(request, taken, true)
    }
  }

  #claimAnswer(request: ClaimRequest, taken: OccurrenceRecord[], more: boolean): ClaimAnswer {
    return {
      // A woken occurrence may precede occurrences that this claim has taken earlier.
      claimed: taken.sort(compareOrder),
      cancelRequested: this.ledger.cancelRequested(request.owner).map(cancelNoticeOf),
      more,
      nextDueAt: this.ledger.nextDueAt(request),
    }
  }
}
