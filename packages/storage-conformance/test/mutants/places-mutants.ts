import type { JobId } from '@jobistemer/core'
import type { JobRecord, OverlapRule } from '@jobistemer/core/storage'
import { Ledger, type Mutant, mutant } from './mutant.ts'

const sentence = (text: string): string => `places: ${text}`
const start = sentence('as many as there are places start, and the next is queued')
const wake = sentence('an end wakes the first that is queued, whichever of those that run it was')
const update = sentence('an update that adds places wakes up to two, and each end wakes another beside its own')

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
]
