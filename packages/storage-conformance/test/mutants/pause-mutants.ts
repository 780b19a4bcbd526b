import type { JobChange, JobRecord, OccurrenceAddress, OccurrenceRecord, Owner } from '@jobistemer/core/storage'
import { Ledger, type Mutant, mutant } from './mutant.ts'

type Pause = Extract<JobChange, { kind: 'pause' }>

const sentence = (text: string): string => `pause with an end: ${text}`

const keepsUntilThen = sentence('keeps what waits from claims until then, and says when that is')
const lateSlots = sentence('a slot before its end is skipped and one at its end starts, however late they are created')
const longerWins = sentence('the pause that holds longer wins')

/** Faults in pauses that end by themselves. */
export const pauseMutants: readonly Mutant[] = [
  mutant(
    'keeps what waits until the job is resumed, whenever its pause ends',
    [keepsUntilThen, sentence('a trigger waits for its end, and starts at once after it')],
    class extends Ledger {
      override pausedUntil({ paused }: JobRecord) {
        return paused === null ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
      }
    },
  ),
  mutant(
    'takes a pause with an end for none',
    [keepsUntilThen, lateSlots],
    class extends Ledger {
      override pausedUntil(head: JobRecord) {
        return head.paused?.until === undefined ? super.pausedUntil(head) : Number.NEGATIVE_INFINITY
      }
    },
  ),
  mutant(
    'ends a pause a moment too early',
    [keepsUntilThen],
    class extends Ledger {
      override claimableFrom(record: OccurrenceRecord) {
        const from = super.claimableFrom(record)
        return from > record.dueAt ? from - 1 : from
      }
    },
  ),
  mutant(
    'ends a pause a moment too late',
    [keepsUntilThen, sentence('what is woken during it waits for its end')],
    class extends Ledger {
      override claimableFrom(record: OccurrenceRecord) {
        const from = super.claimableFrom(record)
        return from > record.dueAt ? from + 1 : from
      }
    },
  ),
  mutant(
    'makes due at the end of a pause what becomes due later',
    [sentence('what becomes due after it is due at its own time')],
    class extends Ledger {
      override claimableFrom(record: OccurrenceRecord) {
        const until = this.pausedUntil(this.jobs.get(record.jobId) as JobRecord)
        return Number.isFinite(until) ? until : super.claimableFrom(record)
      }
    },
  ),
  mutant(
    'forgets what waited when a pause has ended',
    [keepsUntilThen, sentence('another one can follow it')],
    class extends Ledger {
      override claimable(exceptHandlerKeys: readonly string[]) {
        return super.claimable(exceptHandlerKeys).filter(({ jobId, dueAt }) => {
          const until = this.jobs.get(jobId)?.paused?.until
          return until === undefined || dueAt >= until || this.now < until
        })
      }
    },
  ),
  mutant(
    'lifts a pause for all as soon as one node sees that it is over',
    [sentence('holds also for the claim of a node whose clock is behind')],
    class extends Ledger {
      readonly #over = new Set<string>()

      override pausedUntil(head: JobRecord) {
        const until = super.pausedUntil(head)
        if (this.now >= until && Number.isFinite(until)) this.#over.add(`${head.id} ${until}`)
        return this.#over.has(`${head.id} ${until}`) ? Number.NEGATIVE_INFINITY : until
      }
    },
  ),
  mutant(
    'does not say when a pause ends',
    [keepsUntilThen, longerWins],
    class extends Ledger {
      override nextDueAt(pending: readonly OccurrenceRecord[], now: number) {
        return super.nextDueAt(
          pending.filter((record) => this.claimableFrom(record) === record.dueAt),
          now,
        )
      }
    },
  ),
  mutant(
    'judges a slot by when it is created',
    [lateSlots],
    class extends Ledger {
      override isSlotPaused(head: JobRecord, _scheduledAt: number, now: number) {
        return now < this.pausedUntil(head)
      }
    },
  ),
  mutant(
    'clears a pause that is over',
    [sentence('is kept in the head, also when it is over')],
    class extends Ledger {
      override claim(request: Parameters<Ledger['claim']>[0]) {
        for (const head of [...this.jobs.values()]) {
          if ((head.paused?.until ?? Number.POSITIVE_INFINITY) <= request.now) this.putHead({ ...head, paused: null })
        }
        return super.claim(request)
      }
    },
  ),
  mutant(
    'lets the later of two pauses win',
    [longerWins],
    class extends Ledger {
      override pauseJob(head: JobRecord, change: Pause, now: number) {
        return super.pauseJob(change.paused === null ? head : { ...head, paused: null }, change, now)
      }
    },
  ),
  mutant(
    'lets the earlier of two pauses win',
    [longerWins],
    class extends Ledger {
      override pauseJob(head: JobRecord, change: Pause, now: number) {
        const isKept = change.paused !== null && now < this.pausedUntil(head)
        return isKept ? ({ outcome: 'unchanged', job: head } as const) : super.pauseJob(head, change, now)
      }
    },
  ),
  mutant(
    'lifts a pause that is over',
    [sentence('resuming lifts it at once, and one that is over answers unchanged')],
    class extends Ledger {
      override pauseJob(head: JobRecord, change: Pause, now: number) {
        if (change.paused !== null || head.paused === null) return super.pauseJob(head, change, now)
        return super.pauseJob({ ...head, paused: { at: 0, reason: null, actor: null } }, change, now)
      }
    },
  ),
  mutant(
    'takes nothing of a job whose pause is over',
    ['take next: the next of a job whose pause has ended is taken'],
    class extends Ledger {
      override takeWoken(woken: OccurrenceAddress, taker: Owner, now: number) {
        return this.jobs.get(woken.jobId)?.paused === null ? super.takeWoken(woken, taker, now) : null
      }
    },
  ),
]
