import { compareOrder, handedBack, type OccurrenceRecord, orderAt } from '@jobistemer/core/storage'
import { bySchedule } from './ledger/tables.ts'
import { type Mutant, mutants } from './mutant.ts'

const sentence = (text: string): string => `priority: ${text}`
const claims = sentence('a claim takes due occurrences of all jobs in order: each level counts as an hour of waiting')
const few = sentence('a claim with a small limit takes the first ones, for any node')
const starves = sentence('an occurrence that has waited for an hour per level of difference starts first')
const due = sentence('a priority does not change when an occurrence is due')
const wakes = sentence('each end wakes the first in that order')
const otherwise = sentence('a cancel and a reaping wake the first in that order')
const caughtUp = sentence('slots that are caught up go by it too')
const comesBack = sentence('a released occurrence keeps its place in that order')
const paged = sentence('lists of waiting occurrences hold each once, on pages of any size; a history goes by time')
const taken = 'priority when an end takes the next: it takes the first in that order'

function byPriority(left: OccurrenceRecord, right: OccurrenceRecord): number {
  return (right.details.priority ?? 0) - (left.details.priority ?? 0) || bySchedule(left, right)
}

/** Returns the record without its priority. */
function plain(record: OccurrenceRecord): OccurrenceRecord {
  const { priority: _, ...details } = record.details
  return { ...record, details }
}

/** Mutants with faults in the order of waiting occurrences. */
export const priorityMutants: readonly Mutant[] = mutants({
  'claims by time alone': {
    rejectedBy: [claims, few, starves],
    comparePending: (_, left, right) => bySchedule(left, right),
  },
  'claims by priority alone, so that some never get their turn': {
    rejectedBy: [starves],
    comparePending: (_, left, right) => byPriority(left, right),
  },
  'lets the lower go first': {
    rejectedBy: [claims, few],
    comparePending: (_, left, right) => {
      const order = ({ scheduledAt, details }: OccurrenceRecord) => 2 * scheduledAt - orderAt({ scheduledAt, details })
      return order(left) - order(right) || bySchedule(left, right)
    },
  },
  'wakes by time alone': {
    rejectedBy: [wakes, otherwise, caughtUp, taken],
    compareWaiting: (_, left, right) => bySchedule(left, right),
  },
  'wakes by priority alone': {
    rejectedBy: [wakes],
    compareWaiting: (_, left, right) => byPriority(left, right),
  },
  'takes the next by time alone, and wakes as it should': {
    rejectedBy: [taken],
    alone: true,
    steps() {
      let isTaking = false
      return {
        settleOne: (ledger, item, now) => {
          isTaking = item.takeNext !== undefined
          const answer = ledger.settleOne(item, now)
          isTaking = false
          return answer
        },
        compareWaiting: (_, left, right) => (isTaking ? bySchedule(left, right) : compareOrder(left, right)),
      }
    },
  },
  'wakes the first by the time when a job gets places, and in its order otherwise': {
    rejectedBy: [sentence('a job that gets places wakes the first in that order')],
    steps() {
      let isAdding = false
      return {
        addsPlaces: (ledger, ...heads) => {
          isAdding = ledger.addsPlaces(...heads)
          return isAdding
        },
        compareWaiting: (_, left, right) => (isAdding ? bySchedule(left, right) : compareOrder(left, right)),
      }
    },
  },
  'takes what comes before the present in its order, due or not': {
    rejectedBy: [due],
    claimableFrom: (ledger, record) =>
      orderAt(record) <= ledger.now && record.details.priority !== undefined
        ? ledger.now
        : ledger.claimableFrom(record),
  },
  'stops a claim at the present in its order, and so misses due occurrences of low priority': {
    rejectedBy: [due],
    claimable: (ledger, exceptHandlerKeys) =>
      ledger.claimable(exceptHandlerKeys).filter((record) => orderAt(record) <= ledger.now),
  },
  'takes the first occurrence in its order for the next one to come due': {
    rejectedBy: [due],
    nextDueAt: (ledger, pending, now) => {
      const next = pending.find((record) => ledger.claimableFrom(record) > now)
      return next === undefined ? null : ledger.claimableFrom(next)
    },
  },
  'forgets the priority of a slot that is caught up': {
    rejectedBy: [caughtUp],
    put: (ledger, record) => ledger.put(record.recovered ? plain(record) : record),
  },
  'forgets the priority of what is handed back': {
    rejectedBy: [comesBack],
    applySettle: (ledger, ...parameters) => {
      const [record, { change }, now] = parameters
      if (change.kind !== 'release') return ledger.applySettle(...parameters)
      ledger.put(plain(handedBack(record, { ...change, jobDeleted: false }, now)))
      return null
    },
  },
  'forgets the priority of what has waited for its time': {
    rejectedBy: [comesBack],
    put: (ledger, record) => {
      const isRequeued = record.state === 'queued' && ledger.occurrences.get(record.id)?.reason === 'delayed'
      ledger.put(isRequeued ? plain(record) : record)
    },
  },
  'keeps no priority': {
    rejectedBy: [sentence('a record keeps its priority, and has none if the request gave none')],
    put: (ledger, record) => ledger.put(plain(record)),
  },
  'gives those a priority that have none': {
    rejectedBy: [sentence('a record keeps its priority, and has none if the request gave none')],
    put: (ledger, record) =>
      ledger.put({ ...record, details: { ...record.details, priority: record.details.priority ?? 0 } }),
  },
  'lists waiting occurrences in their order, and continues a page by time': {
    rejectedBy: [paged, sentence('writes between two pages of waiting occurrences neither hide nor repeat the rest')],
    livePage: (ledger, query) => ledger.livePage(query).sort(compareOrder),
  },
  'lists waiting occurrences in a history by their order': {
    rejectedBy: [paged],
    historyPage: (ledger, query) => {
      const records = ledger.historyPage(query)
      return query.states?.includes('queued') === true ? records.sort(compareOrder) : records
    },
  },
  'wakes by time behind a start': {
    rejectedBy: [
      sentence('under a start rate waiting occurrences start in that order'),
      sentence('one claim under a start rate starts the occurrences that it wakes in that order'),
    ],
    steps() {
      let isBehind = false
      return {
        wakeBehind: (ledger, jobId) => {
          isBehind = true
          const woken = ledger.wakeBehind(jobId)
          isBehind = false
          return woken
        },
        compareWaiting: (_, left, right) => (isBehind ? bySchedule(left, right) : compareOrder(left, right)),
      }
    },
  },
  'goes on with what it has seen after it has woken something more urgent': {
    rejectedBy: [sentence('an occurrence that a start wakes starts before a less urgent one')],
    steps() {
      let seen: ReadonlySet<string> = new Set()
      return {
        claim: (ledger, request) => {
          ledger.now = request.now
          seen = new Set(ledger.claimable(request.exceptHandlerKeys).map(({ id }) => id))
          return ledger.claim(request)
        },
        comparePending: (_, left, right) =>
          Number(seen.has(right.id)) - Number(seen.has(left.id)) || compareOrder(left, right),
      }
    },
  },
})
