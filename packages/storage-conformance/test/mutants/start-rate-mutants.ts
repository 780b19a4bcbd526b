import type { JobId } from '@jobistemer/core'
import type { JobRecord, OccurrenceAddress, OccurrenceRecord, Owner } from '@jobistemer/core/storage'
import { letGo, nextStartAt } from '@jobistemer/core/storage'
import { Ledger, letOthersGo, type Mutant, mutant, racing } from './mutant.ts'

const sentence = (text: string): string => `start rate: ${text}`
const head = sentence('the head says what it is and when the last ones started, and nothing where there is none')
const order = sentence('what waits starts in its order, one at each time that comes, and new ones come behind it')
const wakes = sentence('one claim starts as many as it allows, also those that it has to wake')
const counted = sentence('a trigger counts as a slot does, and so does a claim')
const taken = 'take next: an end takes the next as often as the start rate allows, and wakes it for its time otherwise'
const raised = sentence('an update to a higher rate lets what waits start by that one')

/** Faults in how often the occurrences of a job may start. */
export const startRateMutants: readonly Mutant[] = [
  mutant(
    'forgets that there is a rate',
    [head, sentence('as many as it allows start, and the next is pending until the first lies an interval back')],
    class extends Ledger {
      override putHead({ starts: _, ...rest }: JobRecord): void {
        const { startRate: __, ...overlap } = rest.overlap
        super.putHead({ ...rest, overlap })
      }
    },
  ),
  mutant(
    'counts one start less',
    [counted, sentence('as many as it allows start, and the next is pending until the first lies an interval back')],
    class extends Ledger {
      override startsAfter(job: JobRecord) {
        const starts = super.startsAfter(job)
        return starts.length === job.overlap.startRate?.limit ? starts.slice(1) : starts
      }
    },
  ),
  mutant(
    'begins an interval with the first start, and lets as many start in the next at once',
    [sentence('the interval may begin anywhere: what starts late in one counts in the next')],
    class extends Ledger {
      override startsAfter(job: JobRecord) {
        const [first, ...others] = job.starts ?? []
        const { limit, intervalMs } = job.overlap.startRate ?? { limit: 1, intervalMs: 1 }
        if (first === undefined || this.now >= first + intervalMs) return [this.now]
        // As many as the limit, all of them as old as the first.
        return [first, ...others, first].slice(-limit)
      }
    },
  ),
  mutant(
    'counts what starts when it is created, and no claim',
    [counted, order],
    class extends Ledger {
      override claim(request: Parameters<Ledger['claim']>[0]) {
        const before = new Map([...this.jobs].map(([id, { starts }]) => [id, starts]))
        const answer = super.claim(request)
        for (const { jobId } of answer.claimed) {
          const { starts: _, ...job } = this.jobs.get(jobId) as JobRecord
          const starts = before.get(jobId)
          this.putHead(starts === undefined ? job : { ...job, starts })
        }
        return answer
      }
    },
  ),
  mutant(
    'counts what is claimed, and nothing that starts when it is created',
    [head, counted],
    class extends Ledger {
      override createOccurrences(request: Parameters<Ledger['createOccurrences']>[0]) {
        const before = new Map([...this.jobs].map(([id, { starts }]) => [id, starts]))
        const answers = super.createOccurrences(request)
        for (const job of this.jobs.values()) {
          const { starts: _, ...rest } = job
          const starts = before.get(job.id)
          this.putHead(starts === undefined ? rest : { ...rest, starts })
        }
        return answers
      }
    },
  ),
  mutant(
    'lets a new one start before those that wait',
    [order],
    class extends Ledger {
      override mayStart(jobId: JobId) {
        return this.nextStartAt(jobId) <= this.now
      }

      override queuedBefore(job: JobRecord) {
        return job.overlap.startRate === undefined ? super.queuedBefore(job) : 0
      }
    },
  ),
  mutant(
    'wakes nobody behind a start',
    [wakes, order],
    class extends Ledger {
      override wakeBehind(_jobId: JobId) {
        return null
      }
    },
  ),
  racing(
    'writes starts behind those that it has read',
    [
      'races of claims: claims, new ones and ends side by side start no more in an interval than the rate allows, and all in the end',
    ],
    (ledger) => ({
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
  ),
  mutant(
    'knows nothing of what has started by a clock that is ahead',
    [sentence('clocks that are apart let no more start within an interval than it allows, by what they say')],
    class extends Ledger {
      override nextStartAt(jobId: JobId) {
        const job = this.jobs.get(jobId) as JobRecord
        return nextStartAt({ ...job, starts: (job.starts ?? []).filter((at) => at <= this.now) })
      }
    },
  ),
  mutant(
    'leaves what waits to the rate that is in force no more',
    [raised, sentence('an update that takes the rate away lets all start that have a place')],
    class extends Ledger {
      override letGoHeld(_jobId: JobId) {}
    },
  ),
  mutant(
    'wakes nobody when the rate is another one',
    [sentence('an update that takes the rate away lets all start that have a place')],
    class extends Ledger {
      override changesRate() {
        return false
      }
    },
  ),
  mutant(
    'forgets what has started before an update',
    [raised, sentence('an update to a lower rate counts what has started before')],
    class extends Ledger {
      override replaced(...parameters: Parameters<Ledger['replaced']>) {
        const { starts: _, ...job } = super.replaced(...parameters)
        return job
      }
    },
  ),
  mutant(
    'lets what a recovery runs start at once',
    [sentence('a recovery lets its runs wait too')],
    class extends Ledger {
      override nextStartAt(jobId: JobId) {
        const isRecovered = this.liveOf(jobId, 'pending').some(({ recovered }) => recovered)
        return isRecovered ? Number.NEGATIVE_INFINITY : super.nextStartAt(jobId)
      }
    },
  ),
  mutant(
    'does not count what an end takes',
    [taken],
    class extends Ledger {
      override takeWoken(...parameters: Parameters<Ledger['takeWoken']>) {
        const starts = new Map([...this.jobs].map(([id, job]) => [id, job.starts]))
        const record = super.takeWoken(...parameters)
        if (record !== null) {
          const { starts: _, ...job } = this.jobs.get(record.jobId) as JobRecord
          const before = starts.get(record.jobId)
          this.putHead(before === undefined ? job : { ...job, starts: before })
        }
        return record
      }
    },
  ),
  mutant(
    'lets an end take the next whatever the rate',
    [taken],
    class extends Ledger {
      override takeWoken(address: OccurrenceAddress, taker: Owner, now: number) {
        const record = this.occurrences.get(address.id)
        if (record !== undefined) this.put(letGo(record, now))
        return super.takeWoken(address, taker, now)
      }
    },
  ),
  mutant(
    'says of one that waits no time and no reason',
    [sentence('as many as it allows start, and the next is pending until the first lies an interval back')],
    class extends Ledger {
      override inTime(record: OccurrenceRecord) {
        return record
      }
    },
  ),
  mutant(
    'skips what may not start yet',
    [sentence('skip: nothing is skipped for the rate, and what comes while one waits is')],
    class extends Ledger {
      override createDue(...parameters: Parameters<Ledger['createDue']>) {
        const [item, job] = parameters
        const isHeld = this.nextStartAt(job.id) > this.now
        const answer = super.createDue(...parameters)
        if (!isHeld || answer.outcome !== 'created' || answer.state !== 'pending') return answer
        const record = this.occurrences.get(item.id) as OccurrenceRecord
        this.put({ ...record, state: 'skipped', reason: 'overlap', finishedAt: this.now })
        return { ...answer, state: 'skipped' as const, reason: 'overlap' }
      }
    },
  ),
  mutant(
    'wakes by a sweep what waits behind another one',
    [sentence('a sweep wakes nothing that waits behind another one')],
    class extends Ledger {
      override tend(jobId: JobId, now: number) {
        super.tend(jobId, now)
        if (!this.isDeleted(jobId)) this.wakeFirst(jobId)
      }
    },
  ),
]
