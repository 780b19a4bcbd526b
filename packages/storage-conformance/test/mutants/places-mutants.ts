import { type Mutant, mutants } from './mutant.ts'

const sentence = (text: string): string => `places: ${text}`
const start = sentence('occurrences start until all places are taken, and the next is queued')
const wake = sentence('the end of any running occurrence wakes the first queued one')
const update = sentence('an update that adds places wakes up to two, and each end wakes another beside its own')
const manyStart = sentence('of a job with many places no more run than these, whatever asks to start')
const manyEnd = sentence('an end gives one of many places on, and no more than that')
const manySkip = sentence('skip: what is beyond many places is skipped, and starts again once one is free')

/** Mutants with faults in the number of active occurrences of a job. */
export const placesMutants: readonly Mutant[] = mutants({
  'lets one more be active than there are places': {
    rejectedBy: [start, sentence('skip: what is beyond the places is skipped')],
    overlapOf: (_, head) => {
      const { maxConcurrency = 1 } = head.overlap
      return maxConcurrency === 1 ? head.overlap : { ...head.overlap, maxConcurrency: maxConcurrency + 1 }
    },
  },
  'knows of one place alone': {
    rejectedBy: [start, sentence('queue_one: one waits beyond the places, and the newest takes its place')],
    overlapOf: (_, { overlap: { policy, maxQueued } }) => ({ policy, maxQueued }),
  },
  'forgets how many places there are': {
    rejectedBy: [sentence('the head says how many there are, and nothing where it is one')],
    putHead: (ledger, head) => {
      const { policy, maxQueued } = head.overlap
      ledger.putHead({ ...head, overlap: { policy, maxQueued } })
    },
  },
  'wakes although all places are taken': {
    rejectedBy: [wake],
    hasPlace: () => true,
  },
  'wakes only when nothing is active': {
    rejectedBy: [wake, sentence('a cancellation and a reap of one that runs wake the next')],
    hasPlace: (ledger, jobId) => ledger.activeCount(jobId) === 0,
  },
  'wakes one at a time': {
    rejectedBy: [update],
    wakeSecond: () => null,
  },
  'wakes no occurrence when places are added': {
    rejectedBy: [update],
    addsPlaces: () => false,
  },
  'starts whatever is pending': {
    rejectedBy: [
      sentence('a claim starts no more than there are places, when an update has taken some away'),
      sentence('one that has waited for its time is queued when all places are taken, and starts when one is free'),
    ],
    isBlocked: () => false,
  },
  'starts a new occurrence before occurrences that wait for a place': {
    rejectedBy: [sentence('while others wait for a place, a new one does not go before them')],
    queuedBefore: () => 0,
  },
  'knows of no more places than three that are taken': {
    rejectedBy: [manyStart, manySkip, sentence('queue_one: one waits beyond many places')],
    overlapOf: (_, { overlap }) =>
      (overlap.maxConcurrency ?? 1) > 3 ? { ...overlap, maxConcurrency: 1_000 } : overlap,
  },
  'counts no more than three active ones': {
    rejectedBy: [manyStart, manyEnd, 'take next: an end takes the next for one of many places, and no more than that'],
    activeCount: (ledger, jobId) => Math.min(3, ledger.activeCount(jobId)),
  },
  'counts no more than three active ones before an end': {
    rejectedBy: [
      sentence('if more occurrences run than there are places, their ends wake none until a place is free'),
      sentence('an update wakes no occurrence if more occurrences run than there are places'),
      'take next: while more of the job run than there are places nothing is taken',
    ],
    hasPlace: (ledger, jobId) => {
      const counted = Math.min(3, ledger.activeCount(jobId) + 1) - 1
      return counted < (ledger.jobs.get(jobId)?.overlap.maxConcurrency ?? 1)
    },
  },
  'starts what is pending while more than three run': {
    rejectedBy: [
      sentence('one that has waited for its time is queued when many places are taken'),
      sentence('where more run than there are places, nothing that is pending starts, and skip skips'),
    ],
    isBlocked: (ledger, record) => ledger.isBlocked(record) && ledger.liveOf(record.jobId, 'running').length <= 3,
  },
})
