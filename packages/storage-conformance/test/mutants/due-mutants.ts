import type {
  CreateItem,
  CreateRecovery,
  DueJobs,
  JobChange,
  JobQuery,
  JobRecord,
  OccurrenceRecord,
  PruneRequest,
} from '@jobistemer/core/storage'
import { IndexedLedger } from './ledger/indexed-ledger.ts'
import { ledgerWorld, type Mutant } from './mutant.ts'

type Replace = Extract<JobChange, { kind: 'replace' }>
type Delete = Extract<JobChange, { kind: 'delete' }>

/** Leaves jobs where they are in the index while a step runs. */
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

function dueMutant(name: string, rejectedBy: readonly string[], Broken: new () => IndexedLedger): Mutant {
  return {
    name,
    rejectedBy: rejectedBy.map((sentence) => (sentence.includes(': ') ? sentence : `due jobs: ${sentence}`)),
    capabilities: { findsDueJobs: true, takesNext: true },
    open: () => ledgerWorld(new Broken()),
  }
}

/** Faults in the index over next instants. */
export const dueMutants: readonly Mutant[] = [
  dueMutant(
    'keeps next instants in whole seconds',
    ['lie after the beginning of the range, and up to its end, that instant included'],
    class extends IndexedLedger {
      override place(head: JobRecord) {
        super.place({ ...head, nextAt: head.nextAt === null ? null : head.nextAt - (head.nextAt % 1_000) })
      }
    },
  ),
  dueMutant(
    'does not move its index with a recovery',
    ['move on with a recovery', 'model: random calls are answered as by the memory storage (seed 1)'],
    class extends Forgetful {
      override createRecovery(item: CreateRecovery, head: JobRecord, now: number) {
        return this.forgetting(() => super.createRecovery(item, head, now))
      }
    },
  ),
  dueMutant(
    'keeps deleted jobs in its index',
    [
      'are the paused ones too, and neither deleted ones nor those whose schedule is over',
      'leave with a delete, and come back with a create over the tombstone',
      'what one connection moves the others find at once',
    ],
    class extends Forgetful {
      override deleteJob(head: JobRecord, change: Delete, now: number, cancelLimit?: number) {
        return this.forgetting(() => super.deleteJob(head, change, now, cancelLimit))
      }
    },
  ),
  dueMutant(
    'does not move its index with a replace',
    ['move with a replace, also back', 'what one connection moves the others find at once'],
    class extends Forgetful {
      override replaceJob(head: JobRecord, change: Replace, now: number) {
        return this.forgetting(() => super.replaceJob(head, change, now))
      }
    },
  ),
  dueMutant(
    'moves its index only forwards',
    ['move with a replace, also back'],
    class extends IndexedLedger {
      override place(head: JobRecord) {
        const at = this.places.get(head.id)
        if (at === undefined || head.nextAt === null || head.nextAt > at) super.place(head)
      }
    },
  ),
  dueMutant(
    'does not move its index past a slot that was taken ahead',
    ['move on past a slot that was taken ahead'],
    class extends Forgetful {
      override answerExists(item: CreateItem, record: OccurrenceRecord | undefined) {
        return this.forgetting(() => super.answerExists(item, record))
      }
    },
  ),
  dueMutant(
    'keeps jobs whose schedule is over in its index',
    ['are the paused ones too, and neither deleted ones nor those whose schedule is over'],
    class extends IndexedLedger {
      override place(head: JobRecord) {
        if (head.nextAt !== null) super.place(head)
      }
    },
  ),
  dueMutant(
    'leaves paused jobs out',
    ['are the paused ones too, and neither deleted ones nor those whose schedule is over', 'come as whole heads'],
    class extends IndexedLedger {
      override place(head: JobRecord) {
        super.place(head.paused === null ? head : { ...head, nextAt: null })
      }
    },
  ),
  dueMutant(
    'does not find a job that is created over its tombstone',
    ['leave with a delete, and come back with a create over the tombstone'],
    class extends IndexedLedger {
      override place(head: JobRecord) {
        super.place(head.version > 1 && !this.places.has(head.id) ? { ...head, nextAt: null } : head)
      }
    },
  ),
  dueMutant(
    'takes jobs out of its index when it prunes them',
    ['stay when history is pruned, and leave nothing behind when a tombstone goes'],
    class extends IndexedLedger {
      override prune(request: PruneRequest) {
        const answer = super.prune(request)
        if (answer.removed > 0) this.places.clear()
        return answer
      }
    },
  ),
  dueMutant(
    'moves its index with the first item of a call alone',
    ['move on together when their slots come in one call'],
    class extends Forgetful {
      override createOccurrences(request: Parameters<IndexedLedger['createOccurrences']>[0]) {
        const [first, ...rest] = request.items
        const answers = super.createOccurrences({ ...request, items: first === undefined ? [] : [first] })
        return [...answers, ...this.forgetting(() => super.createOccurrences({ ...request, items: rest }))]
      }
    },
  ),
  dueMutant(
    'drops jobs between pages: its cursor knows the instant only',
    [
      'are found by their next instants, those of one instant by id, on pages of any size',
      'are found once each by cursor, also when others move on between the pages',
      'many of one instant are found, page by page',
    ],
    class extends IndexedLedger {
      override isBehind({ at }: { readonly at: number }, cursor: string) {
        return at > Number(cursor.split(' ')[0])
      }
    },
  ),
  dueMutant(
    'finds jobs twice: its cursor counts how many it has given',
    ['are found once each by cursor, also when others move on between the pages'],
    class extends IndexedLedger {
      override listDue(query: JobQuery, due: DueJobs) {
        const given = Number(query.cursor ?? 0)
        const { items } = super.listDue({ ...query, cursor: null, limit: given + query.limit }, due)
        const more = this.duePlaces(due).length > given + query.limit
        return { items: items.slice(given), cursor: more ? String(given + query.limit) : null }
      }
    },
  ),
  dueMutant(
    'takes in the beginning of a range',
    ['lie after the beginning of the range, and up to its end, that instant included'],
    class extends IndexedLedger {
      override duePlaces(due: DueJobs) {
        return super.duePlaces(due.after === undefined ? due : { ...due, after: due.after - 1 })
      }
    },
  ),
  dueMutant(
    'leaves out the end of a range',
    ['lie after the beginning of the range, and up to its end, that instant included'],
    class extends IndexedLedger {
      override duePlaces(due: DueJobs) {
        return super.duePlaces({ ...due, upTo: due.upTo - 1 })
      }
    },
  ),
  dueMutant(
    'finds the jobs of all shards',
    ['are of the shards that are asked for'],
    class extends IndexedLedger {
      override duePlaces({ shards, ...due }: DueJobs) {
        return super.duePlaces(due)
      }
    },
  ),
]
