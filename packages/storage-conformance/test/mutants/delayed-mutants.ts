import type { JobId } from '@jobistemer/core'
import { type JobRecord, type OccurrenceRecord, placesOf } from '@jobistemer/core/storage'
import { Ledger, type Mutant, mutant, mutantFor } from './mutant.ts'

/** Faults in what waits for its time. */
export const delayedMutants: readonly Mutant[] = [
  mutant(
    'takes what waits for its time for an active one',
    [
      'delayed: it keeps no other of its job from starting',
      'delayed: it is displaced by nobody',
      'delayed: the queue goes on past it',
      'delayed: what recovery creates does not wait for it',
    ],
    class extends Ledger {
      override isDelayed() {
        return false
      }
    },
  ),
  mutant(
    'sees nothing stranded behind what waits for its time',
    ['delete in steps: leaves nothing behind for what is delayed: a sweep sees the rest past it'],
    class extends Ledger {
      override tend(jobId: JobId, now: number) {
        const isPending = this.liveOf(jobId, 'pending').length > 0
        if (!isPending || this.jobs.get(jobId)?.cancelsBelow !== null) super.tend(jobId, now)
      }
    },
  ),
  mutantFor(
    ['delayed: it is displaced by nobody'],
    'displaces what waits for its time',
    class extends Ledger {
      override displaceable(waiting: OccurrenceRecord[]) {
        return waiting
      }
    },
  ),
  mutantFor(
    ['delayed: while another one is pending a claim makes it queued, although its time is earlier'],
    'starts what has waited for its time beside a pending one',
    class extends Ledger {
      override isBlocked(record: OccurrenceRecord) {
        const places = placesOf((this.jobs.get(record.jobId) as JobRecord).overlap)
        const isDelayed = this.isDelayed(record) && this.activeCount(record.jobId) >= places && places > 1
        return isDelayed || this.liveOf(record.jobId, 'running').length >= places
      }
    },
  ),
  mutant(
    'goes on taking for delayed what was queued or handed back',
    ['delayed: once it is due a claim starts it, and from then on it keeps others waiting'],
    class extends Ledger {
      override isDelayed({ state, kind, dueAt, createdAt }: OccurrenceRecord) {
        return state === 'pending' && kind !== 'slot' && dueAt > createdAt
      }
    },
  ),
]
