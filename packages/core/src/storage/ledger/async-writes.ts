import type { JobId } from '../../ids.ts'
import type { CreateAnswer, CreateOccurrencesRequest, SettleAnswer, SettleRequest } from '../storage.ts'
import type { Storage, WakeUp } from '../storage.ts'
import { partialAnswers } from '../adapter-errors.ts'
import type { LedgerEntry } from './job-ledger.ts'
import { type AsyncLedger, type CommitControl, type StepState, StepTooLarge } from './ledger.ts'
import { LoadedJob } from './loaded-job.ts'
import type { StepContext } from './step-context.ts'
import { creates, LedgerWrites, settles, type StepKind } from './step-kinds.ts'

/** The part of an asynchronous ledger that runs writing steps. */
export type AsyncWriter = Pick<
  AsyncLedger,
  'itemsPerStep' | 'concurrency' | 'run' | 'quickSettle' | 'quickCreates' | 'quickSettles'
> &
  Partial<Pick<AsyncLedger, 'unit'>> &
  Pick<CommitControl, 'notify'>

/** The writing methods of a `Storage`, as steps on an asynchronous ledger. An adapter may use only some of these methods. */
export class AsyncWrites<Writer extends AsyncWriter = AsyncWriter> extends LedgerWrites<Writer> {
  /** Creates occurrences, as `Storage.createOccurrences` does. */
  async createOccurrences({ now, owner, items }: CreateOccurrencesRequest): Promise<readonly CreateAnswer[]> {
    const answers = await quickly(items, (some) => this.ledger.quickCreates?.(some, { now, owner }))
    return await this.each(now, items, creates(owner), answers)
  }

  /** Settles occurrences, as `Storage.settle` does. */
  async settle({ now, items }: SettleRequest): Promise<readonly SettleAnswer[]> {
    const answers = await quickly(items, (some) => this.ledger.quickSettles?.(some, now))
    return await this.each(now, items, settles, answers, this.ledger.quickSettle?.bind(this.ledger))
  }

  /**
   * Executes the items in steps, and returns the answers in the order of the items. `quick` is an optional fast path for one
   * item. With `quick`, each step has one item, and runs only if `quick` returns `null` for this item. `answers`: the answers
   * that are already known, and `null` for all other items.
   *
   * After an error in {@link partialAnswers}, the steps of other jobs still run. Then rejects with this error.
   */
  protected async each<Item, Answer>(
    now: number,
    items: readonly Item[],
    kind: StepKind<Item, Answer>,
    answers: (Answer | null)[] = items.map(() => null),
    quick?: (item: Item, now: number) => Promise<Answer | null>,
  ): Promise<readonly Answer[]> {
    const { unit = 'call', itemsPerStep = items.length, concurrency = 1 } = this.ledger
    const placed = items.flatMap((item, index) => (answers[index] === null ? [{ item, index }] : []))
    // Jobs that the ledger cannot change now. Later items of such a job do not run: they would wait, too, or overtake.
    const held = new Set<JobId>()
    let failure: Error | null = null
    const isOneStep = unit === 'call' && quick === undefined
    const most = isOneStep ? items.length : quick === undefined ? itemsPerStep : 1
    // The items of one job form a group. If one step executes all items, they form one group together. Steps of different
    // groups may run concurrently. The steps of one group run in sequence.
    const groups = [...groupBy(placed, ({ item }) => (isOneStep ? null : kind.jobOf(item))).values()]
    await sideBySide(groups, concurrency, async (group) => {
      const steps: (readonly Placed<Item>[])[] = []
      for (let start = 0; start < group.length; start += most) steps.push(group.slice(start, start + most))
      for (let at = 0; at < steps.length; at++) {
        const step = (steps[at] as readonly Placed<Item>[]).filter(({ item }) => !held.has(kind.jobOf(item)))
        if (step.length === 0) continue
        const [{ item, index }] = step as [Placed<Item>]
        try {
          answers[index] = (await quick?.(item, now)) ?? null
          if (answers[index] === null) await this.#run(now, step, kind, answers)
        } catch (error) {
          // A step that failed may have set answers before, but it has written nothing.
          for (const one of step) answers[one.index] = null
          const half = Math.ceil(step.length / 2)
          if (error instanceof StepTooLarge && step.length > 1)
            steps.splice(at + 1, 0, step.slice(0, half), step.slice(half))
          else if (partialAnswers.has(error as Error)) {
            failure = error as Error
            for (const one of step) held.add(kind.jobOf(one.item))
          } else throw error
        }
      }
    })
    if (failure === null) return answers as readonly Answer[]
    partialAnswers.set(failure, answers)
    throw failure
  }

  async #run<Item, Answer>(
    now: number,
    placed: readonly Placed<Item>[],
    kind: StepKind<Item, Answer>,
    answers: (Answer | null)[],
  ): Promise<void> {
    const byJob = groupBy(
      placed.map(({ item }) => item),
      (item) => kind.jobOf(item),
    )
    let wakeUps: ReadonlySet<WakeUp['kind']> = new Set()
    await this.ledger.run({
      jobs: [...byJob.keys()].sort(),
      occurrences: placed.flatMap(({ item }) => kind.occurrencesOf?.(item) ?? []),
      keys: placed.flatMap(({ item }) => kind.keysOf?.(item) ?? []),
      wholeJobs: kind.wholeJobs === true,
      // A step of `saveJobs` waits, because the engine does not repeat a deletion.
      isOptional: kind.isOptional === true || (kind.wholeJobs !== true && placed.length < answers.length),
      isDivisible: placed.length > 1,
      needs({ jobs, occurrences }) {
        return [...jobs].map(([jobId, stored]) => {
          return { jobId, ...kind.needs(byJob.get(jobId) ?? [], stored, occurrences) }
        })
      },
      decide(found) {
        // A repeated step must start without the changes and wake-ups of its earlier try.
        const jobs = loadedJobs(found)
        const context: StepContext = {
          now,
          wakeUps: new Set(),
          createJob: (job, version) => jobs.set(job.id, LoadedJob.created(job, version)),
        }
        for (const { item, index } of placed) answers[index] = kind.step(context, jobs.get(kind.jobOf(item)), item)
        wakeUps = context.wakeUps
        return [...jobs.values()].flatMap((job) => job.write ?? [])
      },
      outlived(occurrences) {
        for (const { index } of placed) {
          const answer = answers[index] as Answer
          answers[index] = kind.amend?.(answer, occurrences) ?? answer
        }
      },
    })
    if (wakeUps.size > 0) await this.ledger.notify?.(wakeUps)
  }
}

/** Makes the writing methods of a storage from a ledger, for an adapter that implements the other methods itself. */
export function writesFromLedger(
  ledger: AsyncWriter,
): Pick<Storage, 'saveJobs' | 'createOccurrences' | 'settle' | 'cancel' | 'reap'> {
  // The declared types of these methods allow values and promises. `AsyncWrites` always returns promises, so the cast is safe.
  return new AsyncWrites(ledger) as Pick<Storage, keyof AsyncWrites & keyof Storage>
}

/**
 * Tries the fast path `quick` for the items that are the only ones of their jobs. Returns the answers in the order of the items.
 * The rules must execute the items with the answer `null`.
 */
async function quickly<Item extends { readonly jobId: JobId }, Answer>(
  items: readonly Item[],
  quick: (items: readonly Item[]) => Promise<readonly (Answer | null)[]> | undefined,
): Promise<(Answer | null)[]> {
  const byJob = groupBy(items, ({ jobId }) => jobId)
  const isAlone = ({ jobId }: Item): boolean => byJob.get(jobId)?.length === 1
  const alone = byJob.size === items.length ? items : items.filter(isAlone)
  const found = ((alone.length > 0 ? await quick(alone) : undefined) ?? []).values()
  return items.map((item) => (isAlone(item) ? found.next().value : undefined) ?? null)
}

/** An item of a call, with its index among the answers. */
interface Placed<Item> {
  readonly item: Item
  readonly index: number
}

function loadedJobs(found: StepState): Map<JobId, LoadedJob> {
  const read = groupBy(found.occurrences.values(), ({ record }: LedgerEntry) => record.jobId)
  return new Map(
    [...found.jobs].map(([id, stored]) => {
      const { pending = [], queued = [], running = [] } = found.live.get(id) ?? {}
      return [id, new LoadedJob(stored, [...(read.get(id) ?? []), ...pending, ...queued, ...running], found.keys)]
    }),
  )
}

function groupBy<Key, Value>(values: Iterable<Value>, keyOf: (value: Value) => Key): Map<Key, Value[]> {
  const groups = new Map<Key, Value[]>()
  for (const value of values) {
    const key = keyOf(value)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [value])
    else group.push(value)
  }
  return groups
}

/**
 * Calls `work` for each value, at most `concurrency` at a time. After a failure, starts no further call, and rejects with
 * that failure once all started calls have ended.
 */
async function sideBySide<Value>(
  values: readonly Value[],
  concurrency: number,
  work: (value: Value) => Promise<void>,
): Promise<void> {
  const left = eachOf(values)
  const worker = async (): Promise<void> => {
    // If `work` throws, the loop closes the generator, so the other workers start no further call.
    for (const value of left) await work(value)
  }
  const results = await Promise.allSettled(Array.from({ length: Math.min(concurrency, values.length) }, worker))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

function* eachOf<Value>(values: Iterable<Value>): Generator<Value, void, undefined> {
  yield* values
}
