import { ApiPart } from './api-part.ts'
import { followAnswer, planOfRequest, type Request, RequestIds, requestItemOf, type Sending } from './request-item.ts'
import { JobistemerError } from '../../errors.ts'
import { createdId } from '../../storage/rules.ts'
import type { CreateAnswer, CreateRequested, StorageWithin } from '../../storage/storage.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import type { CallerContext } from '../storage-access/caller-context.ts'
import { resultOf, type TriggerManyResult, type TriggerResult } from './request-options.ts'

/** A request in progress, with its index among the requests of the call. */
interface Indexed extends Sending {
  readonly index: number
}

/**
 * Creates requested occurrences in a transaction of the caller. None of them may start before the commit, and this node does
 * not learn of the commit. So the occurrences are stored as waiting, and a node claims them later.
 */
export class TransactionRequests extends ApiPart {
  /**
   * @throws JobistemerError `TRANSACTION_NOT_SUPPORTED`, `INVALID_TRANSACTION`; and errors of the storage. After an error,
   * none of the requests can be committed.
   */
  async create(
    requests: readonly { readonly job: RegisteredJob; readonly request: Request }[],
    transaction: unknown,
    asked: CallerContext,
  ): Promise<readonly TriggerManyResult[]> {
    const within = this.engine.storage.within(transaction)
    const results = new Array<TriggerManyResult>(requests.length)
    let open: readonly Indexed[] = requests.map(({ job, request }, index) => {
      const ids = new RequestIds(this.engine, request)
      return { index, job, request, ids, asked, after: Number.NEGATIVE_INFINITY }
    })
    let isBegun = false
    try {
      while (open.length > 0) {
        const some = open.slice(0, this.engine.maxBatch)
        const again = await this.#createSome(within, some, asked, results)
        isBegun = true
        open = [...again, ...open.slice(some.length)]
      }
    } catch (error) {
      // A failed call must not store a part of its requests. If the transaction has ended already, `forbidCommit` fails, and
      // the first error matters more.
      if (isBegun) await within.forbidCommit().catch(() => undefined)
      throw error
    }
    return results
  }

  /** Creates one batch. Returns the requests to send again. */
  async #createSome(
    within: StorageWithin,
    some: readonly Indexed[],
    asked: CallerContext,
    results: TriggerManyResult[],
  ): Promise<readonly Indexed[]> {
    const now = this.engine.now()
    const sent: Indexed[] = []
    const items: CreateRequested[] = []
    for (const one of some) {
      try {
        const { job, request, ids, after } = one
        const plan = planOfRequest(this.registry, job, request.details)
        items.push(requestItemOf(job, plan, request, { ids, now, after, starts: false }))
        sent.push(one)
      } catch (error) {
        results[one.index] = errorOf(error)
      }
    }
    if (items.length === 0) return []
    const { owner } = this.engine
    const answers = await asked.within(() => within.createOccurrences({ now, owner, items }))
    const again: Indexed[] = []
    for (const [position, answer] of answers.entries()) {
      const one = sent[position] as Indexed
      try {
        const next = await this.#answered(one, items[position] as CreateRequested, answer)
        if ('index' in next) again.push(next)
        else results[one.index] = { ...next, error: null }
      } catch (error) {
        results[one.index] = errorOf(error)
      }
    }
    return again
  }

  async #answered(one: Indexed, item: CreateRequested, answer: CreateAnswer): Promise<TriggerResult | Indexed> {
    if (answer.outcome !== 'created') return followAnswer(this.registry, one, item, answer)
    const { state, reason } = answer
    if (state === 'skipped') this.registry.skipped.noteRequest(one.job, item.scheduledAt)
    return resultOf({ id: createdId(item, state), state, reason, created: true })
  }
}

/** Returns the result of an item with an error of its own. Rethrows other errors, which concern the whole call. */
function errorOf(error: unknown): TriggerManyResult {
  if (!JobistemerError.isInstance(error)) throw error
  return { error }
}
