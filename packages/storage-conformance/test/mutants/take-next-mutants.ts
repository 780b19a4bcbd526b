import type {
  OccurrenceAddress,
  OccurrenceRecord,
  Owner,
  SettleAnswer,
  SettleItem,
  SettleRequest,
} from '@jobistemer/core/storage'
import { isFinal } from '@jobistemer/core/storage'
import { Ledger, ledgerStorage, ledgerWorld, letOthersGo, type Mutant, mutant } from './mutant.ts'

const sentence = (text: string): string => `take next: ${text}`

/** Faults in what ends take. */
export const takeNextMutants: readonly Mutant[] = [
  mutant(
    'wakes the next one, and takes nothing',
    [sentence('an end takes the next queued occurrence, as a claim would')],
    class extends Ledger {
      override takeWoken(_woken: OccurrenceAddress, _taker: Owner, _now: number) {
        return null
      }
    },
  ),
  mutant(
    'takes what is not due',
    [sentence('what is not due yet is woken, and waits for its time')],
    class extends Ledger {
      override takeWoken(woken: OccurrenceAddress, taker: Owner, _now: number) {
        return super.takeWoken(woken, taker, Number.POSITIVE_INFINITY)
      }
    },
  ),
  mutant(
    'takes what is due only once its instant is over',
    [sentence('what is due at that very instant is taken')],
    class extends Ledger {
      override takeWoken(woken: OccurrenceAddress, taker: Owner, now: number) {
        return (this.occurrences.get(woken.id)?.dueAt ?? now) < now ? super.takeWoken(woken, taker, now) : null
      }
    },
  ),
  mutant(
    'takes of paused jobs',
    [sentence('of a paused job the next is woken, and waits')],
    class extends Ledger {
      override takeWoken({ id }: OccurrenceAddress, taker: Owner, now: number): OccurrenceRecord | null {
        const taken = this.startedFor(id, taker, now)
        if (taken !== null) this.put(taken)
        return taken
      }

      startedFor(id: OccurrenceAddress['id'], owner: Owner, now: number): OccurrenceRecord | null {
        const record = this.occurrences.get(id)
        if (record === undefined || record.dueAt > now) return null
        const deadlineAt = now + record.executionTimeoutMs
        return { ...record, state: 'running', token: record.token + 1, sequence: 0, owner, startedAt: now, deadlineAt }
      }
    },
  ),
  mutant(
    'tells of what it takes, and leaves it pending',
    [
      sentence('an end takes the next queued occurrence, as a claim would'),
      sentence('a queue is worked off by ends alone, in its order'),
    ],
    class extends Ledger {
      override takeWoken(woken: OccurrenceAddress, taker: Owner, now: number) {
        const before = this.occurrences.get(woken.id)
        const taken = super.takeWoken(woken, taker, now)
        if (taken !== null && before !== undefined) this.put(before)
        return taken
      }
    },
  ),
  mutant(
    'takes for whoever ended',
    [sentence('it is for the owner that is named, whoever ends')],
    class extends Ledger {
      override settleOne(item: SettleItem, now: number) {
        const owner = this.occurrences.get(item.id)?.owner ?? null
        return super.settleOne(item.takeNext === undefined || owner === null ? item : { ...item, takeNext: owner }, now)
      }
    },
  ),
  mutant(
    'keeps the token of what it takes',
    [
      sentence('an end takes the next queued occurrence, as a claim would'),
      sentence('what was handed back before keeps its task runs, and gets the next token'),
    ],
    class extends Ledger {
      override takeWoken(woken: OccurrenceAddress, taker: Owner, now: number) {
        const taken = super.takeWoken(woken, taker, now)
        if (taken === null) return null
        const kept = { ...taken, token: taken.token - 1 }
        this.put(kept)
        return kept
      }
    },
  ),
  mutant(
    'takes another one when an end is repeated',
    [sentence('a repeated end says that it was repeated, and takes no second one')],
    class extends Ledger {
      override answerRepeated(item: SettleItem, cancelRequested: string | null): SettleAnswer {
        const answer = super.answerRepeated(item, cancelRequested)
        const [next] = this.liveOf(item.jobId, 'queued')
        const taken =
          next === undefined || item.takeNext === undefined ? null : this.takeWoken(next, item.takeNext, this.now)
        return taken === null || answer.outcome !== 'ok' ? answer : { ...answer, taken }
      }
    },
  ),
  mutant(
    'does not say that an end was repeated',
    [
      sentence('a repeated end says that it was repeated, and takes no second one'),
      sentence('a repeated end takes nothing either, when its first sending found nobody'),
    ],
    class extends Ledger {
      override answerRepeated(_item: SettleItem, cancelRequested: string | null): SettleAnswer {
        return { outcome: 'ok', woken: null, cancelRequested }
      }
    },
  ),
  mutant(
    'takes what runs when an end is repeated',
    [sentence('a repeated end takes nothing either, when its first sending found nobody')],
    class extends Ledger {
      override answerRepeated(item: SettleItem, cancelRequested: string | null): SettleAnswer {
        const answer = super.answerRepeated(item, cancelRequested)
        const [taken] = this.liveOf(item.jobId, 'running')
        return taken === undefined || answer.outcome !== 'ok' ? answer : { ...answer, taken }
      }
    },
  ),
  mutant(
    'takes also for who has lost it',
    [sentence('whoever has lost the occurrence takes nothing')],
    class extends Ledger {
      override settleOne(item: SettleItem, now: number) {
        const answer = super.settleOne(item, now)
        const [next] = this.liveOf(item.jobId, 'queued')
        if (answer.outcome === 'lost' && next !== undefined && item.takeNext !== undefined) {
          this.takeWoken(next, item.takeNext, now)
        }
        return answer
      }
    },
  ),
  mutant(
    'takes also when its owner goes on, or hands it back',
    [sentence('neither progress nor a release takes anything')],
    class extends Ledger {
      override settleOne(item: SettleItem, now: number) {
        const answer = super.settleOne(item, now)
        const [next] = this.liveOf(item.jobId, 'queued')
        if (item.change.kind !== 'finish' && next !== undefined && item.takeNext !== undefined) {
          this.takeWoken(next, item.takeNext, now)
        }
        return answer
      }
    },
  ),
  mutant(
    'takes while another one is active',
    [sentence('while another of the job is active nothing is taken')],
    class extends Ledger {
      override settleOne(item: SettleItem, now: number): SettleAnswer {
        const answer = super.settleOne(item, now)
        if (answer.outcome !== 'ok' || answer.taken !== undefined || answer.repeated === true) return answer
        const [next] = this.liveOf(item.jobId, 'queued')
        const ends = item.change.kind === 'finish' && isFinal(this.occurrences.get(item.id)?.state ?? 'pending')
        const taken =
          ends && next !== undefined && item.takeNext !== undefined ? this.takeWoken(next, item.takeNext, now) : null
        return taken === null ? answer : { ...answer, taken }
      }
    },
  ),
  mutant(
    'takes for the first of a call alone',
    [sentence('in one call each end takes the next of its own job')],
    class extends Ledger {
      override settle(request: Parameters<Ledger['settle']>[0]) {
        const items = request.items.map(({ takeNext, ...item }, index) => {
          return index === 0 && takeNext !== undefined ? { ...item, takeNext } : item
        })
        return super.settle({ ...request, items })
      }
    },
  ),
  {
    name: 'wakes the next one in one step, and takes it in another',
    rejectedBy: [
      'races of ends that take the next: of an end that is sent twice and claims that are under way, exactly one gets the next',
    ],
    capabilities: { takesNext: true },
    open: () =>
      ledgerWorld(new Ledger(), (ledger) =>
        ledgerStorage(ledger, { settle: (request) => inTwoSteps(ledger, request) }),
      ),
  },
]

async function inTwoSteps(ledger: Ledger, { now, items }: SettleRequest): Promise<readonly SettleAnswer[]> {
  const answers: SettleAnswer[] = []
  for (const { takeNext, ...item } of items) {
    const [answer] = ledger.settle({ now, items: [item] })
    if (answer?.outcome !== 'ok' || answer.woken === null || takeNext === undefined) {
      answers.push(takeNext === undefined ? (answer as SettleAnswer) : ledger.settleOne({ ...item, takeNext }, now))
      continue
    }
    await letOthersGo()
    const taken = ledger.takeWoken(answer.woken, takeNext, now)
    answers.push(taken === null ? answer : { ...answer, woken: null, taken })
  }
  return answers
}
