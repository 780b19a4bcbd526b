import { JobistemerError, type JobSettingsInput, type SerializedSchedule } from '@jobistemer/core'
import type { Schedule } from '@jobistemer/core/schedule'
import { CliError } from '../cli-error.ts'
import { shellWord } from '../shell-word.ts'
import { importPackage } from '../storage/import-package.ts'
import type { CutOverContext, ImportContext, ImportedJob, ImportedRequest } from './import-source.ts'
import type { ImportNotes, ImportSource } from './import-source.ts'
import { openRedis, type RedisReader, sourceBusy } from './peers.ts'
import { differenceOfCronParser, withWeekdayEnd } from './day-fields.ts'
import { retrySettings } from './retry-settings.ts'
import { scheduleOf } from './schedule-of.ts'
import { hourMs } from './units.ts'

/** Options of {@link bullmq}. */
export interface BullmqOptions {
  readonly url: string
  readonly cwd: string
  /** The names of the queues to import. Default: all queues under the prefix. */
  readonly queues?: readonly string[]
  readonly prefix: string
}

/** The export of the package `bullmq` that computes instants for `--compare`. */
interface BullmqLibrary {
  getNextMillis(afterMs: number, rule: { pattern?: string; tz?: string; every?: number }): number | undefined
}

/** A job scheduler or repeatable job of BullMQ, as Redis stores it. Instants are in epoch milliseconds. */
interface Scheduler {
  readonly id: string
  readonly name: string
  readonly nextMs: number
  readonly pattern: string | null
  readonly every: number | null
  readonly tz: string | null
  readonly startMs: number | null
  /** The instant at which BullMQ's job scheduler ends; `Infinity` if it has no end. */
  readonly endMs: number
  /**
   * Number of jobs that BullMQ's job scheduler will still create, including the job at `nextMs`. `Infinity` without a limit.
   */
  readonly left: number
  readonly data: unknown
  readonly options: JobOptions
}

/** The options of a BullMQ job that the importer reads. */
interface JobOptions {
  readonly attempts?: number
  readonly backoff?: number | { readonly type?: string; readonly delay?: number; readonly jitter?: number }
  readonly priority?: number
  readonly lifo?: boolean
  readonly repeat?: {
    readonly limit?: number
    readonly count?: number
    readonly startDate?: number | string
    readonly utc?: boolean
  }
}

/** The fields of a BullMQ job's Redis hash that the importer reads. */
type JobHash = Readonly<Partial<Record<'name' | 'data' | 'opts' | 'rjk' | 'atm' | 'parentKey' | 'deid', string>>>

/** Number of job hashes that the importer reads concurrently. */
const pageSize = 500
/** Maximum number of requests for slots of one job scheduler that have no BullMQ job. */
const mostUnmade = 1000
/** The highest values of `startRate.limit` and `maxConcurrency` that Jobistemer accepts. */
const [mostStarts, mostRuns] = [100, 1000]
const leftStates = [
  ['active', 'run now: the workers of BullMQ end them'],
  ['waiting-children', 'belong to flows, which Jobistemer does not have'],
  ['failed', 'have failed: look at them in BullMQ'],
] as const

const nthWeekday =
  'BullMQ 5 (cron-parser 4) applies a weekday with # to the day of month, too. Jobistemer runs on days that match either.'

/** Creates the import source `bullmq`, which reads the queues of BullMQ 5 and 6 from Redis. */
export function bullmq(options: BullmqOptions): ImportSource {
  const { url, cwd, prefix } = options
  let opened: Promise<RedisReader> | undefined
  async function* readers(notes: ImportNotes): AsyncGenerator<QueueReader> {
    opened ??= openRedis(url, cwd)
    const redis = await opened
    for (const queue of await queuesOf(redis, options)) yield new QueueReader(redis, prefix, queue, notes)
  }
  return {
    name: 'BullMQ',
    differences: [
      'BullMQ ends no job that runs too long. Jobistemer ends an attempt after 1 h. Give taskTimeout and executionTimeout.',
      'BullMQ passes a job to the processor. A handler of Jobistemer gets { name, data } as context.input of a request, and as context.data of a slot.',
      'The concurrency and the limiter of a worker are code, and are not carried over. Give the jobs maxConcurrency and startRate.',
      'removeOnComplete and removeOnFail are not carried over. Jobistemer keeps runs as retention says.',
      'A late worker of BullMQ leaves out slots of a scheduler. Jobistemer runs each slot that it notices within misfireThreshold.',
    ],
    async read(context, notes) {
      const jobs: ImportedJob[] = []
      for await (const reader of readers(notes)) jobs.push(...(await reader.jobs(context)))
      return jobs
    },
    rules: {
      gap: 'BullMQ (cron-parser) moves a skipped time by the length of the jump, or leaves it out. Jobistemer runs it at the first instant after the jump.',
      fold: 'BullMQ (cron-parser) runs some repeated times once, others twice. Jobistemer runs a fixed time once, and a time whose minute or hour begins with * each time.',
      end: 'BullMQ (cron-parser) finds no further instant behind a change of offset that is no whole hour, and stops the scheduler. Jobistemer continues.',
    },
    async instantsAfter({ original }, afterMs, { timezone }) {
      const library = await importPackage<BullmqLibrary>('bullmq', { cwd, field: '--compare' })
      return instantsOf(original as Scheduler, afterMs, timezone, library)
    },
    explain({ original }) {
      const [days = '', , weekdays = ''] = ((original as Scheduler).pattern ?? '').split(' ').slice(-3)
      return weekdays.includes('#') && days !== '*' ? nthWeekday : null
    },
    stop: (jobs, { cutOver }) => stopCommands(jobs, cutOver, prefix),
    async *requests(context, notes, jobs) {
      const names = new Set(jobs.map(({ name }) => name))
      for await (const reader of readers(notes)) yield* reader.requests(context, names)
    },
    async close() {
      // Expected here: the error of `openRedis`, which the command has reported already. There is then nothing to close.
      const redis = await opened?.catch(() => undefined)
      redis?.disconnect()
    },
  }
}

async function queuesOf(redis: RedisReader, { prefix, queues }: BullmqOptions): Promise<readonly string[]> {
  const found = new Set<string>()
  const pattern = `${prefix.replace(/[[\]*?\\]/g, '\\$&')}:*:meta`
  let cursor = '0'
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', 1000)
    for (const key of keys) {
      const name = key.slice(prefix.length + 1, -':meta'.length)
      // A queue's name has no colon. A key with a further colon is of another prefix, such as `bull:eu` beside `bull`.
      if (!name.includes(':')) found.add(name)
    }
    cursor = next
  } while (cursor !== '0')
  const missing = queues?.find((name) => !found.has(name))
  if (missing === undefined && found.size > 0) return queues ?? [...found].sort()
  const names = [...found].sort().join(', ')
  const field = names === '' ? '--source-prefix' : '--queue'
  const remedy = names === '' ? 'Check the prefix, and the database in the address.' : `The queues are ${names}.`
  const message = `There is no queue${missing === undefined ? '' : ` ${missing}`} of BullMQ under the prefix ${prefix}.`
  throw new CliError({ code: 'SOURCE_EMPTY', message, field, remedy })
}

/** Reads the job schedulers and the waiting jobs of one BullMQ queue. */
class QueueReader {
  readonly #redis: RedisReader
  readonly #queue: string
  readonly #base: string
  readonly #notes: ImportNotes

  constructor(redis: RedisReader, prefix: string, queue: string, notes: ImportNotes) {
    this.#redis = redis
    this.#queue = queue
    this.#base = `${prefix}:${queue}`
    this.#notes = notes
  }

  /**
   * Returns one Jobistemer job for the requests of the BullMQ queue, and one Jobistemer job for each job scheduler of
   * the queue. A job scheduler is a repetition rule of BullMQ.
   */
  async jobs(context: ImportContext): Promise<readonly ImportedJob[]> {
    const origin = `queue ${this.#queue}`
    const meta = await this.#redis.hgetall(`${this.#base}:meta`)
    const settings = this.#limits(meta, origin)
    const isOver = context.cutOver !== null && context.now >= context.cutOver
    // After the cut-over, the stop command has paused the queue.
    if (!isOver && meta.paused !== undefined) {
      this.#notes.differs(
        origin,
        'The queue is paused in BullMQ. Its jobs run in Jobistemer, unless you pause them there.',
      )
    }
    for (const [state, reason] of leftStates) {
      const key = `${this.#base}:${state}`
      const count = state === 'active' ? await this.#redis.llen(key) : await this.#redis.zcard(key)
      if (count > 0) this.#notes.leftOut(origin, `${count} ${state} jobs ${reason}.`)
    }
    const schedulers = await this.#schedulers(this.#notes)
    const scheduled = schedulers.map((scheduler) => this.#jobOf(scheduler, settings, context))
    const own = { name: this.#queue, origin, schedule: null, handler: this.#queue, settings }
    return [own, ...(await Promise.all(scheduled))]
  }

  /** Converts the limits of the BullMQ queue to the settings of its imported jobs. */
  #limits(meta: Readonly<Record<string, string>>, origin: string): JobSettingsInput {
    const [most, limit, interval] = [Number(meta.concurrency ?? 0), Number(meta.max ?? 0), Number(meta.duration ?? 0)]
    const note = (text: string): void => this.#notes.differs(origin, text)
    if (most > 0) note(`BullMQ runs at most ${most} jobs of the queue at once. Jobistemer applies ${most} to each job.`)
    const rate = `BullMQ starts at most ${limit} jobs of the queue in ${interval} ms.`
    const isRated = limit > 0 && limit <= mostStarts
    if (isRated) note(`${rate} Jobistemer applies that to each job.`)
    else if (limit > 0) note(`${rate} Jobistemer takes ${mostStarts} at most, so the jobs have no startRate.`)
    if (most === 0 && !isRated) return { overlapPolicy: 'allow' }
    return {
      overlapPolicy: 'queue',
      maxConcurrency: most > 0 ? most : mostRuns,
      ...(isRated && { startRate: { limit, interval } }),
    }
  }

  /**
   * Yields a request for each waiting job of the BullMQ queue. Also yields a request for each slot before the cut-over
   * for which BullMQ's job scheduler has not created a job yet. `jobs` are the names of the jobs in Jobistemer: the slots of a
   * left out scheduler, such as one that ends before the cut-over, become requests for the job of the queue.
   */
  async *requests(context: CutOverContext, jobs: ReadonlySet<string>): AsyncGenerator<ImportedRequest> {
    if ((await this.#redis.hexists(`${this.#base}:meta`, 'paused')) === 0) {
      const remedy = 'Run the stop command that import printed with --cut-over, then call this command again.'
      throw sourceBusy(`The queue ${this.#queue} is not paused, so its workers may start more jobs.`, remedy)
    }
    const active = await this.#redis.llen(`${this.#base}:active`)
    const remedy = 'Wait until its workers have ended them. A worker moves jobs of a dead worker back to waiting.'
    if (active > 0) throw sourceBusy(`The queue ${this.#queue} has ${active} active jobs.`, remedy)
    // Discards the notes, because the method `jobs` has already reported them.
    const schedulers = await this.#schedulers({ leftOut: () => undefined, differs: () => undefined })
    const leftOut = new Set(schedulers.map(({ id }) => id).filter((id) => !jobs.has(`${this.#queue}/${id}`)))
    const jobOf = (id: string | undefined): string =>
      id === undefined || leftOut.has(id) ? this.#queue : `${this.#queue}/${id}`
    const pending = [...(await this.#pending())]
    for (let start = 0; start < pending.length; start += pageSize) {
      const page = pending.slice(start, start + pageSize)
      const requests = page.map(([id, dueMs]) => this.#requestOf(id, dueMs, context.cutOver, jobOf))
      for (const request of await Promise.all(requests)) if (request !== null) yield request
    }
    for (const scheduler of schedulers) yield* this.#unmadeSlots(scheduler, context, jobOf(scheduler.id))
  }

  async #schedulers(notes: ImportNotes): Promise<readonly Scheduler[]> {
    const key = `${this.#base}:repeat`
    const schedulers: Scheduler[] = []
    for (const [id, nextMs] of pairs(await this.#redis.zrange(key, 0, -1, 'WITHSCORES'))) {
      const origin = `queue ${this.#queue}, scheduler ${id}`
      const hash = await this.#redis.hgetall(`${key}:${id}`)
      // A job scheduler of BullMQ keeps its data in its own hash. A repeatable job of BullMQ 5 and earlier keeps its data only
      // in the hash of the next job that it has created.
      const isLegacy = hash.ic === undefined
      const hasNoZone = hash.pattern !== undefined && hash.tz === undefined
      const next = isLegacy || hasNoZone ? await this.#nextOf(id, nextMs) : {}
      const source: JobHash = isLegacy ? next : hash
      if (source.name === undefined) notes.differs(origin, 'BullMQ has no next job of it, so its data are unknown.')
      const options = jsonOf<JobOptions>(source.opts, `${key}:${id}`) ?? {}
      const { limit, count = 1, startDate } = options.repeat ?? {}
      // BullMQ 5 keeps the option `utc` only in the job that it has created last.
      const isUtc = jsonOf<JobOptions>(next.opts, `${key}:${id}:${nextMs}`)?.repeat?.utc === true
      // Before BullMQ 3, Redis keeps a repeatable job only as a member of a sorted set, with the form
      // NAME:ID:END:ZONE:RULE.
      const [oldName = '', , oldEnd, oldZone, ...oldRule] = hash.name === undefined ? id.split(':') : []
      const rule = oldRule.join(':')
      const pattern = hash.pattern ?? (rule.includes(' ') ? rule : null)
      const every = hash.every ?? (/^\d+$/.test(rule) ? rule : null)
      if (pattern === null && every === null) {
        notes.leftOut(origin, 'Its record in Redis has neither a pattern nor an interval.')
        continue
      }
      schedulers.push({
        id,
        name: hash.name ?? oldName,
        nextMs,
        pattern,
        every: every === null ? null : Number(every),
        tz: hash.tz ?? (oldZone || (isUtc ? 'UTC' : null)),
        startMs: millisOf(hash.startDate ?? startDate),
        endMs: millisOf(hash.endDate ?? oldEnd) ?? Number.POSITIVE_INFINITY,
        left: Number(hash.limit ?? limit ?? Number.POSITIVE_INFINITY) - Number(hash.ic ?? count) + 1,
        data: jsonOf(source.data, `${key}:${id}`),
        options,
      })
    }
    return schedulers
  }

  /** Returns the hash of the next job of a scheduler or repeatable job. The id of this job depends on the version of BullMQ. */
  async #nextOf(id: string, nextMs: number): Promise<JobHash> {
    const own = await this.#redis.hgetall(`${this.#base}:repeat:${id}:${nextMs}`)
    if (own.name !== undefined) return own
    for (const [jobId] of pairs(await this.#redis.zrange(`${this.#base}:delayed`, 0, -1, 'WITHSCORES'))) {
      if (!jobId.endsWith(`:${nextMs}`)) continue
      const hash = await this.#redis.hgetall(`${this.#base}:${jobId}`)
      if (hash.rjk === id) return hash
    }
    return own
  }

  async #jobOf(scheduler: Scheduler, limits: JobSettingsInput, context: ImportContext): Promise<ImportedJob> {
    const { id, name, data = {}, options, tz, pattern, every, nextMs, startMs } = scheduler
    const origin = `queue ${this.#queue}, scheduler ${id}`
    const note = (text: string): void => this.#notes.differs(origin, text)
    const zone = tz ?? context.timezone
    const phase = `BullMQ keeps the phase of its interval in its next instant. The job counts from there: ${isoOf(nextMs)}.`
    if (every !== null) note(phase)
    else if (tz === null) note(`It names no time zone, so BullMQ uses its own. The job says ${zone}.`)
    if (options.lifo === true) note('lifo is not carried over: Jobistemer runs requests in the order of their time.')
    const difference = pattern === null ? null : differenceOfCronParser(pattern)
    if (difference !== null) note(difference)
    // BullMQ runs no slot at `startDate` itself, unlike Jobistemer at `start`. So the job starts at BullMQ's next instant.
    const start = startMs !== null && startMs > context.now ? { start: isoOf(Math.max(startMs, nextMs)) } : {}
    const schedule: SerializedSchedule =
      every === null
        ? { type: 'cron', expression: withWeekdayEnd(pattern as string), timezone: zone, ...start }
        : { type: 'iso8601', interval: `R/${isoOf(nextMs)}/PT${every / 1000}S`, timezone: 'UTC', ...start }
    const endMs = await endOf(scheduler, schedule, context.cwd)
    return {
      name: `${this.#queue}/${id}`,
      origin,
      schedule: Number.isFinite(endMs) ? { ...schedule, end: isoOf(endMs) } : schedule,
      handler: this.#queue,
      data: { name, data },
      settings: { ...limits, ...retryOf(options, note), ...priorityOf(options.priority) },
      original: scheduler,
      // An instant between two seconds is no slot: the option `immediately` has made this job.
      ...(every === null && nextMs % 1000 === 0 && { nextMs }),
    }
  }

  /** Returns the ids of the waiting BullMQ jobs, oldest first, each with its due instant if the job is delayed. */
  async #pending(): Promise<ReadonlyMap<string, number | null>> {
    const pending = new Map<string, number | null>()
    // Workers move jobs from the delayed set to the prioritized set or to a list. So this method reads the delayed set first.
    // If a worker moves a job after that, a later read finds the job.
    for (const [id, score] of pairs(await this.#redis.zrange(`${this.#base}:delayed`, 0, -1, 'WITHSCORES'))) {
      pending.set(id, Math.floor(score / 0x1000))
    }
    for (const [id] of pairs(await this.#redis.zrange(`${this.#base}:prioritized`, 0, -1, 'WITHSCORES'))) {
      if (!pending.has(id)) pending.set(id, null)
    }
    for (const list of ['wait', 'paused']) {
      // Reverses the list, because workers take jobs from its right end. Skips the marker entry `0:…`, which BullMQ 5
      // keeps in the same list.
      const ids = (await this.#redis.lrange(`${this.#base}:${list}`, 0, -1)).reverse()
      for (const id of ids) if (!pending.has(id) && !id.startsWith('0:')) pending.set(id, null)
    }
    return pending
  }

  async #requestOf(
    id: string,
    dueMs: number | null,
    cutOver: number,
    jobOf: (scheduler: string | undefined) => string,
  ): Promise<ImportedRequest | null> {
    const key = `${this.#base}:${id}`
    const { name, data, opts, rjk, atm, parentKey, deid }: JobHash = await this.#redis.hgetall(key)
    const origin = `queue ${this.#queue}, job ${id}`
    const note = (text: string): void => this.#notes.differs(origin, text)
    if (name === undefined) this.#notes.leftOut(origin, 'Its record is missing in Redis.')
    const slot = rjk === undefined ? Number.NaN : Number(id.slice(id.lastIndexOf(':') + 1))
    if (name === undefined || slot >= cutOver) return null
    const options = jsonOf<JobOptions>(opts, key) ?? {}
    const { priority = 0 } = options
    if (parentKey !== undefined) note('It is the child of a flow. Its parent does not learn of the end of the request.')
    if (Number(atm) > 0) note(`BullMQ has tried it ${atm} times. The request has all attempts again.`)
    if (deid !== undefined) note(`Its deduplication id ${deid} is not carried over. Use key and keyScope.`)
    if (priority > 10) note(`Its priority ${priority} becomes -10, the lowest of Jobistemer.`)
    const overrides = retryOf(options, note)
    return {
      job: jobOf(rjk),
      // BullMQ numbers jobs without an id of their own, in each queue from 1. The Redis key is different for each queue.
      key: /^\d+$/.test(id) ? key : id,
      data: { name, data: data === undefined ? {} : (jsonOf(data, key) ?? null) },
      ...(dueMs !== null && { at: isoOf(dueMs) }),
      ...priorityOf(priority),
      ...(Object.keys(overrides).length > 0 && { overrides }),
    }
  }

  /**
   * Yields the slots of a BullMQ job scheduler from its next BullMQ job to the cut-over, at most `mostUnmade`. BullMQ creates only
   * one job ahead, so these slots have no job yet.
   */
  async *#unmadeSlots(scheduler: Scheduler, context: CutOverContext, job: string): AsyncGenerator<ImportedRequest> {
    const { id, name, data = {}, nextMs, every, pattern, tz, left, endMs } = scheduler
    const schedule = { type: 'cron', expression: withWeekdayEnd(pattern ?? ''), timezone: tz ?? context.timezone }
    const cron = every === null ? await acceptedSchedule(schedule, context.cwd) : null
    if (every === null && cron === null) return
    let at: number | null = nextMs
    for (let count = 1; count < left; count += 1) {
      at = every === null ? (cron?.nextMs(at) ?? null) : at + every
      if (at === null || at >= context.cutOver || at > endMs) return
      if (count > mostUnmade) {
        const text = `BullMQ has run no job of it since ${isoOf(nextMs)}. Its slots from ${isoOf(at)} to the cut-over are left out.`
        this.#notes.leftOut(`queue ${this.#queue}, scheduler ${id}`, text)
        return
      }
      yield {
        job,
        key: `repeat:${id}:${at}`,
        data: { name, data },
        at: isoOf(at),
      }
    }
  }
}

/** Returns the members of a Redis sorted set with their scores. */
function pairs(flat: readonly string[]): readonly (readonly [string, number])[] {
  return flat.flatMap((member, index) => (index % 2 === 0 ? [[member, Number(flat[index + 1])] as const] : []))
}

function millisOf(value: number | string | undefined): number | null {
  if (value === undefined || value === '') return null
  const number = Number(value)
  return Number.isNaN(number) ? Date.parse(String(value)) : number
}

/**
 * Parses JSON text from Redis. `key` names the Redis key in the error message.
 * @throws CliError for text that is not JSON
 */
function jsonOf<T>(text: string | undefined, key: string): T | undefined {
  if (text === undefined || text === '') return undefined
  try {
    return JSON.parse(text) as T
  } catch (cause) {
    const message = `The record ${key} of BullMQ has no JSON: ${JSON.stringify(text.slice(0, 80))}.`
    throw new CliError({ code: 'SOURCE_DAMAGED', message, field: '--from', remedy: 'Remove the job in BullMQ.', cause })
  }
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}

/** Returns a schedule; `null` if Jobistemer does not accept it. The report names its job as left out. */
async function acceptedSchedule(schedule: SerializedSchedule, cwd: string): Promise<Schedule | null> {
  try {
    return await scheduleOf(schedule, cwd, 'SOURCE')
  } catch (error) {
    if (JobistemerError.isInstance(error)) return null
    throw error
  }
}

/** Returns the last instant of a BullMQ job scheduler, or `Infinity` if it has neither an end nor a limit. */
async function endOf(scheduler: Scheduler, schedule: SerializedSchedule, cwd: string): Promise<number> {
  const { endMs, left, nextMs, every } = scheduler
  if (!Number.isFinite(left)) return endMs
  if (every !== null) return Math.min(endMs, nextMs + (left - 1) * every)
  const cron = await acceptedSchedule(schedule, cwd)
  let last = nextMs
  for (let count = 1; count < left && cron !== null; count += 1) last = cron.nextMs(last) ?? last
  return Math.min(endMs, last)
}

function retryOf({ attempts = 1, backoff = {} }: JobOptions, note: (text: string) => void): JobSettingsInput {
  if (attempts <= 1) return {}
  const { type = 'fixed', delay = 0, jitter } = typeof backoff === 'number' ? { delay: backoff } : backoff
  const isKnown = type === 'fixed' || type === 'exponential'
  if (!isKnown) note(`The backoff ${type} is code, and is not carried over. The job retries after ${delay} ms.`)
  return retrySettings({
    maxRetries: attempts - 1,
    delayMs: delay,
    doubles: type === 'exponential',
    ...(jitter !== undefined && { jitter }),
    // BullMQ has no time limit. An attempt gets the time that a run has by default.
    attemptMs: hourMs,
  })
}

/** Converts a BullMQ priority. BullMQ runs jobs without a priority first, then priority 1, 2 and so on. */
function priorityOf(priority = 0): { readonly priority?: number } {
  return priority === 0 ? {} : { priority: -Math.min(10, priority) }
}

function* instantsOf(
  scheduler: Scheduler,
  afterMs: number,
  zone: string,
  library: BullmqLibrary,
): Generator<number, void> {
  const { pattern, every, tz, nextMs, startMs, endMs, left } = scheduler
  const phaseMs = every === null ? 0 : nextMs % every
  const rule = every === null ? { pattern: pattern ?? '', tz: tz ?? zone } : { every }
  // Before `startDate` there are no instants. BullMQ has stored the first one behind it.
  let at = startMs !== null && startMs > afterMs ? nextMs - 1 : afterMs
  for (let count = 0; count < left; count += 1) {
    const next = library.getNextMillis(at - phaseMs, rule)
    if (next === undefined || next + phaseMs <= at || next + phaseMs > endMs) return
    at = next + phaseMs
    yield at
  }
}

function stopCommands(jobs: readonly ImportedJob[], cutOver: number, prefix: string): readonly string[] {
  const queues = jobs.filter(({ schedule }) => schedule === null).map(({ name }) => name)
  return [
    '# Start this command before the cut-over. It pauses the queues 1 s before it. The workers end their active jobs.',
    '# Set REDIS_URL to the address of the source. From the cut-over on, producers trigger jobs in Jobistemer.',
    '# Do not resume the queues after --requests has handed their jobs over.',
    `node --input-type=module -e ${shellWord(`
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
const connection = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null })
const queues = ${JSON.stringify(queues)}.map((name) => new Queue(name, { connection, prefix: ${JSON.stringify(prefix)} }))
await Promise.all(queues.map((queue) => queue.waitUntilReady()))
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const assertBefore = () => { if (Date.now() > ${cutOver}) throw new Error('The cut-over has passed. Nothing was changed. Choose a later one.') }
assertBefore()
for (let left; (left = ${cutOver - 1000} - Date.now()) > 0; ) await sleep(Math.min(left, 60000))
assertBefore() // the machine may have been suspended
await Promise.all(queues.map((queue) => queue.pause()))
console.log('paused at', new Date().toISOString())
for (const queue of queues) while ((await queue.getActiveCount()) > 0) await sleep(200)
await Promise.all(queues.map((queue) => queue.close()))
await connection.quit()
`)}`,
  ]
}
