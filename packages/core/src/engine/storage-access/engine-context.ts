import type { Clock } from '../../clock.ts'
import type { JobOverrides } from '../../configuration/settings.ts'
import type { EventHub } from '../../events.ts'
import type { Logger } from '../../logger.ts'
import type { Owner } from '../../storage/occurrence-record.ts'
import type { Tracing } from '../../tracing/tracing.ts'
import type { Agenda, SlotEntry } from '../runtime/agenda.ts'
import type { OwnContext } from '../runtime/own-context.ts'
import type { RetryingStorage } from './retrying-storage.ts'
import { JobistemerError } from '../../errors.ts'

/** The services and settings that the parts of one engine share. */
export interface EngineContext {
  /** The async context in which the engine was created. */
  readonly context: OwnContext
  readonly clock: Clock
  readonly agenda: Agenda<SlotEntry>
  readonly storage: RetryingStorage
  readonly events: EventHub
  readonly logger: Logger
  /** Creates the traces of runs; `null`: tracing is off. */
  readonly tracing: Tracing | null
  readonly owner: Owner
  /** The scheduler's option `defaults`: settings for all jobs of this node. A job's own settings have precedence. */
  readonly defaults: JobOverrides
  /** Maximum number of queued occurrences per job that the storage supports. */
  readonly mostQueued: number
  /** Maximum number of items per storage call. */
  readonly maxBatch: number
  /**
   * Number of run ends that are worth a further `settle` call. If at least this many ends wait, the engine sends a call while
   * another `settle` call is in progress. With fewer ends, the engine usually waits for the answer to that call.
   */
  readonly worthwhileBatch: number
  /** Returns a random number in `[0, 1)`. The clock may supply the number, which makes simulations reproducible. */
  random(): number
  /** Returns the time by which the engine schedules, in epoch ms: the storage's time if the storage has a clock. */
  now(): number
  /**
   * Whether a clock jump is not confirmed yet. `now` continues from the last confirmed time. Meanwhile the node must not
   * create, recover, claim, begin or reap anything. The caller calls `now` first, because `now` reads the clocks and notices
   * the jump.
   */
  readonly isTimeInDoubt: boolean
  /**
   * Whether the node takes no new work: its time is in doubt, its first heartbeat is not stored yet, or peers may declare it
   * dead. The caller calls `now` first.
   */
  readonly isHeldBack: boolean
  /**
   * Returns the ms until the next poll or heartbeat. Usually this is `intervalMs`. If no other node exists, this node may rest.
   * Then the result is at least one day, because wake-ups of the storage replace polls.
   */
  untilNextLook(intervalMs: number): number
  /**
   * Reports an internal error. The engine then continues, unless the error means that its storage is closed or was replaced.
   */
  fail(where: string, error: unknown): void
}

/** The phases of a scheduler's life. */
export type Phase = 'new' | 'starting' | 'running' | 'stopping' | 'stopped'

/** Returns the error of a call that the scheduler, or `what`, does not accept in its present phase. */
export function stateError(
  action: string,
  phase: Phase | 'closed',
  remedy: string,
  what = 'scheduler',
): JobistemerError {
  const message = `Cannot ${action} a ${what} that is ${phase}.`
  return new JobistemerError('SCHEDULER_STATE', { message, field: what, value: phase, remedy })
}

export function clientClosed(): JobistemerError {
  return stateError('use', 'closed', 'Create another one.', 'client')
}
