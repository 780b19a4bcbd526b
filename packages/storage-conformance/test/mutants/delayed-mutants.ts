import { type JobRecord, placesOf } from '@jobistemer/core/storage'
import { type Mutant, mutants } from './mutant.ts'

/**
 * Mutants with faults in the steps that treat delayed occurrences: triggers and replays that wait for their due time.
 */
export const delayedMutants: readonly Mutant[] = mutants({
  'counts a delayed occurrence as active': {
    rejectedBy: [
      'delayed: it keeps no other of its job from starting',
      'delayed: no slot displaces a delayed occurrence',
      'delayed: the queue goes on past it',
      'delayed: what recovery creates does not wait for it',
    ],
    isDelayed: () => false,
  },
  'finds no stranded occurrence behind a delayed one': {
    rejectedBy: ['delete in steps: leaves nothing behind for what is delayed: a sweep sees the rest past it'],
    tend: (ledger, jobId, now) => {
      const isPending = ledger.liveOf(jobId, 'pending').length > 0
      if (!isPending || ledger.jobs.get(jobId)?.cancelsBelow !== null) ledger.tend(jobId, now)
    },
  },
  'displaces a delayed occurrence': {
    rejectedBy: ['delayed: no slot displaces a delayed occurrence'],
    alone: true,
    displaceable: (_, waiting) => waiting,
  },
  'starts what has waited for its time beside a pending one': {
    rejectedBy: ['delayed: while another one is pending a claim makes it queued, although its time is earlier'],
    alone: true,
    isBlocked: (ledger, record) => {
      const places = placesOf((ledger.jobs.get(record.jobId) as JobRecord).overlap)
      const isDelayed = ledger.isDelayed(record) && ledger.activeCount(record.jobId) >= places && places > 1
      return isDelayed || ledger.liveOf(record.jobId, 'running').length >= places
    },
  },
  'goes on taking for delayed what was queued or handed back': {
    rejectedBy: ['delayed: once it is due a claim starts it, and from then on it keeps others waiting'],
    isDelayed: (_, { state, kind, dueAt, createdAt }) => state === 'pending' && kind !== 'slot' && dueAt > createdAt,
  },
})
