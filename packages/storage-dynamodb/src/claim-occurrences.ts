import type { JobId } from '@jobistemer/core'
import {
  type CancelNotice,
  type ClaimAnswer,
  type ClaimRequest,
  claimed,
  type OccurrenceAddress,
  type OccurrenceRecord,
  requeued,
} from '@jobistemer/core/storage'
import type { Item } from './attributes.ts'
import { carryOut, commitStep } from './carry-out.ts'
import { sideBySide } from './in-order.ts'
import { readHead } from './job-item.ts'
import { JobStep } from './job-step.ts'
import { jobOfKey } from './keys.ts'
import { hintOf, type LiveHint, liveQuery, shardsOf } from './live-index.ts'
import { bySchedule } from './live-list.ts'
import { keyOf } from './occurrence-item.ts'
import {
  addressOf,
  contended,
  loadHead,
  loadOccurrences,
  occurrenceIn,
  readItems,
  type Table,
  untilDecided,
} from './table.ts'

/** How many pending ones of each partition of the index are looked at together, at least. */
const leastHints = 50

export async function claimOccurrences(table: Table, request: ClaimRequest): Promise<ClaimAnswer> {
  const swept = request.sweep ? sweep(table) : Promise.resolve()
  const [, cancelRequested] = await Promise.all([swept, cancelRequestedOf(table, request)])
  const search = new PendingSearch(table, request)
  const taken: OccurrenceRecord[] = []
  await search.readOn()
  while (taken.length < request.limit) {
    const candidates = search.take(request.limit - taken.length)
    if (candidates.length > 0) taken.push(...(await claimAmong(table, request, candidates)))
    else if (!(await search.readOn())) break
  }
  taken.sort(bySchedule)
  return {
    claimed: taken,
    // A request outlives a release: what was taken just now may be one that was to be canceled before.
    cancelRequested: [...cancelRequested, ...taken.flatMap(noticeOf)].sort(bySchedule),
    more: search.hasDue(),
    nextDueAt: await search.nextDueAt(),
  }
}

function noticeOf(record: OccurrenceRecord): CancelNotice | readonly CancelNotice[] {
  const { cancelRequest, token } = record
  return cancelRequest === null ? [] : { ...addressOf(record), token, reason: cancelRequest.reason }
}

/** Goes through the hints of pending occurrences that are due. */
class PendingSearch {
  readonly #table: Table
  readonly #now: number
  readonly #atOnce: number
  readonly #starts: Map<number, Item | null> = new Map()
  #due: LiveHint[] = []
  #next: number | null = null

  constructor(table: Table, { now, limit }: ClaimRequest) {
    this.#table = table
    this.#now = now
    this.#atOnce = Math.max(leastHints, 2 * limit)
    for (const shard of shardsOf('pending')) this.#starts.set(shard, null)
  }

  /** The next ones, least `scheduledAt` first. */
  take(count: number): readonly LiveHint[] {
    return this.#due.splice(0, count)
  }

  hasDue(): boolean {
    return this.#due.length > 0 || this.#starts.size > 0
  }

  /** Reads more hints; false when there are none. */
  async readOn(): Promise<boolean> {
    if (this.#starts.size === 0) return false
    const { requests } = this.#table
    await Promise.all(
      [...this.#starts].map(async ([shard, start]) => {
        const { items, last } = await requests.query({
          ...liveQuery(this.#table, 'pending', shard),
          Limit: this.#atOnce,
          ...(start !== null && { ExclusiveStartKey: start }),
        })
        const hints = items.map(hintOf)
        const later = hints.find(({ order }) => order > this.#now)
        if (later !== undefined) this.#next = Math.min(this.#next ?? later.order, later.order)
        this.#due.push(...hints.filter(({ order }) => order <= this.#now))
        if (last === null || later !== undefined) this.#starts.delete(shard)
        else this.#starts.set(shard, last)
      }),
    )
    this.#due.sort(bySchedule)
    return true
  }

  /** When the next one becomes due; where not all that is due was read, that takes another query. */
  async nextDueAt(): Promise<number | null> {
    await Promise.all(
      [...this.#starts.keys()].map(async (shard) => {
        const query = liveQuery(this.#table, 'pending', shard, { from: this.#now + 1 })
        const { items } = await this.#table.requests.query({ ...query, Limit: 1 })
        for (const { order } of items.map(hintOf)) this.#next = Math.min(this.#next ?? order, order)
      }),
    )
    return this.#next
  }
}

async function claimAmong(
  table: Table,
  request: ClaimRequest,
  candidates: readonly LiveHint[],
): Promise<readonly OccurrenceRecord[]> {
  const jobs = new Map<JobId, LiveHint[]>()
  for (const hint of candidates) {
    const others = jobs.get(hint.jobId)
    if (others === undefined) jobs.set(hint.jobId, [hint])
    else others.push(hint)
  }
  const taken: OccurrenceRecord[] = []
  await sideBySide([...jobs], async ([job, hints]) => {
    for (let start = 0; start < hints.length; start += claimsPerStep) {
      const some = hints.slice(start, start + claimsPerStep)
      taken.push(...(await claimHints(table, request, job, some)))
    }
  })
  return taken
}

/** More in one transaction would collide with other nodes too often. */
const claimsPerStep = 20

async function claimHints(
  table: Table,
  request: ClaimRequest,
  job: JobId,
  hints: readonly OccurrenceAddress[],
): Promise<readonly OccurrenceRecord[]> {
  return await untilDecided(table, job, async () => await claimOfJob(table, request, job, hints))
}

async function claimOfJob(
  table: Table,
  request: ClaimRequest,
  job: JobId,
  hints: readonly OccurrenceAddress[],
): Promise<readonly OccurrenceRecord[] | typeof contended> {
  const { keys } = table
  const { now, owner, exceptHandlerKeys } = request
  const found = await readItems(table, [keys.head(job), ...hints.map((hint) => keys.occurrence(hint))])
  const item = found.get(keys.head(job))
  if (item === null) return []
  const head = readHead(item)
  if (head.planParts > 0) {
    await carryOut(table, head)
    return contended
  }
  if (head.paused !== null || exceptHandlerKeys.includes(head.handlerKey)) return []
  const step = new JobStep(table, head)
  const due: OccurrenceRecord[] = []
  for (const hint of hints) {
    const stored = occurrenceIn(found, keys, hint)
    if (stored === null || stored.record.state !== 'pending' || stored.record.dueAt > now) continue
    step.know(stored)
    due.push(stored.record)
  }
  if (due.length === 0) return []
  const mayOverlap = head.overlap.policy === 'allow'
  let isBlocked = !mayOverlap && (await step.active()).some(({ state }) => state === 'running')
  const taken: OccurrenceRecord[] = []
  for (const record of due) {
    if (isBlocked) {
      step.replace(requeued(record))
      continue
    }
    const mine = claimed(record, owner, now)
    step.replace(mine)
    taken.push(mine)
    isBlocked = !mayOverlap
  }
  if (!mayOverlap) return (await commitStep(table, step)) ? taken : contended
  const done = await step.commitBesideHead()
  if (done !== 'too_large') return done ? taken : contended
  const half = Math.ceil(hints.length / 2)
  const first = await claimHints(table, request, job, hints.slice(0, half))
  return [...first, ...(await claimHints(table, request, job, hints.slice(half)))]
}

/** Running occurrences of exactly this owner that are to be canceled. */
async function cancelRequestedOf(table: Table, { owner }: ClaimRequest): Promise<readonly CancelNotice[]> {
  const hints: LiveHint[] = []
  for (const shard of shardsOf('canceling')) {
    for await (const item of table.requests.queryAll(liveQuery(table, 'canceling', shard))) hints.push(hintOf(item))
  }
  const stored = await loadOccurrences(table, hints)
  return stored
    .flatMap((found) => found?.record ?? [])
    .filter(
      ({ state, owner: theirs }) =>
        state === 'running' && theirs?.node === owner.node && theirs.incarnation === owner.incarnation,
    )
    .flatMap(noticeOf)
}

/** Mends what a node that died in the middle of a large step, or a damaged table, has left behind. */
async function sweep(table: Table): Promise<void> {
  const jobs = new Set<JobId>()
  for (const shard of shardsOf('queued')) {
    for await (const item of table.requests.queryAll(liveQuery(table, 'queued', shard))) jobs.add(hintOf(item).jobId)
  }
  const plans = {
    ...liveQuery(table, 'pending', 0),
    ExpressionAttributeValues: { ':place': { S: table.keys.planPartition } },
  }
  for await (const item of table.requests.queryAll(plans)) jobs.add(jobOfKey(keyOf(item)))
  await sideBySide([...jobs], async (job) => {
    await untilDecided(table, job, async () => await wake(table, job))
  })
}

async function wake(table: Table, job: JobId): Promise<null | typeof contended> {
  const head = await loadHead(table, job)
  if (head === null) return null
  if (head.planParts > 0) {
    await carryOut(table, head)
    return contended
  }
  const step = new JobStep(table, head)
  if ((await step.wakeNext()) === null) return null
  return (await commitStep(table, step)) ? null : contended
}
