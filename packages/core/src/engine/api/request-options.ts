import { readJobSettings, readPriority } from '../../configuration/read-settings.ts'
import { readChoice, readName, readObject } from '../../configuration/read-value.ts'
import type { JobSettingsInput } from '../../configuration/settings.ts'
import { type DurationInput, toDurationMs } from '../../duration.ts'
import { JobistemerError, printValue } from '../../errors.ts'
import type { OccurrenceId } from '../../ids.ts'
import { type JsonObject, toJsonValue } from '../../json.ts'
import { type InstantInput, toInstantMs } from '../../instant.ts'
import type { Job } from '../../job/define-job.ts'
import type { OccurrenceReason } from '../../occurrence-reason.ts'
import type { OccurrenceDetails, OccurrenceState } from '../../storage/occurrence-record.ts'
import type { ReusableKey } from '../../storage/storage.ts'
import type { CallOptions } from '../storage-access/caller-context.ts'

/** The settings that make sense for one run: the others are about a job's schedule, and about its other runs. */
export type RunOverrides = Pick<
  JobSettingsInput,
  'failureStrategy' | 'retryPolicy' | 'taskTimeout' | 'keepLogs' | 'taskExecutionMode' | 'executionTimeout'
>

/** Until when a run blocks its key, see `keyScope` of {@link RequestOptions}. */
export type KeyScope = 'waiting' | 'live' | 'forever'

/** What a request to run a job outside its schedule says. */
export interface RequestOptions {
  /**
   * Names the request: a second one of the same key, from whichever node, is the same occurrence and does not run
   * again, for as long as `keyScope` says. One that was skipped does not count: its key may be used again. Default:
   * every call is a request of its own.
   */
  readonly key?: string
  /**
   * Until when a run blocks its key for further requests: `waiting`, until it starts for the first time; `live`, until it
   * has ended; `forever`, for as long as its record is kept. A request with a blocked key creates no run: its result is
   * the run that blocks the key. Only with `key`. Default `forever`.
   */
  readonly keyScope?: KeyScope
  /** Handed to the tasks as `context.input`; kept as JSON. A replay without it has the original's. */
  readonly data?: unknown
  /**
   * Not to be started before this instant: until then it waits in the storage, as `pending` with the reason `delayed`,
   * and keeps no other run of its job waiting. One that lies behind counts as now. Default: now.
   */
  readonly at?: InstantInput
  /** As `at`, from now on. Either of them. */
  readonly delay?: DurationInput
  /** How urgent this run is, -10 to 10: the higher goes first. Default: that of the job. */
  readonly priority?: number
  /** Only these tasks. Default: all. */
  readonly tasks?: readonly string[]
  /** Settings for this run alone, over the job's and the tasks' own. */
  readonly overrides?: RunOverrides
  /** Why; kept with the occurrence. 1 to 255 characters. */
  readonly reason?: string
  /** Who asks; kept with the occurrence. 1 to 255 characters. */
  readonly actor?: string
}

/** A transaction of the caller's own to write in. */
export interface TransactionOptions {
  /**
   * The request is stored in this transaction, and stands or falls with it: nothing runs before the commit, and nothing
   * of it is left after a rollback. What is accepted says the storage: with SQLite the connection of better-sqlite3 that
   * has the transaction open. The storage has to be able to do that. Default: none.
   */
  readonly transaction?: unknown
}

/** How to run a job outside its schedule. */
export interface TriggerOptions extends RequestOptions, CallOptions, TransactionOptions {}

/** How to send a list of requests. */
export interface TriggerManyOptions extends CallOptions, TransactionOptions {}

/** As {@link TriggerOptions}, with data as the job's payload schema takes them. */
export interface TypedTriggerOptions<Input> extends TriggerOptions {
  readonly data?: Input
}

/** The options of a trigger: they can be left out where the job's data can. */
export type TriggerArguments<Input> = undefined extends Input
  ? [options?: TypedTriggerOptions<Input>]
  : [options: TypedTriggerOptions<Input> & { readonly data: Input }]

/** One job to run, in a list of them. */
export interface TriggerItem extends RequestOptions {
  /** Its name, or what `defineJob` has made of it. */
  readonly job: string | Job
}

/** How to replay an occurrence. */
export interface ReplayOptions extends Omit<RequestOptions, 'keyScope'>, CallOptions {
  /** Run this task and those after it; the results of those before it are the original's. */
  readonly from?: string
}

/** Why a request was skipped. `overlap`: another run of the job was active, under the overlap policy `skip`. */
export type SkipReason = 'overlap'

/** The outcome of a request to run a job. */
export interface TriggerResult {
  /** Id of the occurrence. If the request was skipped: id of the record of the skip. */
  readonly id: OccurrenceId
  /** `running`, waiting (`pending`, `queued`), or `skipped` under the overlap policy `skip`. */
  readonly state: OccurrenceState
  /** Why this request never runs: check it where each request counts. `null`: the request runs, waits, or has run. */
  readonly skipped: SkipReason | null
  /** Why it is in its state, where that alone does not say: `overlap`, `delayed`, what a cancel gave. */
  readonly reason: OccurrenceReason | null
  /** False when the key was used before: this is what became of that request. */
  readonly created: boolean
}

/**
 * What became of one item of a list: as for a request of its own, with `error: null`; or the error of this item alone,
 * which nothing is known to have been stored of.
 */
export type TriggerManyResult = (TriggerResult & { readonly error: null }) | { readonly error: JobistemerError }

/** The result of a request of which the storage has a record. */
export function resultOf(record: Omit<TriggerResult, 'skipped'>): TriggerResult {
  const { id, state, reason, created } = record
  // A request is skipped by the overlap policy only.
  return { id, state, skipped: state === 'skipped' ? 'overlap' : null, reason, created }
}

const overrideNames: readonly (keyof RunOverrides)[] = [
  'failureStrategy',
  'retryPolicy',
  'taskTimeout',
  'keepLogs',
  'taskExecutionMode',
  'executionTimeout',
]
/** What a trigger may say. */
export const triggerOptionNames: readonly string[] = [
  'key',
  'keyScope',
  'data',
  'at',
  'delay',
  'priority',
  'tasks',
  'overrides',
  'reason',
  'actor',
]

const keyScopes: readonly KeyScope[] = ['waiting', 'live', 'forever']

const noDetails: OccurrenceDetails = Object.freeze({})

/**
 * What is kept with an occurrence of how it was asked for, and its priority where that was said, also when it is 0.
 * `path` goes before the names of fields: `items[3].`.
 */
export function detailsOf(options: RequestOptions, path = ''): OccurrenceDetails {
  const { key, data, priority, tasks, overrides, reason, actor } = options
  const isForTasks = data !== undefined || tasks !== undefined || overrides !== undefined
  const isSaid = key !== undefined || priority !== undefined || reason !== undefined || actor !== undefined
  if (!isForTasks && !isSaid) return noDetails
  if (overrides !== undefined) readObject(overrides, `${path}overrides`, overrideNames)
  return {
    ...(key !== undefined && { requestKey: readName(key, `${path}key`) }),
    ...(data !== undefined && { data: toJsonValue(data, `${path}data`) }),
    ...(priority !== undefined && { priority: readPriority(priority, `${path}priority`) }),
    ...(tasks !== undefined && { tasks: readTaskNames(tasks, `${path}tasks`) }),
    ...(overrides !== undefined && {
      overrides: readJobSettings(overrides, `${path}overrides.`) as unknown as JsonObject,
    }),
    ...(reason !== undefined && { requestReason: readName(reason, `${path}reason`) }),
    ...(actor !== undefined && { requestActor: readName(actor, `${path}actor`) }),
  }
}

/** How long the run of a request blocks its key; `null`: for as long as its record is kept. `path` as for details. */
export function readKeyScope({ key, keyScope }: RequestOptions, path = ''): ReusableKey['scope'] | null {
  if (keyScope === undefined) return null
  const scope = readChoice(keyScope, keyScopes, `${path}keyScope`)
  if (key === undefined) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `${path}keyScope comes without ${path}key: ${printValue(keyScope)}.`,
      field: `${path}keyScope`,
      value: keyScope,
      remedy: 'Give key as well, or leave keyScope out.',
    })
  }
  return scope === 'forever' ? null : scope
}

/** When a request is to start, in epoch milliseconds; `null`: at once. */
export function readStart({ at, delay }: RequestOptions, now: number, path = ''): number | null {
  if (at !== undefined && delay !== undefined) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `${path}delay comes beside ${path}at: ${printValue(delay)}.`,
      field: `${path}delay`,
      value: delay,
      remedy: 'Give either at, the instant, or delay, the time from now on.',
    })
  }
  if (delay !== undefined) return now + toDurationMs(delay, `${path}delay`)
  return at === undefined ? null : toInstantMs(at, `${path}at`)
}

function readTaskNames(tasks: readonly string[], field: string): readonly string[] {
  if (Array.isArray(tasks) && tasks.length > 0) return tasks.map((name, index) => readName(name, `${field}[${index}]`))
  throw new JobistemerError('INVALID_ARGUMENT', {
    message: `${field} is not a list of names of tasks: ${printValue(tasks)}.`,
    field,
    value: tasks,
    remedy: 'Name at least one task, or leave it out to run all.',
  })
}
