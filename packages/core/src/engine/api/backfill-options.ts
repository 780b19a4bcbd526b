import {
  orDefault,
  readBoolean,
  readChoice,
  readInteger,
  readName,
  readObject,
} from '../../configuration/read-value.ts'
import { invalidValue } from '../../errors.ts'
import { type InstantInput, toInstantMs } from '../../instant.ts'
import type { BackfillRecord } from '../../storage/occurrence-record.ts'
import { callOptionNames, type CallOptions } from '../storage-access/caller-context.ts'
import type { RequestOptions } from './request-options.ts'

/** Options of a backfill, which runs past slots of a job. */
export interface BackfillOptions
  extends Pick<RequestOptions, 'data' | 'priority' | 'tasks' | 'overrides' | 'reason' | 'actor'>,
    CallOptions {
  /** Start of the span, inclusive. May lie before the job's creation. */
  readonly from: InstantInput
  /** End of the span, exclusive. Must not lie in the future. */
  readonly to: InstantInput
  /**
   * Which slots of the span to run:
   *
   * - `missed`: slots that never ran, because no node lived, a rule skipped them, or the job did not exist yet.
   * - `failed`: slots whose last run failed.
   * - `missed_and_failed`: both.
   * - `all`: all slots, including completed, canceled and pruned ones.
   *
   * The last run of a slot counts, including runs of earlier backfills. A slot whose run waits or runs is not run again.
   * Default `missed`.
   */
  readonly which?: 'all' | 'missed' | 'failed' | 'missed_and_failed'
  /** The order in which the backfill runs its slots. Default `oldest_first`. */
  readonly order?: 'oldest_first' | 'newest_first'
  /**
   * Maximum number of concurrent runs of the backfill, 1 to 1,000. Under an overlap policy other than `allow`, the maximum
   * is always 1. Default 1.
   */
  readonly maxActive?: number
  /**
   * Names the backfill. A second call with the same key resumes the backfill and runs no slot twice. For `data`, `priority`,
   * `tasks` and `overrides`, the second call uses the values of the earlier runs unless it gives new ones. New values apply
   * to the runs that the second call begins and to all following runs. Default: a new key.
   */
  readonly key?: string
  /** If true, the call returns the result without creating runs. Default false. */
  readonly dryRun?: boolean
}

/** The state of a backfill. The counts from `passed` to `canceled` add up to `slots`. */
export interface BackfillResult {
  /** The key of the backfill. */
  readonly key: string
  /** Number of slots of the job's schedule in the span. */
  readonly slots: number
  /** Number of slots that the backfill does not run, because `which` excludes them or another run of the slot is live. */
  readonly passed: number
  /** Number of slots that the backfill is to run, and whose runs are not created yet. */
  readonly open: number
  /** Number of live runs of the backfill: waiting or running. */
  readonly live: number
  /** Number of `completed` runs of the backfill. */
  readonly completed: number
  /** Number of failed runs of the backfill. */
  readonly failed: number
  /** Number of canceled runs of the backfill. */
  readonly canceled: number
  /** Maximum number of concurrent runs of the backfill. */
  readonly maxActive: number
  /** The first 100 `open` slots, in the order in which the backfill will run them. */
  readonly next: readonly Date[]
  /** The `open` slot that the backfill will run last; `null` if no slot is open. */
  readonly last: Date | null
}

/** Options for stopping a backfill. */
export interface StopBackfillOptions extends CallOptions {
  /** Reason of the stop. Each canceled run stores this reason after `backfill_stopped: `. 1 to 255 characters. */
  readonly reason?: string
  /** 1 to 255 characters. */
  readonly actor?: string
}

/** The result of stopping a backfill. */
export interface StopBackfillResult {
  /** Number of waiting runs that this call of `stopBackfill` canceled. */
  readonly canceled: number
  /** Number of running runs of the backfill. The stop does not interrupt them. */
  readonly running: number
}

/** The options of a backfill after validation. */
export interface CheckedBackfill extends Pick<BackfillRecord, 'from' | 'to' | 'which' | 'order'> {
  readonly maxActive: number
  readonly key: string | null
  readonly dryRun: boolean
  /** The request options that each run of the backfill stores. */
  readonly request: RequestOptions
}

const whiches = ['missed', 'failed', 'missed_and_failed', 'all'] as const
const orders = ['oldest_first', 'newest_first'] as const
const requestNames = ['data', 'priority', 'tasks', 'overrides', 'reason', 'actor'] as const
const ownNames = ['from', 'to', 'which', 'order', 'maxActive', 'key', 'dryRun']

/**
 * Validates the options of a backfill. @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_INSTANT`, `INVALID_NAME`,
 * `UNKNOWN_OPTION`
 */
export function readBackfill(options: BackfillOptions, now: number): CheckedBackfill {
  readObject(options, 'options', [...ownNames, ...requestNames, ...callOptionNames])
  const from = toInstantMs(options.from, 'from')
  const to = toInstantMs(options.to, 'to')
  if (to > now)
    throw invalidValue(
      'to',
      'lies ahead',
      new Date(to),
      `Give the present time, ${new Date(now).toISOString()}, or an earlier one.`,
    )
  if (from >= to)
    throw invalidValue(
      'to',
      'is not after from',
      new Date(to),
      `Give an instant after ${new Date(from).toISOString()}.`,
    )
  const request: Record<string, unknown> = {}
  for (const name of requestNames) if (options[name] !== undefined) request[name] = options[name]
  return {
    from,
    to,
    which: readChoice(orDefault(options.which, 'missed'), whiches, 'which'),
    order: readChoice(orDefault(options.order, 'oldest_first'), orders, 'order'),
    maxActive: readInteger(orDefault(options.maxActive, 1), 'maxActive', 1, 1000),
    key: options.key === undefined ? null : readName(options.key, 'key'),
    dryRun: options.dryRun !== undefined && readBoolean(options.dryRun, 'dryRun'),
    request,
  }
}
