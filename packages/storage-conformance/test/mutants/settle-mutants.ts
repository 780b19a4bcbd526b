import type { JobId } from '@jobistemer/core'
import type { CancelItem, ClaimRequest, OccurrenceRecord, Owner, ReapItem, SettleItem } from '@jobistemer/core/storage'
import { isFinal } from '@jobistemer/core/storage'
import { Ledger, type Mutant, mutant } from './mutant.ts'

/** Faults in what owners, reapers and operators say, and in what wakes the next one. */
export const settleMutants: readonly Mutant[] = [
  mutant(
    'compares the token alone, and not the owner that settles',
    [
      'settle: an owner whose token was given again after a loss of acknowledged writes is lost and changes nothing',
      'settle: a claimed run is guarded by its owner as well, also while others of its job wait',
    ],
    class extends Ledger {
      override settleOne({ owner: _, ...item }: SettleItem, now: number) {
        return super.settleOne(item, now)
      }
    },
  ),
  mutant(
    'compares the owner of ends alone',
    ['settle: an owner whose token was given again after a loss of acknowledged writes is lost and changes nothing'],
    class extends Ledger {
      override settleOne(item: SettleItem, now: number) {
        const { owner: _, ...rest } = item
        return super.settleOne(item.change.kind === 'finish' ? item : rest, now)
      }
    },
  ),
  mutant(
    'reaps by the token alone, for any owner',
    ['reap: another owner under the same token makes the reaper lose: the token was given again after a loss'],
    class extends Ledger {
      override reapOne({ owner: _, ...item }: ReapItem, now: number) {
        return super.reapOne(item, now)
      }
    },
  ),
  mutant(
    'ignores the token',
    [
      'settle: another token is lost and changes nothing',
      'settle: an earlier owner is lost once another has claimed, and the new one is not disturbed',
    ],
    class extends Ledger {
      override settleOne(item: SettleItem, now: number) {
        const record = this.occurrences.get(item.id)
        return super.settleOne({ ...item, token: record?.token ?? item.token }, now)
      }
    },
  ),
  mutant(
    'ignores the sequence: old progress overwrites new',
    ['settle: a smaller sequence is lost: a late message never overwrites a newer one'],
    class extends Ledger {
      override settleOne(item: SettleItem, now: number) {
        const record = this.occurrences.get(item.id)
        const late = record?.state === 'running' && record.token === item.token && item.sequence < record.sequence
        return super.settleOne(late ? { ...item, sequence: record.sequence + 1 } : item, now)
      }
    },
  ),
  mutant(
    'applies what is said twice a second time',
    ['settle: a repeated sequence is answered ok and changes nothing'],
    class extends Ledger {
      override settleOne(item: SettleItem, now: number) {
        const record = this.occurrences.get(item.id)
        const again = record?.state === 'running' && record.token === item.token && item.sequence === record.sequence
        if (again) this.applySettle(record, { ...item, runs: [] }, now)
        return super.settleOne(item, now)
      }
    },
  ),
  mutant(
    'answers lost to a repeated finish',
    ['settle: a finish whose answer got lost can be repeated'],
    class extends Ledger {
      override settleOne(item: SettleItem, now: number) {
        const record = this.occurrences.get(item.id)
        return record !== undefined && isFinal(record.state)
          ? { outcome: 'lost' as const, state: record.state, token: record.token }
          : super.settleOne(item, now)
      }
    },
  ),
  mutant(
    'takes a final state for one that can change',
    ['settle: every final state can be reached, and is final'],
    class extends Ledger {
      override settleOne(item: SettleItem, now: number) {
        const record = this.occurrences.get(item.id)
        if (record !== undefined && isFinal(record.state) && record.sequence < item.sequence) {
          return { outcome: 'ok' as const, woken: this.applySettle(record, item, now), cancelRequested: null }
        }
        return super.settleOne(item, now)
      }
    },
  ),
  mutant(
    'loses the task runs',
    ['settle: progress stores the task runs and the sequence, and the occurrence goes on'],
    class extends Ledger {
      override settleOne(item: SettleItem, now: number) {
        return super.settleOne({ ...item, runs: [] }, now)
      }
    },
  ),
  mutant(
    'forgets to wake',
    [
      'wake: finishing wakes the next queued occurrence in the same step',
      'cancel: canceling a pending occurrence wakes the next one',
      'reap: an occurrence that its owner does not settle becomes failed_stale, and the next one is woken',
      'jobs: a replace that cancels the active one wakes a trigger that is queued behind it',
    ],
    class extends Ledger {
      override wakeFirst(_jobId: JobId) {
        return null
      }
    },
  ),
  mutant(
    'wakes only the next one when occurrences come to overlap',
    ['jobs: a replace that lets occurrences overlap wakes all that are queued, in the same step'],
    class extends Ledger {
      override wakeAll(jobId: JobId) {
        this.wakeNext(jobId)
      }
    },
  ),
  mutant(
    'wakes the newest',
    ['wake: the queued occurrence with the least scheduled time is woken, whenever it was created'],
    class extends Ledger {
      override nextQueued(jobId: JobId) {
        return this.liveOf(jobId, 'queued').at(-1)
      }
    },
  ),
  mutant(
    'wakes in the order of creation',
    ['wake: the queued occurrence with the least scheduled time is woken, whenever it was created'],
    class extends Ledger {
      override nextQueued(jobId: JobId) {
        return [...(this.live.get(jobId)?.values() ?? [])].find(({ state }) => state === 'queued')
      }
    },
  ),
  mutant(
    'wakes although another one is active',
    ['wake: nothing is woken while another occurrence of the job is active'],
    class extends Ledger {
      override activeCount(_jobId: JobId) {
        return 0
      }
    },
  ),
  mutant(
    'claims the occurrences of paused jobs',
    ['pause: claim passes over the occurrences of paused jobs until they are resumed'],
    class extends Ledger {
      override claimableFrom({ dueAt }: OccurrenceRecord) {
        return dueAt
      }
    },
  ),
  mutant(
    'claims the newest first',
    [
      'claim: due occurrences are taken oldest first, over all jobs',
      'claim: no more than the limit are taken, the oldest, and the answer says that there are more',
    ],
    class extends Ledger {
      override claimable(exceptHandlerKeys: readonly string[]): OccurrenceRecord[] {
        return super.claimable(exceptHandlerKeys).toReversed()
      }
    },
  ),
  mutant(
    'claims without looking whether the job runs already',
    ['claim: one claim starts only one of a job that must not overlap, and queues the others'],
    class extends Ledger {
      override isBlocked(_record: OccurrenceRecord) {
        return false
      }
    },
  ),
  mutant(
    'claims with the token of the last owner',
    ['settle: a released occurrence is pending for any node, not before the given instant'],
    class extends Ledger {
      override claim(request: ClaimRequest) {
        const before = new Map([...this.occurrences].map(([id, { token }]) => [id, token]))
        const answer = super.claim(request)
        for (const record of answer.claimed) this.put({ ...record, token: before.get(record.id) || 1 })
        const claimed = answer.claimed.map(({ id }) => this.occurrences.get(id) as OccurrenceRecord)
        return { ...answer, claimed }
      }
    },
  ),
  mutant(
    'claims what is not due yet',
    ['triggers: a delayed trigger waits until it is due, whatever it asks'],
    class extends Ledger {
      override claim(request: ClaimRequest) {
        return super.claim({ ...request, now: request.now + 60_000 })
      }
    },
  ),
  mutant(
    'tells requests to cancel to every life of a node',
    ['claim: requests to cancel are told to the owner, by node and by incarnation'],
    class extends Ledger {
      override noticesFor({ node }: Owner) {
        const incarnations = new Set(this.allLive().map(({ owner }) => owner?.incarnation ?? ''))
        return [...incarnations].flatMap((incarnation) => super.noticesFor({ node, incarnation }))
      }
    },
  ),
  mutant(
    'tells of requests to cancel with the latest occurrence first',
    ['claim: of several requests to cancel the oldest occurrence comes first'],
    class extends Ledger {
      override noticesFor(owner: Owner) {
        return super.noticesFor(owner).reverse()
      }
    },
  ),
  mutant(
    'looks at the first that will be due alone, and not behind one that is left to others',
    ['claim: what is left to others does not hide when the next one will be due'],
    class extends Ledger {
      override claim(request: ClaimRequest) {
        const answer = super.claim(request)
        const first = this.nextDueAt(this.claimable([]), request.now)
        return { ...answer, nextDueAt: answer.nextDueAt === first ? first : null }
      }
    },
  ),
  mutant(
    'reaps an owner that gave a sign of life',
    ['reap: a sign of life of the owner makes the reaper lose'],
    class extends Ledger {
      override reapOne(item: ReapItem, now: number) {
        return super.reapOne({ ...item, sequence: this.occurrences.get(item.id)?.sequence ?? item.sequence }, now)
      }
    },
  ),
  mutant(
    'lets the second request to cancel replace the first',
    ['cancel: a repeated request to cancel keeps the first'],
    class extends Ledger {
      override cancelOne(item: CancelItem, now: number) {
        const record = this.occurrences.get(item.id)
        if (record?.state === 'running') this.put({ ...record, cancelRequest: null })
        return super.cancelOne(item, now)
      }
    },
  ),
  mutant(
    'forgets a request to cancel when the occurrence is handed back',
    [
      'settle: a request to cancel stays with an occurrence that is handed back',
      'model: random calls are answered as by the memory storage (seed 2)',
    ],
    class extends Ledger {
      override put(record: OccurrenceRecord) {
        super.put(record.state === 'pending' ? { ...record, cancelRequest: null } : record)
      }
    },
  ),
]
