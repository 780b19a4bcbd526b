import { type Mutant, mutants } from './mutant.ts'

const fallsWhenCanceled = 'counts: fall when an occurrence is canceled, whatever its state'
const follows = 'counts: follow an occurrence from its creation through claims and hand-backs to its end'
const followsHeads = 'counts: follow replaces, deletions and prunes'
const inOrder = 'counts: of several jobs stand in the order of the request, beside those of all'

/** Mutants with faults in the counts of live occurrences and of rescues. */
export const countMutants: readonly Mutant[] = mutants({
  'forgets to lower the sums on a cancel': {
    rejectedBy: [fallsWhenCanceled, followsHeads],
    count: (ledger, jobId, before, after) => ledger.count(jobId, after === 'canceled' ? null : before, after),
  },
  'goes on counting what has ended': {
    rejectedBy: [
      follows,
      'races of claims: a claim that began before a pause starts nothing once the pause was answered',
    ],
    count: (ledger, jobId, before, after) => ledger.count(jobId, after === 'completed' ? null : before, after),
  },
  'forgets the sums when it wakes': {
    rejectedBy: [follows, fallsWhenCanceled, 'model: random calls are answered as by the memory storage (seed 1)'],
    count: (ledger, jobId, before, after) => {
      if (before !== 'queued' || after !== 'pending') ledger.count(jobId, before, after)
    },
  },
  'lowers the sums when it prunes': {
    rejectedBy: [followsHeads],
    remove: (ledger, record) => {
      ledger.remove(record)
      ledger.count(record.jobId, 'running', null)
    },
  },
  'begins the sums of a job anew when it is created over its tombstone': {
    rejectedBy: ['counts: go on from what still runs when a deleted job is created anew'],
    enact: (ledger, ...parameters) => {
      const [job] = parameters
      if (job.version > 1 && ledger.isDeleted(job.id)) ledger.sums.delete(job.id)
      return ledger.enact(...parameters)
    },
  },
  'answers the sums of all for each job': {
    rejectedBy: [inOrder],
    get: (ledger, request) => ({
      ...ledger.get(request),
      counts: (request.counts ?? []).map(() => ledger.countsOf('all')),
    }),
  },
  'leaves out the sums of jobs that are not there': {
    rejectedBy: [inOrder],
    alone: true,
    get: (ledger, request) => {
      const known = (request.counts ?? []).filter(
        (id) => id === 'all' || ledger.jobs.has(id) || request.jobs === undefined,
      )
      return { ...ledger.get(request), counts: known.map((id) => ledger.countsOf(id)) }
    },
  },
  'counts what an owner hands back as a rescue': {
    rejectedBy: [
      'rescues: are not raised when an owner hands an occurrence back',
      // This case detects the fault too, because it compares the whole record, which contains the number of rescues.
      'settle: a released occurrence is pending for any node, not before the given instant',
    ],
    alone: true,
    settleOne: (ledger, item, now) => {
      const before = ledger.occurrences.get(item.id)
      const answer = ledger.settleOne(item, now)
      const record = ledger.occurrences.get(item.id)
      if (before?.state === 'running' && record?.state === 'pending') {
        ledger.put({ ...record, rescues: record.rescues + 1 })
      }
      return answer
    },
  },
  'forgets the rescues with a claim': {
    rejectedBy: [
      'rescues: grow by one with each reap that hands on, and are kept by claims and by the end',
      'rescues: are listed with the history of a job and with what is live',
    ],
    claim: (ledger, request) => {
      const answer = ledger.claim(request)
      const taken = answer.claimed.map((record) => ({ ...record, rescues: 0 }))
      for (const record of taken) ledger.put(record)
      return { ...answer, claimed: taken }
    },
  },
  'counts a reap of what a deleted job still ran as a rescue': {
    rejectedBy: [
      'rescues: are raised neither by a reap that ends the occurrence, nor by one that lost, nor when the job is deleted',
    ],
    alone: true,
    reapOne: (ledger, item, now) => {
      const answer = ledger.reapOne(item, now)
      const record = ledger.occurrences.get(item.id)
      if (answer.outcome === 'reaped' && item.action === 'retry' && record?.state === 'canceled') {
        ledger.put({ ...record, rescues: record.rescues + 1 })
      }
      return answer
    },
  },
  'lists occurrences without their rescues': {
    rejectedBy: ['rescues: are listed with the history of a job and with what is live'],
    alone: true,
    listOccurrences: (ledger, query) => {
      const page = ledger.listOccurrences(query)
      return { ...page, items: page.items.map((record) => ({ ...record, rescues: 0 })) }
    },
  },
})
