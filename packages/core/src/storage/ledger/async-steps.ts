import type { JobId } from '../../ids.ts'
import type { OccurrenceAddress, OccurrenceRecord } from '../occurrence-record.ts'
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
  SettleItem,
  SettleRequest,
  WakeUp,
} from '../storage.ts'
import { type ClaimTally, claimStep, isClaimable } from './claim-step.ts'
import { isPausedAt, pausedUntil } from '../rules.ts'
import type { LedgerEntry } from './job-ledger.ts'
import { type AsyncLedger, type DueQuery, StepTooLarge, type StepState } from './ledger.ts'
import type { LedgerSteps } from './ledger-storage.ts'
import { LoadedJob } from './loaded-job.ts'
import { sideBySide } from './side-by-side.ts'
import { canceledByClaim, cancelNoticeOf, compareAddresses, type StepContext, tend } from './step-context.ts'
import {
  cancels,
  creates,
  needsInPassing,
  needsNext,
  needsNothing,
  needsSuperseded,
  reaps,
  type StepKind,
  saves,
  settles,
} from './step-kinds.ts'

/** Steps over an asynchronous ledger: it reads what a step needs, the step decides, and it writes what was decided. */
export class AsyncSteps implements LedgerSteps {
  readonly #ledger: AsyncLedger

  constructor(ledger: AsyncLedger) {
    this.#ledger = ledger
  }

  async saveJobs({
    now,
    changes,
    cancelLimit = Number.POSITIVE_INFINITY,
  }: SaveJobsRequest): Promise<readonly SaveJobAnswer[]> {
    return await this.#each(now, changes, saves(cancelLimit))
  }

  async createOccurrences({ now, owner, items }: CreateOccurrencesRequest): Promise<readonly CreateAnswer[]> {
    return await this.#each(now, items, creates(owner))
  }

  async settle(request: SettleRequest): Promise<readonly SettleAnswer[]> {
    const ledger = this.#ledger
    const { now } = request
    const isHeeded =
      ledger.capabilities.takesNext === true || request.items.every(({ takeNext }) => takeNext === undefined)
    const items = isHeeded ? request.items : request.items.map(withoutTaking)
    if (ledger.quickSettle === undefined) return await this.#each(now, items, settles)
    const answers = new Array<SettleAnswer>(items.length)
    const placed = items.map((item, index) => ({ item, index }))
    const groups = [...groupBy(placed, ({ item }) => item.jobId).values()]
    await sideBySide(groups, ledger.concurrency ?? 1, async (group) => {
      for (const one of group) {
        const { item } = one
        const answer = item.takeNext === undefined ? ((await ledger.quickSettle?.(item, now)) ?? null) : null
        if (answer === null) await this.#run(now, [one], settles, answers)
        else answers[one.index] = answer
      }
    })
    return answers
  }

  async cancel({ now, items }: CancelOccurrencesRequest): Promise<readonly CancelAnswer[]> {
    return await this.#each(now, items, cancels)
  }

  async reap({ now, items }: ReapRequest): Promise<readonly ReapAnswer[]> {
    return await this.#each(now, items, reaps)
  }

  async claim(request: ClaimRequest): Promise<ClaimAnswer> {
    const ledger = this.#ledger
    const { now, owner, limit, exceptHandlerKeys } = request
    const tended = request.sweep ? await this.#each(now, await ledger.stranded(), tends) : []
    const query: DueQuery = { now, exceptHandlerKeys }
    const passedOver = new Set<JobId>()
    const tally: ClaimTally = { left: 0, woke: false, resumesAt: Number.POSITIVE_INFINITY }
    const kind = claims(request, passedOver, tally)
    const taken: OccurrenceRecord[] = []
    let page = await ledger.due(query, { limit: limit + 1, cursor: null })
    let rest = page.occurrences
    // What seems to be due may be a paused job's, another node's or queued again: however much of it there is, what comes
    // after it is found; but what deleted and replaced jobs have left is canceled by the claims that
    // follow too.
    while (taken.length < limit && tally.left < canceledByClaim && (rest.length > 0 || page.cursor !== null)) {
      if (rest.length === 0) {
        page = await ledger.due(query, { limit: limit - taken.length + 1, cursor: page.cursor })
        rest = page.occurrences.filter(({ jobId }) => !passedOver.has(jobId))
      }
      const chosen = rest.slice(0, limit - taken.length)
      for (const record of await this.#each(now, chosen, kind)) if (record !== null) taken.push(record)
      rest = rest.slice(chosen.length).filter(({ jobId }) => !passedOver.has(jobId))
      if (!tally.woke) continue
      tally.woke = false
      page = await ledger.due(query, { limit: limit - taken.length + 1, cursor: null })
      rest = page.occurrences.filter(({ jobId }) => !passedOver.has(jobId))
    }
    const seen = page.cursor === null ? page.nextDueAt : undefined
    const [running, dueNext] = await Promise.all([
      ledger.cancelRequested(owner),
      seen === undefined ? ledger.nextDueAt(query) : seen,
    ])
    // A request outlives a release: what was taken just now may be one that was to be canceled before.
    const asked = new Map([...running, ...taken].map((record) => [record.id, record]))
    return {
      claimed: taken.sort(compareAddresses),
      cancelRequested: [...asked.values()]
        .filter(({ cancelRequest }) => cancelRequest !== null)
        .sort(compareAddresses)
        .map(cancelNoticeOf),
      more: rest.length > 0 || page.cursor !== null || tended.includes(true),
      nextDueAt: tally.resumesAt < (dueNext ?? Number.POSITIVE_INFINITY) ? tally.resumesAt : dueNext,
    }
  }

  async #each<Item, Answer>(
    now: number,
    items: readonly Item[],
    kind: StepKind<Item, Answer>,
  ): Promise<readonly Answer[]> {
    const answers = new Array<Answer>(items.length)
    const groups = this.#groupsOf(items, kind)
    await sideBySide(groups, this.#ledger.concurrency ?? 1, async (steps) => {
      for (const step of steps) await this.#run(now, step, kind, answers)
    })
    return answers
  }

  /** Groups of steps that may run side by side; the steps of a group follow one another. */
  #groupsOf<Item, Answer>(
    items: readonly Item[],
    kind: StepKind<Item, Answer>,
  ): readonly (readonly Placed<Item>[])[][] {
    const placed = items.map((item, index) => ({ item, index }))
    if (this.#ledger.unit === 'call') return placed.length === 0 ? [] : [[placed]]
    const most = this.#ledger.itemsPerStep ?? placed.length
    const steps = [...groupBy(placed, ({ item }) => kind.jobOf(item)).values()]
    return steps.map((group) => {
      return Array.from({ length: Math.ceil(group.length / most) }, (_, part) =>
        group.slice(part * most, (part + 1) * most),
      )
    })
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
    await this.#ledger.run({
      jobs: [...byJob.keys()].sort(),
      occurrences: placed.flatMap(({ item }) => kind.occurrencesOf(item)),
      wholeJobs: kind.wholeJobs,
      isDivisible: placed.length > 1,
      needs({ jobs, occurrences }) {
        return [...jobs].map(([jobId, stored]) => {
          return { jobId, ...kind.needs(byJob.get(jobId) ?? [], stored, occurrences) }
        })
      },
      decide(found) {
        // A step that begins anew begins with nothing changed and nothing to tell.
        const context: StepContext = { now, wakeUps: new Set() }
        const jobs = loadedJobs(found)
        for (const { item, index } of placed) {
          const id = kind.jobOf(item)
          const shelf = {
            job: jobs.get(id),
            create: (...created: Parameters<typeof LoadedJob.created>) => {
              jobs.set(id, LoadedJob.created(...created))
            },
          }
          answers[index] = kind.step(context, shelf, item)
        }
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
    if (wakeUps.size > 0) this.#ledger.notify?.(wakeUps)
  }
}

/** Looks after jobs that have queued occurrences and no active one. */
const tends: StepKind<JobId, boolean> = {
  wholeJobs: false,
  jobOf: (id) => id,
  occurrencesOf: () => [],
  needs(items, stored) {
    const { deletedAt, cancelsBelow } = stored.head
    if (deletedAt !== null) {
      return { ...needsNothing, pending: canceledByClaim, queued: canceledByClaim, counts: true }
    }
    return cancelsBelow === null
      ? needsNext(items, stored)
      : { ...needsNothing, queued: 1, counts: true, superseded: needsSuperseded(cancelsBelow, canceledByClaim) }
  },
  step: (context, { job }) => job !== undefined && tend(context, job),
}

/** Takes what seemed to be due, if it still is; `passedOver` gets the jobs of which nothing may be claimed. */
function claims(
  request: ClaimRequest,
  passedOver: Set<JobId>,
  tally: ClaimTally,
): StepKind<OccurrenceAddress, OccurrenceRecord | null> {
  return {
    wholeJobs: false,
    jobOf: ({ jobId }) => jobId,
    occurrencesOf: ({ id, jobId, scheduledAt }) => [{ id, jobId, scheduledAt, isSlot: true }],
    needs(items, { head }) {
      if (isPausedAt(head, request.now)) return needsNothing
      return head.cancelsBelow === null
        ? { ...needsNothing, counts: head.overlap.policy !== 'allow' }
        : needsInPassing(items, head.cancelsBelow)
    },
    step(context, { job }, address) {
      if (job === undefined) return null
      const { id, paused, handlerKey } = job.head
      const isExcepted = request.exceptHandlerKeys.includes(handlerKey)
      const isPaused = isPausedAt(job.head, request.now)
      if (isPaused || isExcepted) passedOver.add(id)
      if (isPaused && !isExcepted) tally.resumesAt = Math.min(tally.resumesAt, pausedUntil(paused))
      const entry = job.find(address)
      if (entry === undefined) return null
      if (!isClaimable(job, entry, request)) return null
      return claimStep(context, job, entry, request.owner, tally)
    },
  }
}

/** A commit that is tried once more where its outcome is not known would not know what it took. */
function withoutTaking({ takeNext, ...item }: SettleItem): SettleItem {
  return item
}

/** An item with its place among the answers. */
interface Placed<Item> {
  readonly item: Item
  readonly index: number
}

function loadedJobs(found: StepState): Map<JobId, LoadedJob> {
  const read = groupBy(found.occurrences.values(), ({ record }: LedgerEntry) => record.jobId)
  return new Map(
    [...found.jobs].map(([id, stored]) => {
      const { pending = [], queued = [], running = [] } = found.live.get(id) ?? {}
      return [id, new LoadedJob(stored, [...(read.get(id) ?? []), ...pending, ...queued, ...running])]
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
