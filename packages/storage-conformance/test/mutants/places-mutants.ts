import type { JobId } from '@jobistemer/core'
import type { JobRecord, OccurrenceRecord, OverlapRule } from '@jobistemer/core/storage'
import { Ledger, type Mutant, mutant } from './mutant.ts'

const sentence = (text: string): string => `places: ${text}`
const start = sentence('as many as there are places start, and the next is queued')
const wake = sentence('an end wakes the first that is queued, whichever of those that run it was')
const update = sentence('an update that adds places wakes up to two, and each end wakes another beside its own')
const manyStart = sentence('of a job with many places no more run than these, whatever asks to start')
const manyEnd = sentence('an end gives one of many places on, and no more than that')
const manySkip = sentence('skip: what is beyond many places is skipped, and starts again once one is free')

/** Faults in how many occurrences of a job may be active at once. */
export const placesMutants: readonly Mutant[] = [
  mutant(
    'lets one more be active than there are places',
    [start, sentence('skip: what is beyond the places is skipped')],
    class extends Ledger {
      override overlapOf(head: JobRecord): OverlapRule {
        const { maxConcurrency = 1 } = head.overlap
        return maxConcurrency === 1 ? head.overlap : { ...head.overlap, maxConcurrency: maxConcurrency + 1 }
      }
    },
  ),
  mutant(
    'knows of one place alone',
    [start, sentence('queue_one: one waits beyond the places, and the newest takes its place')],
    class extends Ledger {
      override overlapOf({ overlap: { policy, maxQueued } }: JobRecord): OverlapRule {
        return { policy, maxQueued }
      }
    },
  ),
  mutant(
    'forgets how many places there are',
    [sentence('the head says how many there are, and nothing where it is one')],
    class extends Ledger {
      override putHead(head: JobRecord): void {
        const { policy, maxQueued } = head.overlap
        super.putHead({ ...head, overlap: { policy, maxQueued } })
      }
    },
  ),
  mutant(
    'wakes although all places are taken',
    [wake],
    class extends Ledger {
      override hasPlace(_jobId: JobId) {
        return true
      }
    },
  ),
  mutant(
    'wakes only when nothing is active',
    [wake, sentence('a cancellation and a reap of one that runs wake the next')],
    class extends Ledger {
      override hasPlace(jobId: JobId) {
        return this.activeCount(jobId) === 0
      }
    },
  ),
  mutant(
    'wakes one at a time',
    [update],
    class extends Ledger {
      override wakeSecond(_jobId: JobId) {
        return null
      }
    },
  ),
  mutant(
    'wakes nobody when places are added',
    [update],
    class extends Ledger {
      override addsPlaces() {
        return false
      }
    },
  ),
  mutant(
    'starts whatever is pending',
    [
      sentence('a claim starts no more than there are places, when an update has taken some away'),
      sentence('one that has waited for its time is queued when all places are taken, and starts when one is free'),
    ],
    class extends Ledger {
      override isBlocked() {
        return false
      }
    },
  ),
  mutant(
    'lets a new one go before those that wait for a place',
    [sentence('while others wait for a place, a new one does not go before them')],
    class extends Ledger {
      override queuedBefore(_head: JobRecord) {
        return 0
      }
    },
  ),
  mutant(
    'knows of no more places than three that are taken',
    [manyStart, manySkip, sentence('queue_one: one waits beyond many places')],
    class extends Ledger {
      override overlapOf({ overlap }: JobRecord): OverlapRule {
        return (overlap.maxConcurrency ?? 1) > 3 ? { ...overlap, maxConcurrency: 1_000 } : overlap
      }
    },
  ),
  mutant(
    'counts no more than three active ones',
    [manyStart, manyEnd, 'take next: an end takes the next for one of many places, and no more than that'],
    class extends Ledger {
      override activeCount(jobId: JobId) {
        return Math.min(3, super.activeCount(jobId))
      }
    },
  ),
  mutant(
    'counts no more than three active ones before an end',
    [
      sentence('where more run than there are places, their ends wake nobody until a place is free'),
      sentence('an update wakes nobody where it leaves fewer places than run'),
      'take next: while more of the job run than there are places nothing is taken',
    ],
    class extends Ledger {
      override hasPlace(jobId: JobId) {
        const counted = Math.min(3, this.activeCount(jobId) + 1) - 1
        return counted < (this.jobs.get(jobId)?.overlap.maxConcurrency ?? 1)
      }
    },
  ),
  mutant(
    'starts what is pending while more than three run',
    [
      sentence('one that has waited for its time is queued when many places are taken'),
      sentence('where more run than there are places, nothing that is pending starts, and skip skips'),
    ],
    class extends Ledger {
      override isBlocked(record: OccurrenceRecord) {
        return super.isBlocked(record) && this.liveOf(record.jobId, 'running').length <= 3
      }
    },
  ),
]
