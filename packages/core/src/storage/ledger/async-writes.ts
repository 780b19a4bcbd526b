import type { JobId } from '../../ids.ts'
import type {
  CreateAnswer,
  CreateItem,
  CreateOccurrencesRequest,
  SettleAnswer,
  SettleItem,
  SettleRequest,
  Storage,
  WakeUp,
} from '../storage.ts'
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
    const { ledger } = this
    const rules = (some: readonly CreateItem[]) => this.each(now, some, creates(owner))
    if (ledger.quickCreates === undefined) return await rules(items)
    return await quickly(items, async (some) => await ledger.quickCreates?.(some, { now, owner }), rules)
  }

  /** Settles occurrences, as `Storage.settle` does. */
  async settle({ now, items }: SettleRequest): Promise<readonly SettleAnswer[]> {
    const { ledger } = this
    const rules = (some: readonly SettleItem[]) => this.each(now, some, settles)
    if (ledger.quickSettles !== undefined) {
      return await quickly(items, async (some) => await ledger.quickSettles?.(some, now), rules)
    }
    if (ledger.quickSettle === undefined) return await rules(items)
    return await this.each(now, items, settles, async (item) => (await ledger.quickSettle?.(item, now)) ?? null)
  }

  /**
   * Executes the items in steps, and returns the answers in the order of the items. `quick` is an optional fast path for one
   * item. With `quick`, each step has one item, and runs only if `quick` returns `null` for this item.
   */
  protected async each<Item, Answer>(
    now: number,
    items: readonly Item[],
    kind: StepKind<Item, Answer>,
    quick?: (item: Item) => Promise<Answer | null>,
  ): Promise<readonly Answer[]> {
    const answers = new Array<Answer>(items.length)
    const { unit = 'call', itemsPerStep = items.length, concurrency = 1 } = this.ledger
    const placed = items.map((item, index) => ({ item, index }))
    const isOneStep = unit === 'call' && quick === undefined
    const most = isOneStep ? items.length : quick === undefined ? itemsPerStep : 1
    // The items of one job form a group. If one step executes all items, they form one group together. Steps of different
    // groups may run concurrently. The steps of one group run in sequence.
    const groups = [...groupBy(placed, ({ item }) => (isOneStep ? null : kind.jobOf(item))).values()]
    await sideBySide(groups, concurrency, async (group) => {
      for (let start = 0; start < group.length; start += most) {
        const step = group.slice(start, start + most)
        const [{ item, index }] = step as [Placed<Item>]
        const answer = (await quick?.(item)) ?? null
        if (answer === null) await this.#run(now, step, kind, answers)
        else answers[index] = answer
      }
    })
    return answers
  }

  async #run<Item, Answer>(
    now: number,
    placed: readonly Placed<Item>[],
    kind: StepKind<Item, Answer>,
    answers: Answer[],
  ): Promise<void> {
    try {
      await this.#runWhole(now, placed, kind, answers)
    } catch (error) {
      if (placed.length === 1 || !(error instanceof StepTooLarge)) throw error
      const half = Math.ceil(placed.length / 2)
      await this.#run(now, placed.slice(0, half), kind, answers)
      await this.#run(now, placed.slice(half), kind, answers)
    }
  }

  async #runWhole<Item, Answer>(
    now: number,
    placed: readonly Placed<Item>[],
    kind: StepKind<Item, Answer>,
    answers: Answer[],
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
 * Executes the items of a call. If an item is the only one of its job, tries the fast path `quick` first. Executes the
 * remaining items by `rules`.
 */
async function quickly<Item extends { readonly jobId: JobId }, Answer>(
  items: readonly Item[],
  quick: (items: readonly Item[]) => Promise<readonly (Answer | null)[] | undefined>,
  rules: (items: readonly Item[]) => Promise<readonly Answer[]>,
): Promise<readonly Answer[]> {
  const byJob = groupBy(items, ({ jobId }) => jobId)
  const isAlone = ({ jobId }: Item): boolean => byJob.get(jobId)?.length === 1
  const alone = byJob.size === items.length ? items : items.filter(isAlone)
  const found = ((alone.length > 0 ? await quick(alone) : undefined) ?? []).values()
  const answers = items.map((item) => (isAlone(item) ? found.next().value : undefined) ?? null)
  const others = items.filter((_, index) => answers[index] === null)
  const rest = (others.length > 0 ? await rules(others) : []).values()
  return answers.map((answer) => answer ?? (rest.next().value as Answer))
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
