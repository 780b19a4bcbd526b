import type { CreateAnswer, CreateOccurrencesRequest, SettleAnswer, SettleRequest, WakeUp } from '../storage.ts'
import { createStep } from './create-step.ts'
import type { CommitControl, SyncLedger } from './ledger.ts'
import { type MaybePromise, whenDone } from './maybe-promise.ts'
import { settleStep } from './settle-step.ts'
import type { StepContext } from './step-context.ts'

/** The part of a synchronous ledger that runs steps. */
export type SyncWriter = Pick<SyncLedger, 'transaction' | 'job' | 'quickCreate' | 'quickSettle'> &
  Pick<CommitControl, 'notify'>

const noWakeUps: ReadonlySet<WakeUp['kind']> = new Set()

/** `createOccurrences`, also inside a user's transaction. */
export function createAll(
  ledger: SyncWriter,
  { now, owner, items }: CreateOccurrencesRequest,
): MaybePromise<readonly CreateAnswer[]> {
  return runStep(ledger, now, (context) =>
    items.map((item) => ledger.quickCreate?.(item, owner) ?? createStep(context, ledger.job(item.jobId), item, owner)),
  )
}

/** `settle`, also inside a user's transaction. */
export function settleAll(ledger: SyncWriter, { now, items }: SettleRequest): MaybePromise<readonly SettleAnswer[]> {
  return runStep(ledger, now, (context) =>
    items.map((item) => ledger.quickSettle?.(item) ?? settleStep(context, ledger.job(item.jobId), item)),
  )
}

/** A repeated transaction starts without wake-ups. */
export function runStep<T>(ledger: SyncWriter, now: number, work: (context: StepContext) => T): MaybePromise<T> {
  let wakeUps: ReadonlySet<WakeUp['kind']> = noWakeUps
  const answer = ledger.transaction(now, () => {
    const context: StepContext = { now, wakeUps: new Set() }
    wakeUps = context.wakeUps
    return work(context)
  })
  return whenDone(answer, (value) => {
    const told = wakeUps.size > 0 ? ledger.notify?.(wakeUps) : undefined
    return told instanceof Promise ? told.then(() => value) : value
  })
}
