import {
  orDefault,
  readBoolean,
  readChoice,
  readInteger,
  readName,
  readObject,
} from '../../configuration/read-value.ts'
import { JobistemerError } from '../../errors.ts'
import { type InstantInput, toInstantMs } from '../../instant.ts'
import type { BackfillRecord } from '../../storage/occurrence-record.ts'
import { type CallOptions, callOptionNames } from '../storage-access/caller-context.ts'
import type { RequestOptions } from './request-options.ts'

/** How to run past slots of a job. */
export interface BackfillOptions
  extends Pick<RequestOptions, 'data' | 'priority' | 'tasks' | 'overrides' | 'reason' | 'actor'>,
    CallOptions {
  /** The beginning of the span, inclusive. May lie before the job's creation. */
  readonly from: InstantInput
  /** The end of the span, exclusive. Not in the future. */
  readonly to: InstantInput
  /**
   * Which of its slots to run:
   *
   * - `missed`: what never ran, because nobody was there, or it was skipped, or lies before the job's creation.
   * - `failed`: what was run, and did not go well.
   * - `missed_and_failed`: both.
   * - `all`: whatever became of it, also what somebody has canceled, and what was pruned.
   *
   * What became of a slot is what its last run has come to, in this or an earlier backfill. One that waits or runs is
   * left alone. Default `missed`.
   */
  readonly which?: 'all' | 'missed' | 'failed' | 'missed_and_failed'
  /** Default `oldest_first`. */
  readonly order?: 'oldest_first' | 'newest_first'
  /**
   * At most so many of its runs at a time, 1 to 1,000. Under every overlap policy but `allow` it is one, whatever is said
   * here. Default 1.
   */
  readonly maxActive?: number
  /**
   * Names the backfill: a second call of the same key goes on with it, and runs nothing twice. What it leaves out of
   * `data`, `priority`, `tasks` and `overrides` is as in the runs before; what it says holds for the runs that follow
   * those it begins. Default: a new one.
   */
  readonly key?: string
  /** Only answers what would be run. Default false. */
  readonly dryRun?: boolean
}

/** What a backfill is to do, or how far it has come. The numbers of slots add up to `slots`. */
export interface BackfillResult {
  /** Its key. */
  readonly key: string
  /** How many slots the job's schedule has in the span. */
  readonly slots: number
  /** How many of them it does not run, because of `which`, or because they wait or run anyway. */
  readonly passed: number
  /** How many it is still to run, and has not begun. */
  readonly open: number
  /** How many of its runs wait or run. */
  readonly live: number
  /** How many of its runs are `completed`. */
  readonly completed: number
  /** How many of its runs have failed. */
  readonly failed: number
  /** How many of its runs somebody has canceled. */
  readonly canceled: number
  /** How many of its runs there are at a time, at most. */
  readonly maxActive: number
  /** The first hundred of the `open` ones, in the order in which they will run. */
  readonly next: readonly Date[]
  /** The last one of the `open` ones; `null` when there are none. */
  readonly last: Date | null
}

/** Who stops a backfill, and why. */
export interface StopBackfillOptions extends CallOptions {
  /** Kept with what is canceled, after `backfill_stopped: `. 1 to 255 characters. */
  readonly reason?: string
  /** 1 to 255 characters. */
  readonly actor?: string
}

/** What stopping a backfill did. */
export interface StopBackfillResult {
  /** How many of its runs waited, and are canceled. */
  readonly canceled: number
  /** How many of its runs are running: they may end. */
  readonly running: number
}

/** The options of a backfill, read. */
export interface CheckedBackfill extends Pick<BackfillRecord, 'from' | 'to' | 'which' | 'order'> {
  readonly maxActive: number
  readonly key: string | null
  readonly dryRun: boolean
  /** What is kept with each run. */
  readonly request: RequestOptions
}

const whiches = ['missed', 'failed', 'missed_and_failed', 'all'] as const
const orders = ['oldest_first', 'newest_first'] as const
const requestNames = ['data', 'priority', 'tasks', 'overrides', 'reason', 'actor'] as const
const ownNames = ['from', 'to', 'which', 'order', 'maxActive', 'key', 'dryRun']

/** @throws JobistemerError `INVALID_ARGUMENT`, `INVALID_INSTANT`, `INVALID_NAME`, `UNKNOWN_OPTION` */
export function readBackfill(options: BackfillOptions, now: number): CheckedBackfill {
  readObject(options, 'options', [...ownNames, ...requestNames, ...callOptionNames])
  const from = toInstantMs(options.from, 'from')
  const to = toInstantMs(options.to, 'to')
  if (to > now)
    throw wrongEnd(to, 'lies ahead', `Give the present time, ${new Date(now).toISOString()}, or an earlier one.`)
  if (from >= to) throw wrongEnd(to, 'is not after from', `Give an instant after ${new Date(from).toISOString()}.`)
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

function wrongEnd(to: number, why: string, remedy: string): JobistemerError {
  const value = new Date(to)
  return new JobistemerError('INVALID_ARGUMENT', {
    message: `to ${why}: ${value.toISOString()}.`,
    field: 'to',
    value,
    remedy,
  })
}
