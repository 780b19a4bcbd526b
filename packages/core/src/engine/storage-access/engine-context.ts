import type { Clock } from '../../clock.ts'
import type { JobOverrides } from '../../configuration/settings.ts'
import type { EventHub } from '../../events.ts'
import type { Logger } from '../../logger.ts'
import type { Sleeps } from '../runtime/sleeps.ts'
import type { Owner } from '../../storage/occurrence-record.ts'
import type { Tracing } from '../../tracing/tracing.ts'
import type { Agenda } from '../runtime/agenda.ts'
import type { SlotEntry } from '../runtime/slot-levels.ts'
import type { YieldBudget } from '../runtime/yield-budget.ts'
import type { BisectingCalls } from './bisecting-calls.ts'
import type { OwnContext } from '../runtime/own-context.ts'
import type { RetryingStorage } from './retrying-storage.ts'

/** What the parts of one engine share. */
export interface EngineContext {
  /** The asynchronous context of the engine: that in which it was made. */
  readonly context: OwnContext
  readonly clock: Clock
  /** The time is the machine's. */
  readonly isOnSystemClock: boolean
  readonly agenda: Agenda<SlotEntry>
  readonly sleeps: Sleeps
  /** Shared by calls of the storage, and by those that count slots. */
  readonly yieldBudget: YieldBudget
  readonly storage: RetryingStorage
  /** Calls of which one item may be wrong. */
  readonly bisecting: BisectingCalls
  readonly events: EventHub
  readonly logger: Logger
  /** `null`: nothing is traced. */
  readonly tracing: Tracing | null
  readonly owner: Owner
  /** What the scheduler overrides for all of its jobs. */
  readonly defaults: JobOverrides
  /** How many occurrences of one job the storage may hold queued. */
  readonly mostQueued: number
  /** Items per storage call. */
  readonly maxBatch: number
  /** So many ends are worth a further storage call while another is under way. */
  readonly worthwhileBatch: number
  /** A number in `[0, 1)`: the clock's, so that simulations repeat themselves. */
  random(): number
  /** Epoch milliseconds, as the engine schedules by them: the storage's time where it has a clock. */
  now(): number
  /**
   * A clock has jumped, and it is not confirmed yet that it is right: `now` goes on from before, and nothing may be
   * created, recovered, claimed, begun or reaped by it. Asked after `now`, which looks at the clocks.
   */
  readonly isTimeInDoubt: boolean
  /** The time is in doubt, or the others cannot know of this node yet, or may take it for dead: it takes no new work. Asked after `now`. */
  readonly isHeldBack: boolean
  /** The milliseconds until the next periodic look, instead of `intervalMs`: more while this node rests, being alone. */
  untilNextLook(intervalMs: number): number
  /** A handler of this job, or its schedule, has held the event loop for so long. */
  heldLoop(jobName: string, forMs: number): void
  /** Something that must not happen in the engine has happened: it is reported, and the engine goes on. */
  fail(where: string, error: unknown): void
}
