import type { JobSettingsInput, SerializedSchedule } from '@jobistemer/core'
import { CliError } from '../cli-error.ts'
import { importPackage } from '../storage/import-package.ts'
import type {
  CutOverContext,
  ImportContext,
  ImportedJob,
  ImportedRequest,
  ImportNotes,
  ImportSource,
} from './import-source.ts'
import { shellWord } from '../shell-word.ts'
import { openRedis, type RedisReader, sourceBusy } from './peers.ts'
import { scheduleOf } from './schedule-of.ts'

/** Options of {@link bullmq}. */
export interface BullmqOptions {
  readonly url: string
  readonly cwd: string
  /** Default: every queue under the prefix. */
  readonly queues?: readonly string[]
  readonly prefix: string
}

/** The export of bullmq that `--compare` calls. */
interface BullmqLibrary {
  getNextMillis(
    afterMs: number,
    options: Partial<Record<'pattern' | 'tz', string> & { every: number }>,
  ): number | undefined
}

/** A job scheduler or a repeatable job, as Redis has it. */
interface Scheduler {
  readonly queue: string
  readonly id: string
  readonly name: string
  readonly nextMs: number
  readonly pattern: string | null
  readonly every: number | null
  readonly tz: string | null
  readonly startMs: number | null
  readonly endMs: number | null
  /** Number of jobs that the scheduler still creates, with the one at `nextMs`; `null`: without limit. */
  readonly left: number | null
  readonly data: unknown
  readonly options: JobOptions
}

/** The options of a BullMQ job that the importer reads. */
interface JobOptions {
  readonly attempts?: number
  readonly backoff?: number | { readonly type?: string; readonly delay?: number; readonly jitter?: number }
  readonly priority?: number
  readonly lifo?: boolean
  readonly repeat?: { readonly limit?: number; readonly count?: number; readonly startDate?: number | string }
}

const pageSize = 500
const lists = ['wait', 'paused'] as const
const sets = ['prioritized', 'delayed'] as const
/** A job's hash has data beyond these. */
type JobHash = Readonly<Partial<Record<'name' | 'data' | 'opts' | 'rjk' | 'atm' | 'parentKey' | 'deid', string>>>

/** The source `bullmq`: the queues of BullMQ 5 and 6 on Redis. */
export function bullmq(options: BullmqOptions): ImportSource {
  const { url, cwd, prefix } = options
  let opened: Promise<RedisReader> | undefined
  const redis = (): Promise<RedisReader> => (opened ??= openRedis(url, cwd))
  return {
    name: 'BullMQ',
    differences: [
      'BullMQ ends no job that runs too long. Jobistemer ends a run after executionTimeout, by default 1 h.',
      'BullMQ passes a job to the processor. A handler of Jobistemer gets { name, data } as context.input of a request, and as context.data of a slot.',
      'removeOnComplete and removeOnFail are not carried over. Jobistemer keeps runs as retention says.',
      'A late worker of BullMQ leaves out slots of a scheduler. Jobistemer runs each slot that it notices within misfireThreshold.',
    ],
    async read(context, notes) {
      const client = await redis()
      const jobs: ImportedJob[] = []
      for (const queue of await queuesOf(client, options)) {
        jobs.push(...(await jobsOfQueue(client, prefix, queue, context, notes)))
      }
      return jobs
    },
    rules: {
      gap: 'BullMQ (cron-parser) moves a skipped time by the length of the jump, or leaves it out. Jobistemer runs it at the first instant after the jump.',
      fold: 'BullMQ (cron-parser) runs some repeated times once, others twice. Jobistemer runs a fixed time once, and a time whose minute or hour begins with * each time.',
      end: 'BullMQ (cron-parser) finds no further instant behind a change of offset that is no whole hour, and stops the scheduler. Jobistemer continues.',
    },
    async instantsAfter({ original }, afterMs, { timezone }) {
      const library = await importPackage<BullmqLibrary>('bullmq', { cwd, field: '--compare' })
      return instantsOf(original as Scheduler, { afterMs, timezone }, library)
    },
    stop: (jobs, { cutOver }) => stopCommands(jobs, cutOver, prefix),
    async *requests(context, notes) {
      const client = await redis()
      for (const queue of await queuesOf(client, options)) yield* requestsOf(client, prefix, queue, context, notes)
    },
    async close() {
      const client = await opened?.catch(() => undefined)
      client?.disconnect()
    },
  }
}

async function queuesOf(redis: RedisReader, { prefix, queues }: BullmqOptions): Promise<readonly string[]> {
  const found = new Set<string>()
  let cursor = '0'
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${escaped(prefix)}:*:meta`, 'COUNT', 1000)
    for (const key of keys) found.add(key.slice(prefix.length + 1, -':meta'.length))
    cursor = next
  } while (cursor !== '0')
  const missing = queues?.find((name) => !found.has(name))
  if (missing === undefined && found.size > 0) return queues ?? [...found].sort()
  const names = [...found].sort().join(', ')
  const [field, remedy] =
    names === ''
      ? ['--source-prefix', 'Check the prefix, and the number of the database in the address.']
      : ['--queue', `The queues are ${names}.`]
  const message = `There is no queue${missing === undefined ? '' : ` ${missing}`} of BullMQ under the prefix ${prefix}.`
  throw new CliError({ code: 'SOURCE_EMPTY', message, field, remedy })
}

function escaped(text: string): string {
  return text.replace(/[[\]*?\\]/g, '\\$&')
}

const leftStates = [
  ['active', 'run now: the workers of BullMQ end them'],
  ['waiting-children', 'belong to flows, which Jobistemer does not have'],
  ['failed', 'have failed: look at them in BullMQ'],
] as const

async function jobsOfQueue(
  redis: RedisReader,
  prefix: string,
  queue: string,
  context: ImportContext,
  notes: ImportNotes,
): Promise<readonly ImportedJob[]> {
  const origin = `queue ${queue}`
  const most = Number(await redis.hget(`${prefix}:${queue}:meta`, 'concurrency'))
  const settings: JobSettingsInput =
    most > 0 ? { overlapPolicy: 'queue', maxConcurrency: most } : { overlapPolicy: 'allow' }
  if (most > 0) {
    notes.differs(
      origin,
      `BullMQ runs at most ${most} jobs of the queue at once. Jobistemer applies maxConcurrency ${most} to each job.`,
    )
  }
  for (const [state, reason] of leftStates) {
    const key = `${prefix}:${queue}:${state}`
    const count = state === 'active' ? await redis.llen(key) : await redis.zcard(key)
    if (count > 0) notes.leftOut(origin, `${count} ${state} jobs ${reason}.`)
  }
  const schedulers = await schedulersOf(redis, prefix, queue, notes)
  const scheduled = schedulers.map((scheduler) => jobOf(scheduler, settings, context, notes))
  return [{ name: queue, origin, schedule: null, handler: queue, settings }, ...(await Promise.all(scheduled))]
}

async function schedulersOf(
  redis: RedisReader,
  prefix: string,
  queue: string,
  notes: ImportNotes,
): Promise<readonly Scheduler[]> {
  const key = `${prefix}:${queue}:repeat`
  const members = await redis.zrange(key, 0, -1, 'WITHSCORES')
  const schedulers: Scheduler[] = []
  for (let index = 0; index < members.length; index += 2) {
    const id = members[index] as string
    const nextMs = Number(members[index + 1])
    const origin = `queue ${queue}, scheduler ${id}`
    const hash = await redis.hgetall(`${key}:${id}`)
    // A scheduler has its data in its hash. A repeatable job of BullMQ 5 and earlier has them only in its next job.
    const isLegacy = hash.ic === undefined
    const source: JobHash = isLegacy ? await redis.hgetall(await nextOfLegacy(redis, prefix, queue, id, nextMs)) : hash
    if (source.name === undefined)
      notes.differs(origin, 'BullMQ has no next job of it, so its data and options are unknown. The job has none.')
    const options = jsonOf<JobOptions>(source.opts) ?? {}
    const { limit, count = 1, startDate } = options.repeat ?? {}
    // Before BullMQ 3, the member of the set is the only record: NAME:ID:END:ZONE:RULE.
    const [oldName = '', , oldEnd, oldZone, ...oldRule] = hash.name === undefined ? id.split(':') : []
    const rule = oldRule.join(':')
    const pattern = hash.pattern ?? (rule.includes(' ') ? rule : null)
    const every = hash.every ?? (/^\d+$/.test(rule) ? rule : null)
    if (pattern === null && every === null) {
      notes.leftOut(origin, 'Its record in Redis has neither a pattern nor an interval.')
      continue
    }
    const most = Number(hash.limit ?? limit ?? Number.POSITIVE_INFINITY)
    schedulers.push({
      queue,
      id,
      name: hash.name ?? oldName,
      nextMs,
      pattern,
      every: every === null ? null : Number(every),
      tz: hash.tz ?? (oldZone || null),
      startMs: millisOf(hash.startDate ?? startDate),
      endMs: millisOf(hash.endDate ?? oldEnd),
      left: Number.isFinite(most) ? most - Number(hash.ic ?? count) + 1 : null,
      data: jsonOf(source.data),
      options,
    })
  }
  return schedulers
}

/** The key of the next job of a repeatable job. Its id depends on the version of BullMQ that made it. */
async function nextOfLegacy(
  redis: RedisReader,
  prefix: string,
  queue: string,
  id: string,
  nextMs: number,
): Promise<string> {
  const own = `${prefix}:${queue}:repeat:${id}:${nextMs}`
  if ((await redis.hexists(own, 'name')) === 1) return own
  const delayed = await redis.zrange(`${prefix}:${queue}:delayed`, 0, -1, 'WITHSCORES')
  for (let index = 0; index < delayed.length; index += 2) {
    const key = `${prefix}:${queue}:${delayed[index]}`
    if (String(delayed[index]).endsWith(`:${nextMs}`) && (await redis.hget(key, 'rjk')) === id) return key
  }
  return own
}

function millisOf(value: number | string | undefined): number | null {
  if (value === undefined || value === '') return null
  const number = Number(value)
  return Number.isNaN(number) ? Date.parse(String(value)) : number
}

function jsonOf<T>(text: string | undefined): T | undefined {
  return text === undefined || text === '' ? undefined : (JSON.parse(text) as T)
}

async function jobOf(
  scheduler: Scheduler,
  limited: JobSettingsInput,
  context: ImportContext,
  notes: ImportNotes,
): Promise<ImportedJob> {
  const { queue, id, name, data, options, tz, pattern, every, nextMs, startMs } = scheduler
  const origin = `queue ${queue}, scheduler ${id}`
  const note = (text: string): void => notes.differs(origin, text)
  if (tz === null && pattern !== null)
    note(`It names no time zone, so BullMQ uses its own. The job says ${context.timezone}.`)
  if (every !== null)
    note(`BullMQ counts from the instant at which it was made. The job counts from its next instant, ${isoOf(nextMs)}.`)
  if (options.lifo === true) note('lifo is not carried over: Jobistemer runs requests in the order of their time.')
  const start = startMs !== null && startMs > context.now ? { start: isoOf(startMs) } : {}
  const schedule: SerializedSchedule =
    every === null
      ? { type: 'cron', expression: pattern as string, timezone: tz ?? context.timezone, ...start }
      : { type: 'iso8601', interval: `R/${isoOf(nextMs)}/PT${every / 1000}S`, timezone: 'UTC', ...start }
  const endMs = await endOf(scheduler, schedule, context.cwd)
  return {
    name: `${queue}/${id}`,
    origin,
    schedule: endMs === null ? schedule : { ...schedule, end: isoOf(endMs) },
    handler: queue,
    data: { name, ...(data !== undefined && { data }) },
    settings: { ...limited, ...retryOf(options, note), ...priorityOf(options.priority) },
    original: scheduler,
  }
}

/** The last instant of a scheduler with an end or a limit. */
async function endOf(
  { endMs, left, nextMs, every }: Scheduler,
  schedule: SerializedSchedule,
  cwd: string,
): Promise<number | null> {
  if (left === null) return endMs
  if (every !== null) return Math.min(endMs ?? Number.POSITIVE_INFINITY, nextMs + (left - 1) * every)
  const cron = await scheduleOf(schedule, cwd, 'bullmq')
  let last = nextMs
  for (let count = 1; count < left; count += 1) last = cron.nextMs(last) ?? last
  return Math.min(endMs ?? Number.POSITIVE_INFINITY, last)
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString()
}

function retryOf(
  { attempts = 1, backoff }: JobOptions,
  note: (text: string) => void,
): Pick<JobSettingsInput, 'retryPolicy'> {
  if (attempts <= 1) return {}
  const { type = 'fixed', delay = 0, jitter } = typeof backoff === 'number' ? { delay: backoff } : (backoff ?? {})
  const isKnown = type === 'fixed' || type === 'exponential'
  if (!isKnown) note(`The backoff ${type} is code, and is not carried over. The job retries after ${delay} ms.`)
  return {
    retryPolicy: {
      maxRetries: Math.min(attempts - 1, 1000),
      retryInterval: delay,
      ...(type === 'exponential' && { backoffFactor: 2 }),
      ...(jitter !== undefined && { jitter }),
    },
  }
}

/** BullMQ: 1 is the first of the prioritized jobs, and jobs without a priority precede them. */
function priorityOf(priority = 0): { readonly priority?: number } {
  return priority === 0 ? {} : { priority: -Math.min(10, priority) }
}

function* instantsOf(
  { pattern, every, tz, nextMs, startMs, endMs, left }: Scheduler,
  { afterMs, timezone }: { readonly afterMs: number; readonly timezone: string },
  library: BullmqLibrary,
): Generator<number, void> {
  const phaseMs = every === null ? 0 : nextMs % every
  const nextAfter = (at: number): number | undefined =>
    every === null
      ? library.getNextMillis(at, { pattern: pattern as string, tz: tz ?? timezone })
      : (library.getNextMillis(at - phaseMs, { every }) as number) + phaseMs
  let at = Math.max(afterMs, (startMs ?? 0) - 1)
  for (let count = 0; count < (left ?? Number.POSITIVE_INFINITY); count += 1) {
    const next = nextAfter(at)
    if (next === undefined || next <= at || next > (endMs ?? Number.POSITIVE_INFINITY)) return
    yield next
    at = next
  }
}

function stopCommands(jobs: readonly ImportedJob[], cutOver: number, prefix: string): readonly string[] {
  const queues = jobs.filter(({ schedule }) => schedule === null).map(({ name }) => name)
  return [
    '# Start this command before the cut-over. It pauses the queues 1 s before it. The workers end their active jobs.',
    '# Set REDIS_URL to the address of the source. From the cut-over on, producers trigger jobs in Jobistemer.',
    `node --input-type=module -e ${shellWord(`
import { Queue } from 'bullmq'
import { Redis } from 'ioredis'
const connection = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null })
const queues = ${JSON.stringify(queues)}.map((name) => new Queue(name, { connection, prefix: ${JSON.stringify(prefix)} }))
await Promise.all(queues.map((queue) => queue.waitUntilReady()))
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
if (Date.now() > ${cutOver}) throw new Error('The cut-over has passed. Choose a later one.')
for (let left; (left = ${cutOver - 1000} - Date.now()) > 0; ) await sleep(Math.min(left, 60000))
await Promise.all(queues.map((queue) => queue.pause()))
console.log('paused at', new Date().toISOString())
for (const queue of queues) while ((await queue.getActiveCount()) > 0) await sleep(200)
await Promise.all(queues.map((queue) => queue.close()))
await connection.quit()
`)}`,
  ]
}

async function* requestsOf(
  redis: RedisReader,
  prefix: string,
  queue: string,
  context: CutOverContext,
  notes: ImportNotes,
): AsyncGenerator<ImportedRequest> {
  const base = `${prefix}:${queue}`
  if ((await redis.hexists(`${base}:meta`, 'paused')) === 0) {
    const remedy = 'Run the stop command that import printed with --cut-over, then call this command again.'
    throw sourceBusy(`The queue ${queue} is not paused, so its workers may start what is handed over.`, remedy)
  }
  const active = await redis.llen(`${base}:active`)
  const remedy = 'Wait until its workers have ended them. A worker moves jobs of a dead worker back to waiting.'
  if (active > 0) throw sourceBusy(`The queue ${queue} has ${active} active jobs.`, remedy)
  for await (const page of pendingIds(redis, base)) {
    const { cutOver } = context
    const requests = page.map((job) => requestOf(redis, `${base}:${job.id}`, { ...job, queue, cutOver }, notes))
    for (const request of await Promise.all(requests)) if (request !== null) yield request
  }
  // A scheduler makes one job ahead. The slots between that job and the cut-over have no job yet.
  const ignored: ImportNotes = { leftOut: () => undefined, differs: () => undefined }
  for (const scheduler of await schedulersOf(redis, prefix, queue, ignored)) yield* unmadeSlots(scheduler, context)
}

/** A waiting job; `dueMs`: of a delayed one. */
interface PendingId {
  readonly id: string
  readonly dueMs: number | null
}

/** The ids of the waiting jobs in pages, oldest first. */
async function* pendingIds(redis: RedisReader, base: string): AsyncGenerator<readonly PendingId[]> {
  for (const list of lists) {
    // Workers take from the right end.
    for (let end = await redis.llen(`${base}:${list}`); end > 0; end -= pageSize) {
      const page = await redis.lrange(`${base}:${list}`, Math.max(0, end - pageSize), end - 1)
      // BullMQ 5 keeps a marker in this list.
      yield page
        .filter((id) => !id.startsWith('0:'))
        .map((id) => ({ id, dueMs: null }))
        .reverse()
    }
  }
  for (const set of sets) {
    for (let start = 0; ; start += pageSize) {
      const page = await redis.zrange(`${base}:${set}`, start, start + pageSize - 1, 'WITHSCORES')
      if (page.length === 0) break
      const dueMs = (score: string | undefined) => (set === 'delayed' ? Math.floor(Number(score) / 0x1000) : null)
      yield page.flatMap((id, index) => (index % 2 === 0 ? [{ id, dueMs: dueMs(page[index + 1]) }] : []))
    }
  }
}

async function requestOf(
  redis: RedisReader,
  key: string,
  { queue, id, dueMs, cutOver }: PendingId & { readonly queue: string; readonly cutOver: number },
  notes: ImportNotes,
): Promise<ImportedRequest | null> {
  const { name, data, opts, rjk, atm, parentKey, deid }: JobHash = await redis.hgetall(key)
  const origin = `queue ${queue}, job ${id}`
  const note = (text: string): void => notes.differs(origin, text)
  if (name === undefined) notes.leftOut(origin, 'Its record is missing in Redis.')
  const slot = rjk === undefined ? Number.NaN : Number(id.slice(id.lastIndexOf(':') + 1))
  if (name === undefined || slot >= cutOver) return null
  const options = jsonOf<JobOptions>(opts) ?? {}
  const { priority = 0 } = options
  if (parentKey !== undefined)
    note('It is the child of a flow. The request runs it, and its parent does not learn of the end.')
  if (Number(atm) > 0) note(`BullMQ has tried it ${atm} times. The request has all attempts again.`)
  if (deid !== undefined)
    note(`Its deduplication id ${deid} is not carried over. Use key and keyScope for new requests.`)
  if (priority > 10) note(`Its priority ${priority} becomes -10, the lowest of Jobistemer.`)
  const overrides = retryOf(options, note)
  return {
    job: rjk === undefined ? queue : `${queue}/${rjk}`,
    key: id,
    data: { name, data: jsonOf(data) ?? null },
    ...(dueMs !== null && { at: isoOf(dueMs) }),
    ...priorityOf(priority),
    ...(overrides.retryPolicy !== undefined && { overrides }),
  }
}

async function* unmadeSlots(
  scheduler: Scheduler,
  { cutOver, cwd, timezone }: CutOverContext,
): AsyncGenerator<ImportedRequest> {
  const { queue, id, name, data, nextMs, every, pattern, tz, left } = scheduler
  const cron =
    every === null
      ? await scheduleOf({ type: 'cron', expression: pattern as string, timezone: tz ?? timezone }, cwd, 'bullmq')
      : null
  const next = (at: number): number | null => (every === null ? (cron?.nextMs(at) ?? null) : at + every)
  const end = Math.min(cutOver, (scheduler.endMs ?? Number.POSITIVE_INFINITY) + 1)
  let count = 1
  for (let at = next(nextMs); at !== null && at < end && count < (left ?? Number.POSITIVE_INFINITY); at = next(at)) {
    count += 1
    yield { job: `${queue}/${id}`, key: `repeat:${id}:${at}`, data: { name, data: data ?? null }, at: isoOf(at) }
  }
}
