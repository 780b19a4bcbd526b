import type { JobRecord } from '@jobistemer/core/storage'
import { IndexedLedger } from './ledger/indexed-ledger.ts'
import { type Mutant, mutantsOf } from './mutant.ts'

/**
 * A ledger with a fault: while its method `forgetting` runs a step, writes of heads do not update the index of next instants.
 */
class Forgetful extends IndexedLedger {
  forgets = false

  override place(head: JobRecord): void {
    if (!this.forgets) super.place(head)
  }

  forgetting<T>(step: () => T): T {
    this.forgets = true
    const answer = step()
    this.forgets = false
    return answer
  }
}

/** Mutants with faults in the index of next instants. */
export const dueMutants: readonly Mutant[] = mutantsOf(
  Forgetful,
  {
    'keeps next instants in whole seconds': {
      rejectedBy: ['lie after the beginning of the range, and up to its end, that instant included'],
      place: (ledger, head) =>
        ledger.place({ ...head, nextAt: head.nextAt === null ? null : head.nextAt - (head.nextAt % 1_000) }),
    },
    'does not move its index with a recovery': {
      rejectedBy: ['move on with a recovery', 'model: random calls are answered as by the memory storage (seed 1)'],
      createRecovery: (ledger, item, head, now) => ledger.forgetting(() => ledger.createRecovery(item, head, now)),
    },
    'keeps deleted jobs in its index': {
      rejectedBy: [
        'are the paused ones too, and neither deleted ones nor those whose schedule is over',
        'leave with a delete, and come back with a create over the tombstone',
        'every connection finds at once a job that another one moved',
      ],
      deleteJob: (ledger, head, change, now, cancelLimit) =>
        ledger.forgetting(() => ledger.deleteJob(head, change, now, cancelLimit)),
    },
    'does not move its index with a replace': {
      rejectedBy: ['move with a replace, also back', 'every connection finds at once a job that another one moved'],
      replaceJob: (ledger, head, change, now) => ledger.forgetting(() => ledger.replaceJob(head, change, now)),
    },
    'moves its index only forwards': {
      rejectedBy: ['move with a replace, also back'],
      place: (ledger, head) => {
        const at = ledger.places.get(head.id)
        if (at === undefined || head.nextAt === null || head.nextAt > at) ledger.place(head)
      },
    },
    'does not move its index past a prefetched slot': {
      rejectedBy: ['move on past a prefetched slot'],
      answerExists: (ledger, item, record) => ledger.forgetting(() => ledger.answerExists(item, record)),
    },
    'keeps jobs whose schedule is over in its index': {
      rejectedBy: ['are the paused ones too, and neither deleted ones nor those whose schedule is over'],
      place: (ledger, head) => {
        if (head.nextAt !== null) ledger.place(head)
      },
    },
    'leaves paused jobs out': {
      rejectedBy: [
        'are the paused ones too, and neither deleted ones nor those whose schedule is over',
        'come as whole heads',
      ],
      place: (ledger, head) => ledger.place(head.paused === null ? head : { ...head, nextAt: null }),
    },
    'does not find a job that is created over its tombstone': {
      rejectedBy: ['leave with a delete, and come back with a create over the tombstone'],
      place: (ledger, head) =>
        ledger.place(head.version > 1 && !ledger.places.has(head.id) ? { ...head, nextAt: null } : head),
    },
    'takes jobs out of its index when it prunes them': {
      rejectedBy: ['stay when history is pruned, and leave nothing behind when a tombstone goes'],
      prune: (ledger, request) => {
        const answer = ledger.prune(request)
        if (answer.removed > 0) ledger.places.clear()
        return answer
      },
    },
    'moves its index with the first item of a call alone': {
      rejectedBy: ['move on together when their slots come in one call'],
      createOccurrences: (ledger, request) => {
        const [first, ...rest] = request.items
        const answers = ledger.createOccurrences({ ...request, items: first === undefined ? [] : [first] })
        return [...answers, ...ledger.forgetting(() => ledger.createOccurrences({ ...request, items: rest }))]
      },
    },
    'drops jobs between pages: its cursor knows the instant only': {
      rejectedBy: [
        'are found by their next instants, those of one instant by id, on pages of any size',
        'are found once each by cursor, also when others move on between the pages',
        'many of one instant are found, page by page',
      ],
      isBehind: (_, { at }, cursor) => at > Number(cursor.split(' ')[0]),
    },
    'finds jobs twice: its cursor counts how many it has given': {
      rejectedBy: ['are found once each by cursor, also when others move on between the pages'],
      listDue: (ledger, query, due) => {
        const given = Number(query.cursor ?? 0)
        const { items } = ledger.listDue({ ...query, cursor: null, limit: given + query.limit }, due)
        const more = ledger.duePlaces(due).length > given + query.limit
        return { items: items.slice(given), cursor: more ? String(given + query.limit) : null }
      },
    },
    'takes in the beginning of a range': {
      rejectedBy: ['lie after the beginning of the range, and up to its end, that instant included'],
      duePlaces: (ledger, due) => ledger.duePlaces(due.after === undefined ? due : { ...due, after: due.after - 1 }),
    },
    'leaves out the end of a range': {
      rejectedBy: ['lie after the beginning of the range, and up to its end, that instant included'],
      duePlaces: (ledger, due) => ledger.duePlaces({ ...due, upTo: due.upTo - 1 }),
    },
    'finds the jobs of all shards': {
      rejectedBy: ['are of the shards that are asked for'],
      duePlaces: (ledger, { shards, ...due }) => ledger.duePlaces(due),
    },
  },
  { capabilities: { findsDueJobs: true, takesNext: true }, subject: 'due jobs' },
)
