import type { JobSettingsInput } from '../../configuration/settings.ts'
import { readJobSettings, readPriority } from '../../configuration/read-settings.ts'
import { readChoice, readName, readObject } from '../../configuration/read-value.ts'
import { type DurationInput, toDurationMs } from '../../duration.ts'
import { invalidValue, type JobistemerError } from '../../errors.ts'
import type { OccurrenceId } from '../../ids.ts'
import { type JsonObject, type JsonValue, toJsonValue } from '../../json.ts'
import { type InstantInput, toInstantMs } from '../../instant.ts'
import type { Job } from '../../job/define-job.ts'
import { noDetails } from '../../job/job-document.ts'
import type { OccurrenceReason } from '../../occurrence-reason.ts'
import type { OccurrenceDetails, OccurrenceState } from '../../storage/occurrence-record.ts'
import type { ReusableKey } from '../../storage/storage.ts'
import type { CallerContext, CallOptions } from '../storage-access/caller-context.ts'
import { parsePayload } from '../../job/payload.ts'
import { runUserCodeOn } from '../runtime/own-context.ts'

/** Settings of a job that a request can change for its own run. */
export type RunOverrides = Pick<JobSettingsInput, (typeof overrideNames)[number]>

/** How long a run blocks its key, see `keyScope` of {@link RequestOptions}. */
export type KeyScope = 'waiting' | 'live' | 'forever'

/** Options of a request to run a job outside its schedule. */
export interface RequestOptions {
  /**
   * Names the request. While a run blocks the key (see `keyScope`), a second request with the same key, on any node, creates no
   * run: its result is the run that blocks the key. A run with another scope does not block a key of the scope `forever`, and a
   * skipped request does not block its key. Default: no key, so each call is
   * a new request.
   */
  readonly key?: string
  /**
   * How long a run blocks its key for further requests:
   * - `waiting`: until the run starts for the first time.
   * - `live`: until the run has ended.
   * - `forever`: while the storage keeps the run's record.
   *
   * A request with a blocked key creates no run: its result is the run that blocks the key. The call rejects `keyScope` without
   * `key`. Default `forever`.
   */
  readonly keyScope?: KeyScope
  /** Data that the tasks receive as `context.input`, stored as JSON. A replay without `data` uses the original's data. */
  readonly data?: unknown
  /**
   * Earliest start of the run. Until then, the run is `pending` with the reason `delayed`, and blocks no other run. With a
   * past instant, the run may start at once. Default: now.
   */
  readonly at?: InstantInput
  /** Earliest start of the run, as a duration from now. The call rejects `delay` together with `at`. */
  readonly delay?: DurationInput
  /** Priority of this run, -10 to 10. Runs with a higher priority start first. Default: the job's priority. */
  readonly priority?: number
  /** Names of the tasks to run. Default: all tasks of the job. */
  readonly tasks?: readonly string[]
  /** Settings for this run only. They have precedence over the settings of the job and of its tasks. */
  readonly overrides?: RunOverrides
  /** Why the caller requests the run, 1 to 255 characters. The occurrence stores the reason. */
  readonly reason?: string
  /** Who requests the run, 1 to 255 characters. The occurrence stores the actor. */
  readonly actor?: string
}

/** The option to store a request in a transaction of the caller. */
export interface TransactionOptions {
  /**
   * The caller's transaction in which the storage writes the request. The run starts only after the commit; a rollback
   * removes the request. The adapter defines the type of the value. For SQLite, the value is the better-sqlite3
   * connection with the open transaction. Not all adapters support transactions. Default: none.
   */
  readonly transaction?: unknown
}

/** Options of a trigger. */
export interface TriggerOptions extends RequestOptions, CallOptions, TransactionOptions {}

/** Options of `triggerMany`, which sends a list of requests. */
export interface TriggerManyOptions extends CallOptions, TransactionOptions {}

/** {@link TriggerOptions} with `data` of the input type of the job's payload schema. */
export interface TypedTriggerOptions<Input> extends TriggerOptions {
  readonly data?: Input
}

/** The options argument of `trigger`. The argument is optional if the job's data is optional. */
export type TriggerArguments<Input> = undefined extends Input
  ? [options?: TypedTriggerOptions<Input>]
  : [options: TypedTriggerOptions<Input> & { readonly data: Input }]

/** One request in the list of `triggerMany`. */
export interface TriggerItem extends RequestOptions {
  /** The name of the job, or the result of `defineJob`. */
  readonly job: string | Job
}

/** Options of a replay. */
export interface ReplayOptions extends Omit<RequestOptions, 'keyScope'>, CallOptions {
  /** The first task to run, instead of `tasks`. Later tasks run too; earlier tasks keep the original's results. */
  readonly from?: string
}

/** Why a request was skipped. `overlap`: another run of the job was active, under the overlap policy `skip`. */
export type SkipReason = 'overlap'

/** The answer to a request to run a job: the occurrence, its state, and whether this request created it. */
export interface TriggerResult {
  /** Id of the occurrence. If the request was skipped, id of the record of the skip. */
  readonly id: OccurrenceId
  /** State of the occurrence: `running`, waiting (`pending`, `queued`), or `skipped` under the overlap policy `skip`. */
  readonly state: OccurrenceState
  /** Why the job skipped this request; `null` if the request was not skipped. A skipped request never runs. */
  readonly skipped: SkipReason | null
  /** The reason for the occurrence's state, such as `overlap`, `delayed` or the reason of a cancel; `null` without a reason. */
  readonly reason: OccurrenceReason | null
  /**
   * Whether this request created the occurrence. False if an earlier run blocks the key; the result then describes that run.
   */
  readonly created: boolean
}

/**
 * The result of one request of a list. On success, it has the members of `TriggerResult` and `error: null`. On failure, it
 * has only the member `error`. After a timeout or an abort, the storage may have stored the request nevertheless.
 */
export type TriggerManyResult = (TriggerResult & { readonly error: null }) | { readonly error: JobistemerError }

/** Returns the result of a request whose record is in the storage. */
export function resultOf(record: Omit<TriggerResult, 'skipped'>): TriggerResult {
  const { id, state, reason, created } = record
  // Only the overlap policy skips a request.
  return { id, state, skipped: state === 'skipped' ? 'overlap' : null, reason, created }
}

const overrideNames = [
  'failureStrategy',
  'retryPolicy',
  'taskTimeout',
  'keepLogs',
  'taskExecutionMode',
  'executionTimeout',
] as const
/** The option names that a trigger accepts. */
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

/**
 * Returns the part of the request options that the occurrence stores. A given priority is stored even if it is 0. `path`
 * is the prefix of field names in errors, such as `items[3].`.
 */
function detailsOf(options: RequestOptions, path = ''): OccurrenceDetails {
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

/**
 * Returns how long a run blocks its key; `null`: as long as the storage keeps its record. `path` is the prefix of field
 * names in errors.
 */
export function readKeyScope({ key, keyScope }: RequestOptions, path = ''): ReusableKey['scope'] | null {
  if (keyScope === undefined) return null
  const scope = readChoice(keyScope, keyScopes, `${path}keyScope`)
  if (key === undefined) {
    throw invalidValue(
      `${path}keyScope`,
      `comes without ${path}key`,
      keyScope,
      'Give key as well, or leave keyScope out.',
    )
  }
  return scope === 'forever' ? null : scope
}

/** Returns the earliest start of a request, in epoch milliseconds. `null`: the run may start at once. */
export function readStart({ at, delay }: RequestOptions, now: number, path = ''): number | null {
  return readWhen(at, delay, now, { at: `${path}at`, delay: `${path}delay` })
}

/** Returns the instant that a caller gives as an instant or as a duration from now; `null` if the caller gives neither. */
export function readWhen(
  at: InstantInput | undefined,
  delay: DurationInput | undefined,
  now: number,
  fields: { readonly at: string; readonly delay: string; readonly min?: number },
): number | null {
  if (at !== undefined && delay !== undefined) {
    const remedy = `Give either ${fields.at}, the instant, or ${fields.delay}, the time from now on.`
    throw invalidValue(fields.delay, `comes beside ${fields.at}`, delay, remedy)
  }
  if (at !== undefined) return toInstantMs(at, fields.at)
  if (delay === undefined) return null
  return toInstantMs(now + toDurationMs(delay, fields.delay, { min: fields.min ?? 0 }), fields.delay)
}

function readTaskNames(tasks: readonly string[], field: string): readonly string[] {
  if (Array.isArray(tasks) && tasks.length > 0) return tasks.map((name, index) => readName(name, `${field}[${index}]`))
  throw invalidValue(
    field,
    'is not a list of names of tasks',
    tasks,
    'Name at least one task, or leave it out to run all.',
  )
}

/**
 * Validates request options and parses their data by the job's schema. Returns the options that the occurrence stores, or a
 * promise of these options if the schema is asynchronous.
 *
 * @throws JobistemerError `INVALID_PAYLOAD`; `WAIT_TIMEOUT` or `ABORTED` while an asynchronous schema parses the data; and
 * the errors of `detailsOf`
 */
export function parsedDetailsOf(
  options: RequestOptions,
  { name, payload }: Pick<Job, 'name' | 'payload'>,
  asked: CallerContext,
  path = '',
): OccurrenceDetails | Promise<OccurrenceDetails> {
  if (payload === null) return detailsOf(options, path)
  const { data, ...others } = options
  const details = detailsOf(others, path)
  const withData = (parsed: JsonValue | undefined): OccurrenceDetails => ({
    ...details,
    isParsed: true,
    ...(parsed !== undefined && { data: parsed }),
  })
  const place = { jobName: name, field: `${path}data` }
  const parsed = runUserCodeOn(asked.clock, () => parsePayload(payload, data, place))
  if (!(parsed instanceof Promise)) return withData(parsed)
  return asked.within(() => parsed, 'schema').then(withData)
}
