import type { JobRecord, OccurrenceRecord } from '@jobistemer/core/storage'
import { letGo, nextStartAt } from '@jobistemer/core/storage'
import { letOthersGo, type Mutant, mutants } from './mutant.ts'

const sentence = (text: string): string => `start rate: ${text}`
const head = sentence('the head holds the rate and the last starts, and neither for a job without a rate')
const order = sentence('waiting occurrences start in order, one at each permitted instant, and new ones start later')
const wakes = sentence('one claim starts occurrences up to the limit of the rate, and wakes queued ones for that')
const counted = sentence('a trigger counts as a slot does, and so does a claim')
const taken = 'take next: an end takes the next as often as the start rate allows, and wakes it for its time otherwise'
const raised = sentence('an update to a higher rate lets waiting occurrences start by that rate')

/** Mutants with faults in the steps that apply the start rate of a job. */
export const startRateMutants: readonly Mutant[] = mutants({
  'forgets that there is a rate': {
    rejectedBy: [
      head,
      sentence(
        'occurrences start up to the limit, and the next is pending until the first start lies an interval back',
      ),
    ],
    putHead: (ledger, { starts: _, ...rest }) => {
      const { startRate: __, ...overlap } = rest.overlap
      ledger.putHead({ ...rest, overlap })
    },
  },
  'counts one start less': {
    rejectedBy: [
      counted,
      sentence(
        'occurrences start up to the limit, and the next is pending until the first start lies an interval back',
      ),
    ],
    startsAfter: (ledger, job) => {
      const starts = ledger.startsAfter(job)
      return starts.length === job.overlap.startRate?.limit ? starts.slice(1) : starts
    },
  },
  'begins an interval with the first start, and lets as many start in the next at once': {
    rejectedBy: [sentence('the interval may begin anywhere: what starts late in one counts in the next')],
    startsAfter: (ledger, job) => {
      const [first, ...others] = job.starts ?? []
      const { limit, intervalMs } = job.overlap.startRate ?? { limit: 1, intervalMs: 1 }
      if (first === undefined || ledger.now >= first + intervalMs) return [ledger.now]
      // The fault: the last entry is the instant of the first start, instead of the instant of the new start.
      return [first, ...others, first].slice(-limit)
    },
  },
  'counts what starts when it is created, and no claim': {
    rejectedBy: [counted, order],
    claim: (ledger, request) => {
      const before = new Map([...ledger.jobs].map(([id, { starts }]) => [id, starts]))
      const answer = ledger.claim(request)
      for (const { jobId } of answer.claimed) {
        const { starts: _, ...job } = ledger.jobs.get(jobId) as JobRecord
        const starts = before.get(jobId)
        ledger.putHead(starts === undefined ? job : { ...job, starts })
      }
      return answer
    },
  },
  'counts what is claimed, and nothing that starts when it is created': {
    rejectedBy: [head, counted],
    createOccurrences: (ledger, request) => {
      const before = new Map([...ledger.jobs].map(([id, { starts }]) => [id, starts]))
      const answers = ledger.createOccurrences(request)
      for (const job of ledger.jobs.values()) {
        const { starts: _, ...rest } = job
        const starts = before.get(job.id)
        ledger.putHead(starts === undefined ? rest : { ...rest, starts })
      }
      return answers
    },
  },
  'starts a new occurrence before waiting ones': {
    rejectedBy: [order],
    mayStart: (ledger, jobId) => ledger.nextStartAt(jobId) <= ledger.now,
    queuedBefore: (ledger, job) => (job.overlap.startRate === undefined ? ledger.queuedBefore(job) : 0),
  },
  'wakes no occurrence after a start': {
    rejectedBy: [wakes, order],
    wakeBehind: () => null,
  },
  'writes starts after a read, without a lock': {
    rejectedBy: [
      'races of claims: claims, new ones and ends side by side start no more in an interval than the rate allows, and all in the end',
    ],
    calls: (ledger) => ({
      async claim(request) {
        const seen = new Map([...ledger.jobs].map(([id, { starts }]) => [id, starts]))
        await letOthersGo()
        for (const { starts: _, ...job } of [...ledger.jobs.values()]) {
          const starts = seen.get(job.id)
          ledger.putHead(starts === undefined ? job : { ...job, starts })
        }
        return ledger.claim(request)
      },
    }),
  },
  'ignores starts by a clock that is ahead': {
    rejectedBy: [
      sentence('clocks that are apart let no more start within an interval than it allows, by what they say'),
    ],
    nextStartAt: (ledger, jobId) => {
      const job = ledger.jobs.get(jobId) as JobRecord
      return nextStartAt({ ...job, starts: (job.starts ?? []).filter((at) => at <= ledger.now) })
    },
  },
  'keeps waiting occurrences at the times of the old rate': {
    rejectedBy: [raised, sentence('an update that takes the rate away lets all start that have a place')],
    letGoHeld: () => {},
  },
  'wakes no occurrence when the rate changes': {
    rejectedBy: [sentence('an update that takes the rate away lets all start that have a place')],
    changesRate: () => false,
  },
  'forgets what has started before an update': {
    rejectedBy: [raised, sentence('an update to a lower rate counts what has started before')],
    replaced: (ledger, ...parameters) => {
      const { starts: _, ...job } = ledger.replaced(...parameters)
      return job
    },
  },
  'lets what a recovery runs start at once': {
    rejectedBy: [sentence('a recovery lets its runs wait too')],
    nextStartAt: (ledger, jobId) => {
      const isRecovered = ledger.liveOf(jobId, 'pending').some(({ recovered }) => recovered)
      return isRecovered ? Number.NEGATIVE_INFINITY : ledger.nextStartAt(jobId)
    },
  },
  'does not count what an end takes': {
    rejectedBy: [taken],
    takeWoken: (ledger, ...parameters) => {
      const starts = new Map([...ledger.jobs].map(([id, job]) => [id, job.starts]))
      const record = ledger.takeWoken(...parameters)
      if (record !== null) {
        const { starts: _, ...job } = ledger.jobs.get(record.jobId) as JobRecord
        const before = starts.get(record.jobId)
        ledger.putHead(before === undefined ? job : { ...job, starts: before })
      }
      return record
    },
  },
  'lets an end take the next whatever the rate': {
    rejectedBy: [taken],
    takeWoken: (ledger, address, taker, now) => {
      const record = ledger.occurrences.get(address.id)
      if (record !== undefined) ledger.put(letGo(record, now))
      return ledger.takeWoken(address, taker, now)
    },
  },
  'stores neither time nor reason of an occurrence that waits for the rate': {
    rejectedBy: [
      sentence(
        'occurrences start up to the limit, and the next is pending until the first start lies an interval back',
      ),
    ],
    inTime: (_, record) => record,
  },
  'skips what may not start yet': {
    rejectedBy: [sentence('skip: nothing is skipped for the rate, and what comes while one waits is')],
    createDue: (ledger, ...parameters) => {
      const [item, job] = parameters
      const isHeld = ledger.nextStartAt(job.id) > ledger.now
      const answer = ledger.createDue(...parameters)
      if (!isHeld || answer.outcome !== 'created' || answer.state !== 'pending') return answer
      const record = ledger.occurrences.get(item.id) as OccurrenceRecord
      ledger.put({ ...record, state: 'skipped', reason: 'overlap', finishedAt: ledger.now })
      return { ...answer, state: 'skipped' as const, reason: 'overlap' }
    },
  },
  'wakes by a sweep an occurrence that waits behind another one': {
    rejectedBy: [sentence('a sweep wakes nothing that waits behind another one')],
    tend: (ledger, jobId, now) => {
      ledger.tend(jobId, now)
      if (!ledger.isDeleted(jobId)) ledger.wakeFirst(jobId)
    },
  },
})
