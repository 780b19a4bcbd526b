import { ApiPart } from './api-part.ts'
import { orDefault, readLimitedList, readObject } from '../../configuration/read-value.ts'
import { invalidValue, JobistemerError } from '../../errors.ts'
import type { Job } from '../../job/define-job.ts'
import { nameOfJob } from '../../job/read-jobs.ts'
import type { JsonObject, JsonValue } from '../../json.ts'
import { isFinal, type OccurrenceDetails, type OccurrenceRecord, slotOf } from '../../storage/occurrence-record.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'
import { type CallerContext, callOptionNames } from '../storage-access/caller-context.ts'
import { callsAtOnce } from '../storage-access/tuning.ts'
import { chunksOf } from '../storage-access/retrying-storage.ts'
import { followAnswer, planOfRequest, RequestCreator, requestItemOf, sendingOf, tasksFrom } from './request-creator.ts'
import type { JobRequest, Request, Sending } from './request-creator.ts'
import {
  parsedDetailsOf,
  readKeyScope,
  readStart,
  type ReplayOptions,
  type RequestOptions,
  type TriggerItem,
  type TriggerManyOptions,
  type TriggerManyResult,
  triggerOptionNames,
  type TriggerOptions,
  type TriggerResult,
  resultOf,
} from './request-options.ts'
import { rootOf } from './occurrence-lists.ts'
import { latestTraceOf, traced, withTrace } from '../../tracing/trace-context.ts'
import { createdId } from '../../storage/rules.ts'
import type { CreateAnswer, CreateRequested, StorageWithin } from '../../storage/storage.ts'

const replayOptionNames = triggerOptionNames.filter((name) => name !== 'keyScope')
const triggerNames = [...triggerOptionNames, ...callOptionNames, 'transaction']

/** Creates triggers and replays: runs that callers request outside the schedule. */
export class Requests extends ApiPart {
  readonly creator: RequestCreator = new RequestCreator(this)

  /**
   * Triggers a job. `results`: the results that the run uses for tasks that it does not run itself. Throws synchronously
   * for invalid input. Submits the request synchronously unless the payload schema is asynchronous.
   */
  trigger(
    job: RegisteredJob,
    options: TriggerOptions,
    asked: CallerContext,
    { job: given, results }: { readonly job: string | Job; readonly results?: JsonObject },
  ): Promise<TriggerResult> {
    readObject(options, 'options', triggerNames)
    const read = this.#read(job, given, options, asked)
    const { transaction } = options
    const send = (request: Request): Promise<TriggerResult> => {
      const whole = results === undefined ? request : { ...request, details: { ...request.details, results } }
      return this.#submit(job, whole, asked, { transaction })
    }
    return read instanceof Promise ? read.then(send) : send(read)
  }

  /** Reads the options of a trigger. Returns a promise if the payload schema is asynchronous. */
  #read(
    job: RegisteredJob,
    given: string | Job,
    options: RequestOptions,
    asked: CallerContext,
    path = '',
  ): Request | Promise<Request> {
    const startAt = readStart(options, this.engine.now(), path)
    const keyScope = readKeyScope(options, path)
    const requestOf = (details: OccurrenceDetails): Request => {
      return { kind: 'trigger', base: job.job.id, details, startAt, keyScope }
    }
    // If this process has no schema of the job, the schema of the given `Job` applies.
    const payload = job.job.payload ?? (typeof given === 'string' ? null : given.payload)
    const read = parsedDetailsOf(options, { name: job.job.name, payload }, asked, path)
    return read instanceof Promise ? read.then(requestOf) : requestOf(read)
  }

  /**
   * Sends a list of requests. Rejects only before the first request is sent. After that, returns a result for each request.
   * At the caller's timeout or abort, requests without an answer get the error of the timeout or abort as their result.
   */
  async triggerMany(
    items: readonly TriggerItem[],
    options: TriggerManyOptions,
    asked: CallerContext,
  ): Promise<readonly TriggerManyResult[]> {
    readObject(options, 'options', [...callOptionNames, 'transaction'])
    const requests = await this.#readItems(items, asked)
    asked.assertWanted()
    const { transaction } = options
    const send = (some: readonly JobRequest[]): Promise<readonly TriggerManyResult[]> =>
      transaction === undefined ? this.#submitAll(some, asked) : this.#createWithin(some, transaction, asked)
    const { tracing } = this.engine
    const names = new Set(tracing === null ? [] : requests.map(({ job }) => job.job.name))
    const [first = null] = names
    const { length: count } = requests
    // Each run of the list stores the trace context of the common `trigger_many` span.
    return traced(tracing, { operation: 'trigger_many', jobName: names.size === 1 ? first : null, count }, (trace) => {
      const withTheirs = ({ job, request }: JobRequest) => {
        return { job, request: { ...request, details: withTrace(request.details, trace) } }
      }
      return send(trace === null ? requests : requests.map(withTheirs))
    })
  }

  async #submitAll(requests: readonly JobRequest[], asked: CallerContext): Promise<readonly TriggerManyResult[]> {
    const results: TriggerManyResult[] = []
    for (const some of chunksOf(requests, callsAtOnce * this.engine.maxBatch)) {
      results.push(...(await this.#submitSome(some, asked)))
    }
    return results
  }

  async replay(
    job: RegisteredJob,
    original: OccurrenceRecord,
    options: ReplayOptions,
    asked: CallerContext,
  ): Promise<TriggerResult> {
    readObject(options, 'options', [...replayOptionNames, ...callOptionNames, 'from'])
    if (!isFinal(original.state)) {
      const { id, state } = original
      throw invalidValue('occurrenceId', `names a ${state} run`, id, 'Wait until the run has ended, or cancel it.')
    }
    const startAt = readStart(options, this.engine.now())
    if (options.from !== undefined && options.tasks !== undefined) {
      throw invalidValue('from', 'comes beside tasks', options.from, 'Give one of them.')
    }
    const from = options.from === undefined ? undefined : tasksFrom(this.registry, job, options.from)
    const tasks = orDefault<readonly string[] | undefined>(options.tasks, from)
    const given = tasks === undefined ? options : { ...options, tasks }
    const { data, isParsed } = original.details
    // The schema parses only new data: the data of the original were parsed when the original was requested.
    const { name, payload } = job.job
    const schema = options.data === undefined ? null : payload
    const details = {
      ...(data !== undefined && { data }),
      ...(isParsed && options.data === undefined && { isParsed }),
      ...(await parsedDetailsOf(given, { name, payload: schema }, asked)),
      replayOf: original.id,
      ...workOf(original),
      ...(original.kind === 'replay' && { root: rootOf(original) }),
      ...(tasks !== undefined && this.#leavesOut(job, original, tasks) && { isPartial: true as const }),
      ...(tasks !== undefined && { results: resultsOf(original, tasks) }),
    }
    return this.#submit(job, { kind: 'replay', base: rootOf(original), details, startAt }, asked, { original })
  }

  /** Returns whether the original has an uncompleted task that a replay of the tasks `again` does not run. */
  #leavesOut(job: RegisteredJob, { runs, details }: OccurrenceRecord, again: readonly string[]): boolean {
    if (details.isPartial === true) return true
    const wanted = details.tasks ?? planOfRequest(this.registry, job, {}).tasks.map(({ name }) => name)
    const isCompleted = (name: string) => runs.some(({ task, state }) => task === name && state === 'completed')
    return wanted.some((name) => !again.includes(name) && !isCompleted(name))
  }

  /**
   * Submits a request. @throws JobistemerError `HANDLER_NOT_FOUND`, `TASK_NOT_FOUND`, or the error of the caller's timeout
   * or abort
   */
  #submit(
    job: RegisteredJob,
    request: Request,
    asked: CallerContext,
    { original, transaction }: { readonly original?: OccurrenceRecord; readonly transaction?: unknown },
  ): Promise<TriggerResult> {
    asked.assertWanted()
    planOfRequest(this.registry, job, request.details)
    const { tracing } = this.engine
    const send = (given: Request): Promise<TriggerResult> =>
      transaction === undefined
        ? this.creator.submit({ job, request: given }, asked, { waits: true })
        : this.#submitWithin(transaction, job, given, asked)
    if (tracing === null) return send(request)
    const trace = original === undefined ? null : latestTraceOf(original.runs)
    const { kind: operation, details } = request
    const key = details.requestKey ?? null
    return traced(
      tracing,
      { operation, jobName: job.job.name, key, replayOf: original?.id ?? null, original: trace },
      (context) => send({ ...request, details: withTrace(details, context) }),
      ({ id, state }) => ({ occurrenceId: id, state }),
    )
  }

  async #submitWithin(transaction: unknown, job: RegisteredJob, request: Request, asked: CallerContext) {
    const [result] = await this.#createWithin([{ job, request }], transaction, asked)
    if (result === undefined || result.error !== null) throw result?.error
    const { error: _, ...answer } = result
    return answer
  }

  async #readItems(items: readonly TriggerItem[], asked: CallerContext): Promise<readonly JobRequest[]> {
    const requests: JobRequest[] = []
    const jobs = new Map<string, RegisteredJob>()
    const list = readLimitedList(items, 'items').slice()
    const names = list.map((item: Partial<TriggerItem> | null) => nameOfJob(item?.job))
    const lookedUp = await this.lookup.byNames(names, asked)
    for (const [index, item] of list.entries()) {
      const turn = this.engine.storage.turn()
      if (turn !== null) await turn
      const path = `items[${index}].`
      readObject(item, `items[${index}]`, ['job', ...triggerOptionNames])
      const { job: given, ...options } = item
      const name = nameOfJob(given) as string
      const job = jobs.get(name) ?? this.jobOf(name, `${path}job`, lookedUp)
      jobs.set(name, job)
      const read = this.#read(job, given, options, asked, path)
      const request = read instanceof Promise ? await read : read
      planOfRequest(this.registry, job, request.details, path)
      requests.push({ job, request })
    }
    return requests
  }

  async #submitSome(requests: readonly JobRequest[], asked: CallerContext): Promise<readonly TriggerManyResult[]> {
    const results = new Array<TriggerManyResult>(requests.length)
    const submit = async (request: JobRequest, index: number): Promise<void> => {
      try {
        results[index] = { ...(await this.creator.submit(request, asked, { waits: false })), error: null }
      } catch (error) {
        results[index] = { error: error as JobistemerError }
      }
    }
    try {
      await asked.within(() => Promise.all(requests.map(submit)))
    } catch (refusal) {
      for (let index = 0; index < results.length; index++) results[index] ??= { error: refusal as JobistemerError }
    }
    return results.slice()
  }

  /**
   * Creates the occurrences of these requests in a transaction of the caller. After an error, the caller cannot commit any of
   * them. The occurrences are stored as waiting, because no run may start before the commit. A node claims them later.
   * @throws JobistemerError `TRANSACTION_NOT_SUPPORTED`, `INVALID_TRANSACTION`; and errors of the storage
   */
  async #createWithin(
    requests: readonly JobRequest[],
    transaction: unknown,
    asked: CallerContext,
  ): Promise<readonly TriggerManyResult[]> {
    const within = this.engine.storage.within(transaction)
    const results: TriggerManyResult[] = []
    let isBegun = false
    try {
      for (const some of chunksOf(requests, this.engine.maxBatch)) {
        let open = new Map(
          some.map(({ job, request }, index) => [results.length + index, sendingOf(this.engine, job, request, asked)]),
        )
        for (; open.size > 0; isBegun = true) open = await this.#createSomeWithin(within, open, asked, results)
      }
    } catch (error) {
      // The transaction may contain a part of the requests. So after an error, the caller must not commit the transaction. If
      // `forbidCommit` fails too, for example after the end of the transaction, the caller gets the first error.
      if (isBegun) await within.forbidCommit().catch(() => undefined)
      throw error
    }
    return results
  }

  /**
   * Creates the occurrences of one batch. The keys of `some` are the indexes of the requests. Adds the results to `results`, and
   * returns the requests that must be sent again.
   */
  async #createSomeWithin(
    within: StorageWithin,
    some: ReadonlyMap<number, Sending>,
    asked: CallerContext,
    results: TriggerManyResult[],
  ): Promise<Map<number, Sending>> {
    const { owner } = this.engine
    const now = this.engine.now()
    const again = new Map<number, Sending>()
    const sent: { readonly index: number; readonly one: Sending; readonly item: CreateRequested }[] = []
    for (const [index, one] of some) {
      try {
        const plan = planOfRequest(this.registry, one.job, one.request.details)
        sent.push({ index, one, item: requestItemOf(one, plan, now, false) })
      } catch (error) {
        results[index] = errorOf(error)
      }
    }
    if (sent.length === 0) return again
    const items = sent.map(({ item }) => item)
    const answers = await asked.within(() => within.createOccurrences({ now, owner, items }))
    for (const [position, { index, one, item }] of sent.entries()) {
      try {
        const next = await this.#answeredWithin(one, item, answers[position] as CreateAnswer)
        if ('job' in next) again.set(index, next)
        else results[index] = { ...next, error: null }
      } catch (error) {
        results[index] = errorOf(error)
      }
    }
    return again
  }

  async #answeredWithin(one: Sending, item: CreateRequested, answer: CreateAnswer): Promise<TriggerResult | Sending> {
    if (answer.outcome !== 'created') return followAnswer(this.registry, one, item, answer)
    const { state, reason } = answer
    if (state === 'skipped') this.registry.skipped.note(one.job, 'request', item.scheduledAt)
    return resultOf({ id: createdId(item, state), state, reason, created: true })
  }
}

/**
 * Returns the slot that a replay works for. If the original covers several missed slots, also returns the span of these
 * slots.
 */
function workOf({ scheduledAt, details }: OccurrenceRecord): Pick<OccurrenceDetails, 'slot' | 'span'> {
  const { span } = details
  // If the original covers several missed slots, the replay works for the last missed slot (`span.to`). The `scheduledAt`
  // of a recovery run is this last slot. The `scheduledAt` of a record of missed slots that do not run is the first slot.
  const slot = slotOf(details) ?? span?.to ?? scheduledAt
  return span === undefined ? { slot } : { slot, span }
}

/** Returns the results of the original's completed tasks that do not run again. */
function resultsOf(original: OccurrenceRecord, again: readonly string[]): JsonObject {
  const results: Record<string, JsonValue> = { ...original.details.results }
  for (const run of original.runs) {
    if (run.state === 'completed' && run.result !== undefined) results[run.task] = run.result
  }
  for (const name of again) delete results[name]
  return results
}

/**
 * Returns the result of a request that failed with a Jobistemer error. Rethrows any other error, because it concerns the
 * whole call.
 */
function errorOf(error: unknown): TriggerManyResult {
  if (!JobistemerError.isInstance(error)) throw error
  return { error }
}
