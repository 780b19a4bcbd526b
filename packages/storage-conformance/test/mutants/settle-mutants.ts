import type { OccurrenceRecord } from '@jobistemer/core/storage'
import { isFinal } from '@jobistemer/core/storage'
import { type Mutant, mutants } from './mutant.ts'

/** Mutants with faults in settle, reap and cancel, and in waking the next occurrence. */
export const settleMutants: readonly Mutant[] = mutants({
  'compares the token alone, and not the owner that settles': {
    rejectedBy: [
      'settle: an owner whose token was given again after a loss of acknowledged writes is lost and changes nothing',
      'settle: a claimed run is guarded by its owner as well, also while others of its job wait',
    ],
    settleOne: (ledger, { owner: _, ...item }, now) => ledger.settleOne(item, now),
  },
  'compares the owner of ends alone': {
    rejectedBy: [
      'settle: an owner whose token was given again after a loss of acknowledged writes is lost and changes nothing',
    ],
    settleOne: (ledger, item, now) => {
      const { owner: _, ...rest } = item
      return ledger.settleOne(item.change.kind === 'finish' ? item : rest, now)
    },
  },
  'reaps by the token alone, for any owner': {
    rejectedBy: [
      'reap: another owner under the same token makes the reaper lose: the token was given again after a loss',
    ],
    reapOne: (ledger, { owner: _, ...item }, now) => ledger.reapOne(item, now),
  },
  'ignores the token': {
    rejectedBy: [
      'settle: another token is lost and changes nothing',
      'settle: an earlier owner is lost once another has claimed, and the new one is not disturbed',
    ],
    settleOne: (ledger, item, now) => {
      const record = ledger.occurrences.get(item.id)
      return ledger.settleOne({ ...item, token: record?.token ?? item.token }, now)
    },
  },
  'ignores the sequence: old progress overwrites new': {
    rejectedBy: ['settle: a smaller sequence is lost: a late message never overwrites a newer one'],
    settleOne: (ledger, item, now) => {
      const record = ledger.occurrences.get(item.id)
      const late = record?.state === 'running' && record.token === item.token && item.sequence < record.sequence
      return ledger.settleOne(late ? { ...item, sequence: record.sequence + 1 } : item, now)
    },
  },
  'applies a repeated settle a second time': {
    rejectedBy: ['settle: a repeated sequence is answered ok and changes nothing'],
    settleOne: (ledger, item, now) => {
      const record = ledger.occurrences.get(item.id)
      const again = record?.state === 'running' && record.token === item.token && item.sequence === record.sequence
      if (again) ledger.applySettle(record, { ...item, runs: [] }, now)
      return ledger.settleOne(item, now)
    },
  },
  'answers lost to a repeated finish': {
    rejectedBy: ['settle: a finish whose answer got lost can be repeated'],
    settleOne: (ledger, item, now) => {
      const record = ledger.occurrences.get(item.id)
      return record !== undefined && isFinal(record.state)
        ? { outcome: 'lost' as const, state: record.state, token: record.token }
        : ledger.settleOne(item, now)
    },
  },
  'takes a final state for one that can change': {
    rejectedBy: ['settle: every final state can be reached, and is final'],
    settleOne: (ledger, item, now) => {
      const record = ledger.occurrences.get(item.id)
      if (record !== undefined && isFinal(record.state) && record.sequence < item.sequence) {
        return { outcome: 'ok' as const, woken: ledger.applySettle(record, item, now), cancelRequested: null }
      }
      return ledger.settleOne(item, now)
    },
  },
  'loses the task runs': {
    rejectedBy: ['settle: progress stores the task runs and the sequence, and the occurrence goes on'],
    settleOne: (ledger, item, now) => ledger.settleOne({ ...item, runs: [] }, now),
  },
  'forgets to wake': {
    rejectedBy: [
      'wake: finishing wakes the next queued occurrence in the same step',
      'cancel: canceling a pending occurrence wakes the next one',
      'reap: an occurrence that its owner does not settle becomes failed_stale, and the next one is woken',
      'jobs: a replace that cancels the active one wakes a trigger that is queued behind it',
    ],
    wakeFirst: () => null,
  },
  'wakes only the next one when occurrences come to overlap': {
    rejectedBy: ['jobs: a replace that lets occurrences overlap wakes all that are queued, in the same step'],
    wakeAll: (ledger, jobId) => ledger.wakeNext(jobId),
  },
  'wakes the newest': {
    rejectedBy: ['wake: the queued occurrence with the least scheduled time is woken, whenever it was created'],
    nextQueued: (ledger, jobId) => ledger.liveOf(jobId, 'queued').at(-1),
  },
  'wakes in the order of creation': {
    rejectedBy: ['wake: the queued occurrence with the least scheduled time is woken, whenever it was created'],
    nextQueued: (ledger, jobId) =>
      [...(ledger.live.get(jobId)?.values() ?? [])].find(({ state }) => state === 'queued'),
  },
  'wakes although another one is active': {
    rejectedBy: ['wake: nothing is woken while another occurrence of the job is active'],
    activeCount: () => 0,
  },
  'claims the occurrences of paused jobs': {
    rejectedBy: ['pause: claim passes over the occurrences of paused jobs until they are resumed'],
    claimableFrom: (_, { dueAt }) => dueAt,
  },
  'claims the newest first': {
    rejectedBy: [
      'claim: due occurrences are taken oldest first, over all jobs',
      'claim: no more than the limit are taken, the oldest, and the answer says that there are more',
    ],
    claimable: (ledger, exceptHandlerKeys) => ledger.claimable(exceptHandlerKeys).toReversed(),
  },
  'claims without looking whether the job runs already': {
    rejectedBy: ['claim: one claim starts one occurrence of a job that must not overlap, and queues the rest'],
    isBlocked: () => false,
  },
  'claims with the token of the last owner': {
    rejectedBy: ['settle: a released occurrence is pending for any node, not before the given instant'],
    claim: (ledger, request) => {
      const before = new Map([...ledger.occurrences].map(([id, { token }]) => [id, token]))
      const answer = ledger.claim(request)
      for (const record of answer.claimed) ledger.put({ ...record, token: before.get(record.id) || 1 })
      const claimed = answer.claimed.map(({ id }) => ledger.occurrences.get(id) as OccurrenceRecord)
      return { ...answer, claimed }
    },
  },
  'claims what is not due yet': {
    rejectedBy: ['triggers: a delayed trigger waits until it is due, whatever it asks'],
    claim: (ledger, request) => ledger.claim({ ...request, now: request.now + 60_000 }),
  },
  'tells requests to cancel to every life of a node': {
    rejectedBy: ['claim: a claim returns requests to cancel to the owner, by node and incarnation'],
    noticesFor: (ledger, { node }) => {
      const incarnations = new Set(ledger.allLive().map(({ owner }) => owner?.incarnation ?? ''))
      return [...incarnations].flatMap((incarnation) => ledger.noticesFor({ node, incarnation }))
    },
  },
  'tells of requests to cancel with the latest occurrence first': {
    rejectedBy: ['claim: of several requests to cancel the oldest occurrence comes first'],
    noticesFor: (ledger, owner) => ledger.noticesFor(owner).reverse(),
  },
  'answers no `nextDueAt` if the first delayed occurrence has a left-out handler key': {
    rejectedBy: ['claim: occurrences for other nodes do not hide when the next one is due'],
    claim: (ledger, request) => {
      const answer = ledger.claim(request)
      const first = ledger.nextDueAt(ledger.claimable([]), request.now)
      return { ...answer, nextDueAt: answer.nextDueAt === first ? first : null }
    },
  },
  'reaps an owner that gave a sign of life': {
    rejectedBy: ['reap: a reap loses against a later settle of the owner'],
    reapOne: (ledger, item, now) =>
      ledger.reapOne({ ...item, sequence: ledger.occurrences.get(item.id)?.sequence ?? item.sequence }, now),
  },
  'lets the second request to cancel replace the first': {
    rejectedBy: ['cancel: a repeated request to cancel keeps the first'],
    cancelOne: (ledger, item, now) => {
      const record = ledger.occurrences.get(item.id)
      if (record?.state === 'running') ledger.put({ ...record, cancelRequest: null })
      return ledger.cancelOne(item, now)
    },
  },
  'forgets a request to cancel when the occurrence is handed back': {
    rejectedBy: [
      'settle: a request to cancel stays with an occurrence that is handed back',
      'model: random calls are answered as by the memory storage (seed 2)',
    ],
    put: (ledger, record) => ledger.put(record.state === 'pending' ? { ...record, cancelRequest: null } : record),
  },
})
