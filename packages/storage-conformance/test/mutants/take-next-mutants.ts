import type { SettleAnswer, SettleRequest } from '@jobistemer/core/storage'
import { claimed, isFinal } from '@jobistemer/core/storage'
import { type Ledger, letOthersGo, type Mutant, mutants } from './mutant.ts'

const sentence = (text: string): string => `take next: ${text}`

/** Mutants with faults in the call that ends an occurrence and takes the next one. */
export const takeNextMutants: readonly Mutant[] = mutants({
  'wakes the next one, and takes nothing': {
    rejectedBy: [sentence('an end takes the next queued occurrence, as a claim would')],
    takeWoken: () => null,
  },
  'takes what is not due': {
    rejectedBy: [sentence('what is not due yet is woken, and waits for its time')],
    takeWoken: (ledger, woken, taker) => ledger.takeWoken(woken, taker, Number.POSITIVE_INFINITY),
  },
  'takes a queued occurrence only after its instant': {
    rejectedBy: [sentence('an end takes a queued occurrence that is due at the same instant')],
    takeWoken: (ledger, woken, taker, now) =>
      (ledger.occurrences.get(woken.id)?.dueAt ?? now) < now ? ledger.takeWoken(woken, taker, now) : null,
  },
  'takes of paused jobs': {
    rejectedBy: [sentence('of a paused job the next is woken, and waits')],
    takeWoken: (ledger, { id }, taker, now) => {
      const record = ledger.occurrences.get(id)
      if (record === undefined || record.dueAt > now) return null
      const taken = claimed(record, taker, now)
      ledger.put(taken)
      return taken
    },
  },
  'tells of what it takes, and leaves it pending': {
    rejectedBy: [
      sentence('an end takes the next queued occurrence, as a claim would'),
      sentence('a queue is worked off by ends alone, in its order'),
    ],
    takeWoken: (ledger, woken, taker, now) => {
      const before = ledger.occurrences.get(woken.id)
      const taken = ledger.takeWoken(woken, taker, now)
      if (taken !== null && before !== undefined) ledger.put(before)
      return taken
    },
  },
  'takes the next occurrence for the owner of the ended one': {
    rejectedBy: [sentence('the taken occurrence belongs to the owner named in takeNext')],
    settleOne: (ledger, item, now) => {
      const owner = ledger.occurrences.get(item.id)?.owner ?? null
      return ledger.settleOne(item.takeNext === undefined || owner === null ? item : { ...item, takeNext: owner }, now)
    },
  },
  'keeps the token of what it takes': {
    rejectedBy: [
      sentence('an end takes the next queued occurrence, as a claim would'),
      sentence('what was handed back before keeps its task runs, and gets the next token'),
    ],
    takeWoken: (ledger, woken, taker, now) => {
      const taken = ledger.takeWoken(woken, taker, now)
      if (taken === null) return null
      const kept = { ...taken, token: taken.token - 1 }
      ledger.put(kept)
      return kept
    },
  },
  'takes another one when an end is repeated': {
    rejectedBy: [sentence('a repeated end says that it was repeated, and takes no second one')],
    answerRepeated: (ledger, item, cancelRequested) => {
      const answer = ledger.answerRepeated(item, cancelRequested)
      const [next] = ledger.liveOf(item.jobId, 'queued')
      const taken =
        next === undefined || item.takeNext === undefined ? null : ledger.takeWoken(next, item.takeNext, ledger.now)
      return taken === null || answer.outcome !== 'ok' ? answer : { ...answer, taken }
    },
  },
  'does not say that an end was repeated': {
    rejectedBy: [
      sentence('a repeated end says that it was repeated, and takes no second one'),
      sentence('a repeated end takes nothing if the first one found no queued occurrence'),
    ],
    answerRepeated: (_, _item, cancelRequested) => ({ outcome: 'ok', woken: null, cancelRequested }),
  },
  'takes what runs when an end is repeated': {
    rejectedBy: [sentence('a repeated end takes nothing if the first one found no queued occurrence')],
    answerRepeated: (ledger, item, cancelRequested) => {
      const answer = ledger.answerRepeated(item, cancelRequested)
      const [taken] = ledger.liveOf(item.jobId, 'running')
      return taken === undefined || answer.outcome !== 'ok' ? answer : { ...answer, taken }
    },
  },
  'takes also for who has lost it': {
    rejectedBy: [sentence('an owner that has lost its occurrence takes nothing')],
    settleOne: (ledger, item, now) => {
      const answer = ledger.settleOne(item, now)
      const [next] = ledger.liveOf(item.jobId, 'queued')
      if (answer.outcome === 'lost' && next !== undefined && item.takeNext !== undefined) {
        ledger.takeWoken(next, item.takeNext, now)
      }
      return answer
    },
  },
  'takes also when its owner goes on, or hands it back': {
    rejectedBy: [sentence('neither progress nor a release takes anything')],
    settleOne: (ledger, item, now) => {
      const answer = ledger.settleOne(item, now)
      const [next] = ledger.liveOf(item.jobId, 'queued')
      if (item.change.kind !== 'finish' && next !== undefined && item.takeNext !== undefined) {
        ledger.takeWoken(next, item.takeNext, now)
      }
      return answer
    },
  },
  'takes while another one is active': {
    rejectedBy: [sentence('while another of the job is active nothing is taken')],
    settleOne: (ledger, item, now) => {
      const answer = ledger.settleOne(item, now)
      if (answer.outcome !== 'ok' || answer.taken !== undefined || answer.repeated === true) return answer
      const [next] = ledger.liveOf(item.jobId, 'queued')
      const ends = item.change.kind === 'finish' && isFinal(ledger.occurrences.get(item.id)?.state ?? 'pending')
      const taken =
        ends && next !== undefined && item.takeNext !== undefined ? ledger.takeWoken(next, item.takeNext, now) : null
      return taken === null ? answer : { ...answer, taken }
    },
  },
  'takes for the first of a call alone': {
    rejectedBy: [sentence('in one call each end takes the next of its own job')],
    settle: (ledger, request) => {
      const items = request.items.map(({ takeNext, ...item }, index) => {
        return index === 0 && takeNext !== undefined ? { ...item, takeNext } : item
      })
      return ledger.settle({ ...request, items })
    },
  },
  'wakes the next one in one step, and takes it in another': {
    rejectedBy: [
      'races of ends that take the next: of an end that is sent twice and claims that are under way, exactly one gets the next',
    ],
    calls: (ledger) => ({ settle: (request) => inTwoSteps(ledger, request) }),
  },
})

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
