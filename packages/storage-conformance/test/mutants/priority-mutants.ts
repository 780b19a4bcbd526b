import type { JobId } from '@jobistemer/core'
import {
  compareOrder,
  handedBack,
  type OccurrenceQuery,
  type OccurrenceRecord,
  orderAt,
  type SettleItem,
} from '@jobistemer/core/storage'
import { bySchedule } from './ledger/tables.ts'
import { Ledger, type Mutant, mutant, mutantFor } from './mutant.ts'

const sentence = (text: string): string => `priority: ${text}`
const claims = sentence(
  'a claim takes what is due in its order, over all jobs: each level counts as an hour of waiting',
)
const few = sentence('a claim for a few takes the first of them, whoever asks')
const starves = sentence('what has waited for as long as the levels lie apart goes first: nobody starves')
const due = sentence('it says nothing about when something is due')
const wakes = sentence('each end wakes the first in that order')
const otherwise = sentence('a cancel and a reaping wake the first in that order')
const caughtUp = sentence('slots that are caught up go by it too')
const comesBack = sentence('what comes back to wait has its place in that order')
const paged = sentence('lists of what waits have each exactly once, on pages of any size; a history goes by time')
const taken = 'priority when an end takes the next: it takes the first in that order'

function byPriority(left: OccurrenceRecord, right: OccurrenceRecord): number {
  return (right.details.priority ?? 0) - (left.details.priority ?? 0) || bySchedule(left, right)
}

/** Without the priority that it had. */
function plain(record: OccurrenceRecord): OccurrenceRecord {
  const { priority: _, ...details } = record.details
  return { ...record, details }
}

/** Faults in the order of what waits. */
export const priorityMutants: readonly Mutant[] = [
  mutant(
    'claims by time alone',
    [claims, few, starves],
    class extends Ledger {
      override comparePending(left: OccurrenceRecord, right: OccurrenceRecord) {
        return bySchedule(left, right)
      }
    },
  ),
  mutant(
    'claims by priority alone, so that some never get their turn',
    [starves],
    class extends Ledger {
      override comparePending(left: OccurrenceRecord, right: OccurrenceRecord) {
        return byPriority(left, right)
      }
    },
  ),
  mutant(
    'lets the lower go first',
    [claims, few],
    class extends Ledger {
      override comparePending(left: OccurrenceRecord, right: OccurrenceRecord) {
        const order = ({ scheduledAt, details }: OccurrenceRecord) =>
          2 * scheduledAt - orderAt({ scheduledAt, details })
        return order(left) - order(right) || bySchedule(left, right)
      }
    },
  ),
  mutant(
    'wakes by time alone',
    [wakes, otherwise, caughtUp, taken],
    class extends Ledger {
      override compareWaiting(left: OccurrenceRecord, right: OccurrenceRecord) {
        return bySchedule(left, right)
      }
    },
  ),
  mutant(
    'wakes by priority alone',
    [wakes],
    class extends Ledger {
      override compareWaiting(left: OccurrenceRecord, right: OccurrenceRecord) {
        return byPriority(left, right)
      }
    },
  ),
  mutantFor(
    [taken],
    'takes the next by time alone, and wakes as it should',
    class extends Ledger {
      isTaking = false

      override settleOne(item: SettleItem, now: number) {
        this.isTaking = item.takeNext !== undefined
        const answer = super.settleOne(item, now)
        this.isTaking = false
        return answer
      }

      override compareWaiting(left: OccurrenceRecord, right: OccurrenceRecord) {
        return this.isTaking ? bySchedule(left, right) : compareOrder(left, right)
      }
    },
  ),
  mutant(
    'wakes the first by the time when a job gets places, and in its order otherwise',
    [sentence('a job that gets places wakes the first in that order')],
    class extends Ledger {
      isAdding = false

      override addsPlaces(...heads: Parameters<Ledger['addsPlaces']>) {
        this.isAdding = super.addsPlaces(...heads)
        return this.isAdding
      }

      override compareWaiting(left: OccurrenceRecord, right: OccurrenceRecord) {
        return this.isAdding ? bySchedule(left, right) : compareOrder(left, right)
      }
    },
  ),
  mutant(
    'takes what comes before the present in its order, due or not',
    [due],
    class extends Ledger {
      override claimableFrom(record: OccurrenceRecord) {
        return orderAt(record) <= this.now && record.details.priority !== undefined
          ? this.now
          : super.claimableFrom(record)
      }
    },
  ),
  mutant(
    'stops at the present in its order, so that what is due and of little urgency is not found',
    [due],
    class extends Ledger {
      override claimable(exceptHandlerKeys: readonly string[]) {
        return super.claimable(exceptHandlerKeys).filter((record) => orderAt(record) <= this.now)
      }
    },
  ),
  mutant(
    'takes the first in its order for the one that is due next',
    [due],
    class extends Ledger {
      override nextDueAt(pending: readonly OccurrenceRecord[], now: number) {
        const next = pending.find((record) => this.claimableFrom(record) > now)
        return next === undefined ? null : this.claimableFrom(next)
      }
    },
  ),
  mutant(
    'forgets the priority of a slot that is caught up',
    [caughtUp],
    class extends Ledger {
      override put(record: OccurrenceRecord) {
        super.put(record.recovered ? plain(record) : record)
      }
    },
  ),
  mutant(
    'forgets the priority of what is handed back',
    [comesBack],
    class extends Ledger {
      override applySettle(...parameters: Parameters<Ledger['applySettle']>) {
        const [record, { change }, now] = parameters
        if (change.kind !== 'release') return super.applySettle(...parameters)
        this.put(plain(handedBack(record, { ...change, jobDeleted: false }, now)))
        return null
      }
    },
  ),
  mutant(
    'forgets the priority of what has waited for its time',
    [comesBack],
    class extends Ledger {
      override put(record: OccurrenceRecord) {
        const isRequeued = record.state === 'queued' && this.occurrences.get(record.id)?.reason === 'delayed'
        super.put(isRequeued ? plain(record) : record)
      }
    },
  ),
  mutant(
    'keeps no priority',
    [sentence('records keep it, and have none where nothing was said')],
    class extends Ledger {
      override put(record: OccurrenceRecord) {
        super.put(plain(record))
      }
    },
  ),
  mutant(
    'gives those a priority that have none',
    [sentence('records keep it, and have none where nothing was said')],
    class extends Ledger {
      override put(record: OccurrenceRecord) {
        super.put({ ...record, details: { ...record.details, priority: record.details.priority ?? 0 } })
      }
    },
  ),
  mutant(
    'lists what waits in its order, and goes on behind a time',
    [paged, sentence('what is written while one pages through what waits neither hides nor doubles the rest')],
    class extends Ledger {
      override livePage(query: Extract<OccurrenceQuery, { kind: 'live' }>) {
        return super.livePage(query).sort(compareOrder)
      }
    },
  ),
  mutant(
    'lists the history of what waits in its order',
    [paged],
    class extends Ledger {
      override historyPage(query: Extract<OccurrenceQuery, { kind: 'job' }>) {
        const records = super.historyPage(query)
        return query.states?.includes('queued') === true ? records.sort(compareOrder) : records
      }
    },
  ),
  mutant(
    'wakes by time behind a start',
    [
      sentence('under a start rate what waits starts in that order'),
      sentence('one claim under a start rate starts those that it wakes in that order'),
    ],
    class extends Ledger {
      isBehind = false

      override wakeBehind(jobId: JobId) {
        this.isBehind = true
        const woken = super.wakeBehind(jobId)
        this.isBehind = false
        return woken
      }

      override compareWaiting(left: OccurrenceRecord, right: OccurrenceRecord) {
        return this.isBehind ? bySchedule(left, right) : compareOrder(left, right)
      }
    },
  ),
  mutant(
    'goes on with what it has seen after it has woken something more urgent',
    [sentence('what a start wakes goes before what is less urgent and was seen before it')],
    class extends Ledger {
      seen: ReadonlySet<string> = new Set()

      override claim(request: Parameters<Ledger['claim']>[0]) {
        this.now = request.now
        this.seen = new Set(super.claimable(request.exceptHandlerKeys).map(({ id }) => id))
        return super.claim(request)
      }

      override comparePending(left: OccurrenceRecord, right: OccurrenceRecord) {
        return Number(this.seen.has(right.id)) - Number(this.seen.has(left.id)) || compareOrder(left, right)
      }
    },
  ),
]
