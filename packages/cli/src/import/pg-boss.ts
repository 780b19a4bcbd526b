import type { JobSettingsInput } from '@jobistemer/core'
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
import { openPostgres, outdated, type PgReader, sourceBusy } from './peers.ts'
import { differenceOfCronParser, withWeekdayEnd } from './day-fields.ts'
import { retrySettings } from './retry-settings.ts'
import { minuteMs } from './units.ts'

/** Options of {@link pgBoss}. */
export interface PgBossOptions {
  readonly url: string
  readonly cwd: string
  readonly schema: string
  /** The names of the queues to import. Default: all queues. */
  readonly queues?: readonly string[]
}

interface QueueRow {
  readonly name: string
  readonly policy: string
  readonly retry_limit: number
  readonly retry_delay: number
  readonly retry_backoff: boolean
  readonly retry_delay_max: number | null
  readonly expire_seconds: number
  readonly dead_letter: string | null
}

type SendOptions = Partial<Record<'priority' | 'retryLimit' | 'retryDelay', number>> &
  Partial<Record<'missed' | 'tz' | 'key', string>> & { readonly retryBackoff?: boolean }

interface ScheduleRow {
  readonly name: string
  readonly key: string
  /**
   * `cron` for a cron expression; another value for a recurrence rule. Absent in earlier versions of pg-boss, which
   * have only cron expressions.
   */
  readonly kind?: string
  readonly cron: string
  readonly timezone: string | null
  readonly data: unknown
  readonly options: SendOptions | null
}

interface JobRow extends Retry {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly priority: number
  readonly data: unknown
  readonly retry_count: number
  readonly start_after: Date
  readonly singleton_key: string | null
  readonly pending_dependencies?: number
  /** Absent in earlier versions of pg-boss. */
  readonly group_id?: string | null
}

/** The export of pg-boss that computes instants for `--compare`. */
interface Boss {
  previewSchedule(cron: string, options: { readonly tz: string; readonly from: Date; readonly count: number }): Date[]
}

/** The pg-boss queue that holds one entry for each due instant of a schedule, until pg-boss converts the entry to a job. */
const occurrenceQueue = '__pgboss__send-it'
const pageSize = 1000
/**
 * Maximum number of instants that pg-boss previews in one call. With one instant per call, a preview of many instants
 * would take ten times as long.
 */
const mostPreviewed = 256

/** Creates the import source `pg-boss`, which reads the schedules, queues and jobs of pg-boss 12. */
export function pgBoss(options: PgBossOptions): ImportSource {
  const { url, cwd } = options
  let opened: Promise<PgReader> | undefined
  const client = (): Promise<PgReader> => (opened ??= openPostgres(url, cwd))
  return {
    name: 'pg-boss',
    differences: [
      'pg-boss does not catch up after a downtime unless the schedule says missed: once. The jobs say recoveryStrategy mark_as_missed. Remove it to run the last missed slot.',
      'pg-boss passes a list of jobs to the handler. A handler of Jobistemer gets the data of one job, as context.input of a request, and as context.data of a slot.',
      'pg-boss sends the job of a slot up to 30 s after its instant. Jobistemer runs it at its instant.',
      'localConcurrency and batchSize of a worker are code, and are not carried over. Give the jobs maxConcurrency.',
      'heartbeatSeconds, retentionSeconds and deleteAfterSeconds are not carried over. Give taskTimeout and retention.',
      'A call of boss.schedule() at the start of a process makes its schedule again, and its slots then run twice. Remove these calls before the cut-over.',
    ],
    async read(context, notes) {
      return readAll(await client(), options, context, notes)
    },
    rules: {
      gap: 'pg-boss (cron-parser) moves a skipped time by the length of the jump, or leaves it out. Jobistemer runs it at the first instant after the jump.',
      fold: 'pg-boss (cron-parser) runs some repeated times once, others twice. Jobistemer runs a fixed time once, and a time whose minute or hour begins with * each time.',
      end: 'pg-boss (cron-parser) finds no further instant behind a change of offset that is no whole hour. Jobistemer continues.',
    },
    async instantsAfter({ original }, afterMs, { timezone: zone }) {
      const { PgBoss } = await importPackage<{ PgBoss: new (options: object) => Boss }>('pg-boss', {
        cwd,
        field: '--compare',
      })
      const { cron, timezone } = original as ScheduleRow
      const boss = new PgBoss({ connectionString: url })
      if (!('previewSchedule' in boss)) throw outdated('pg-boss', '12.34')
      return previewed(boss, oncePerMinute(cron), timezone ?? zone, afterMs)
    },
    stop: (jobs, context) => stopCommands(jobs, context, options.schema),
    async *requests(context, notes) {
      yield* requestsOf(await client(), options, context, notes)
    },
    async close() {
      // Expected here: the error of `openPostgres`, which the command has reported already. There is then nothing to close.
      const connected = await opened?.catch(() => undefined)
      await connected?.end()
    },
  }
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

interface Count {
  readonly name: string
  readonly state: string
  readonly count: string
}

async function readAll(
  client: PgReader,
  { schema, queues: wanted }: PgBossOptions,
  context: ImportContext,
  notes: ImportNotes,
): Promise<readonly ImportedJob[]> {
  const at = identifier(schema)
  const all = async <Row>(sql: string): Promise<readonly Row[]> => (await client.query<Row>(sql)).rows
  if (!(await exists(client, `${at}.schedule`))) {
    throw empty(`The database has no schema ${schema} of pg-boss.`, '--source-prefix', 'Give the schema of pg-boss.')
  }
  const own = `NOT starts_with(name, '__pgboss__')`
  const queues = await all<QueueRow>(`SELECT * FROM ${at}.queue WHERE ${own} ORDER BY name`)
  const missing = wanted?.find((name) => !queues.some((queue) => queue.name === name))
  const names = queues.map(({ name }) => name).join(', ')
  if (missing !== undefined) throw empty(`pg-boss has no queue ${missing}.`, '--queue', `The queues are ${names}.`)
  const isWanted = ({ name }: { readonly name: string }): boolean => wanted?.includes(name) ?? true
  const schedules = await all<ScheduleRow>(`SELECT * FROM ${at}.schedule ORDER BY name, key`)
  const counts = await all<Count>(
    `SELECT name, state, count(*) FROM ${at}.job WHERE state IN ('active', 'failed') AND ${own} GROUP BY 1, 2 ORDER BY 1, 2`,
  )
  for (const { name, state, count } of counts.filter(isWanted)) {
    const why = state === 'active' ? 'run now: the workers of pg-boss end them' : 'have failed: look at them in pg-boss'
    notes.leftOut(`queue ${name}`, `${count} jobs ${why}.`)
  }
  const hasEvents = await exists(client, `${at}.subscription`)
  const events = hasEvents ? await all<{ event: string; name: string }>(`SELECT * FROM ${at}.subscription`) : []
  for (const { event, name } of events.filter(isWanted)) {
    notes.leftOut(
      `event ${event}`,
      `pg-boss sends it to the queue ${name}. Trigger the job where you publish the event.`,
    )
  }
  return queues.filter(isWanted).flatMap((queue) => {
    const origin = `queue ${queue.name}`
    const rows = schedules.filter(({ name }) => name === queue.name)
    const settings = settingsOfQueue(queue, rows.length, (text) => notes.differs(origin, text))
    const jobs = rows.flatMap((row) => jobsOf(row, queue, settings, context, notes))
    // A schedule without a key becomes a job with the name of the queue. This job also runs the requests of the queue, so
    // the queue needs no further job.
    const isThere = jobs.some(({ name }) => name === queue.name)
    return isThere ? jobs : [{ name: queue.name, origin, schedule: null, handler: queue.name, settings }, ...jobs]
  })
}

async function exists(client: PgReader, table: string): Promise<boolean> {
  const { rows } = await client.query<{ readonly is: boolean }>('SELECT to_regclass($1) IS NOT NULL AS is', [table])
  return rows[0]?.is === true
}

function empty(message: string, field: string, remedy: string): CliError {
  return new CliError({ code: 'SOURCE_EMPTY', message, field, remedy })
}

function settingsOfQueue(queue: QueueRow, schedules: number, note: (text: string) => void): JobSettingsInput {
  const { policy, dead_letter } = queue
  if (dead_letter !== null)
    note(`Its dead letter queue ${dead_letter} is not carried over. Jobistemer keeps failed runs for a replay.`)
  const isSingle = policy !== 'standard' && policy !== 'short'
  if (isSingle)
    note(`Its policy is ${policy}, by key. The job runs one request at a time, whatever its key; others wait.`)
  if (isSingle && schedules > 0)
    note('Each of its schedules becomes a job. Such a job may run beside the other jobs of the queue.')
  if (policy === 'short')
    note('Its policy is short: one job waits at most. Use key with keyScope waiting for new requests.')
  return { overlapPolicy: isSingle ? 'queue' : 'allow', ...retryOf(queue) }
}

type Retry = Pick<QueueRow, 'retry_limit' | 'retry_delay' | 'retry_backoff' | 'retry_delay_max' | 'expire_seconds'>

/** pg-boss doubles a delay this many times at most. */
const mostDoublings = 16

function retryOf({
  retry_limit,
  retry_delay,
  retry_backoff,
  retry_delay_max,
  expire_seconds,
}: Retry): JobSettingsInput {
  // With backoff, pg-boss treats a delay of 0 as 1 s.
  const delayMs = Math.max(retry_delay, retry_backoff ? 1 : 0) * 1000
  // pg-boss applies `retryDelayMax` only to delays that grow.
  const isLimited = retry_backoff && (retry_delay_max !== null || retry_limit > mostDoublings + 1)
  const mostMs = Math.min((retry_delay_max ?? Number.POSITIVE_INFINITY) * 1000, delayMs * 2 ** mostDoublings)
  return retrySettings({
    maxRetries: retry_limit,
    delayMs,
    doubles: retry_backoff,
    ...(isLimited && { mostMs }),
    attemptMs: expire_seconds * 1000,
  })
}

function jobsOf(
  { kind = 'cron', ...row }: ScheduleRow,
  queue: QueueRow,
  settings: JobSettingsInput,
  { timezone: machineZone, cutOver, now }: ImportContext,
  notes: ImportNotes,
): readonly ImportedJob[] {
  const { name, key, cron, timezone, data, options } = row
  const origin = `queue ${name}, schedule ${key === '' ? 'without a key' : key}`
  if (kind !== 'cron') {
    notes.leftOut(origin, `Jobistemer has no recurrence rules. Write the rule as cron() or iso8601(): ${cron}`)
    return []
  }
  const note = (text: string): void => notes.differs(origin, text)
  if (cutOver !== null && now >= cutOver) {
    note('pg-boss has this schedule after the cut-over. If Jobistemer runs its job, too, call boss.unschedule().')
  }
  const difference = differenceOfCronParser(cron)
  if (difference !== null) note(difference)
  const reduced = oncePerMinute(cron)
  const expression = withWeekdayEnd(reduced)
  if (reduced !== cron) {
    note(`pg-boss sends one job a minute at most. The job has the expression ${expression} instead of ${cron}.`)
  }
  if (timezone === null) note(`It names no time zone, so pg-boss uses its own. The job says ${machineZone}.`)
  // Omits `tz` and `key` from the options, because columns of the row contain the same values.
  const { priority, missed, retryLimit, retryDelay, retryBackoff, tz: _tz, key: _key, ...others } = options ?? {}
  const rest = Object.keys(others)
  if (rest.length > 0) note(`These options are not carried over: ${rest.join(', ')}.`)
  const retry = {
    ...queue,
    retry_limit: retryLimit ?? queue.retry_limit,
    retry_delay: retryDelay ?? queue.retry_delay,
    retry_backoff: retryBackoff ?? queue.retry_backoff,
  }
  return [
    {
      name: key === '' ? name : `${name}/${key}`,
      origin,
      schedule: { type: 'cron', expression, timezone: timezone ?? machineZone },
      handler: name,
      ...(data !== null && { data }),
      settings: {
        ...settings,
        ...retryOf(retry),
        ...(missed !== 'once' && { recoveryStrategy: 'mark_as_missed' }),
        ...(priority !== undefined && { priority: levelOf(priority) }),
      },
      original: row,
    },
  ]
}

/**
 * Reduces a cron expression with seconds to one instant per minute, because pg-boss creates at most one job per minute.
 */
function oncePerMinute(expression: string): string {
  const [seconds = '', ...fields] = expression.trim().split(/\s+/)
  return fields.length < 5 || /^\d+$/.test(seconds) ? expression : ['0', ...fields].join(' ')
}

/** Limits a pg-boss priority to -10 … 10. Both systems run the highest number first, but pg-boss accepts any number. */
function levelOf(priority: number): number {
  return Math.max(-10, Math.min(10, priority))
}

function* previewed(boss: Boss, cron: string, tz: string, afterMs: number): Generator<number, void> {
  let from = new Date(afterMs)
  for (let count = 1; ; ) {
    let list: readonly Date[] = []
    try {
      list = boss.previewSchedule(cron, { tz, from, count })
      count = Math.min(2 * count, mostPreviewed)
    } catch {
      // pg-boss throws if there are fewer than `count` instants after `from`. So the loop calls pg-boss again, for one
      // instant. If a call for one instant throws, there is no further instant.
      if (count === 1) return
      count = 1
      continue
    }
    for (const next of list) {
      if (next <= from) return
      yield +next
      from = next
    }
    if (list.length === 0) return
  }
}

function stopCommands(
  jobs: readonly ImportedJob[],
  { cutOver }: { readonly cutOver: number },
  schema: string,
): readonly string[] {
  const rows = jobs.flatMap(({ original }) => (original === undefined ? [] : [original as ScheduleRow]))
  const seconds = rows.map(({ cron }) => (cron.trim().split(/\s+/).length > 5 ? Number.parseInt(cron.trim(), 10) : 0))
  const minute = Math.floor((cutOver - 1) / minuteMs) * minuteMs
  // The latest instant before the cut-over at which a schedule may have a slot. The stop command waits until pg-boss has
  // sent all slots up to this instant.
  const lastSlot = Math.max(...[0, ...seconds].map((second) => minute + second * 1000).filter((at) => at < cutOver))
  return [
    '# Start this command before the cut-over. 10 s before it, the command removes the schedules from pg-boss.',
    '# Set DATABASE_URL to the address of the source. From the cut-over on, producers trigger jobs in Jobistemer.',
    '# Before it, remove the calls of boss.schedule(): a process that starts later would make the schedules again.',
    `node --input-type=module -e ${shellWord(`
import { PgBoss } from 'pg-boss'
const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, schema: ${JSON.stringify(schema)}, schedule: false, supervise: false, migrate: false })
boss.on('error', console.error)
await boss.start()
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const passAt = async () => +(await boss.getDb().executeSql('SELECT cron_on FROM ${identifier(schema)}.version')).rows[0].cron_on
const assertBefore = () => { if (Date.now() > ${cutOver}) throw new Error('The cut-over has passed. Nothing was changed. Choose a later one.') }
assertBefore()
for (let left; (left = ${cutOver - 10_000} - Date.now()) > 0; ) await sleep(Math.min(left, 60000))
assertBefore() // the machine may have been suspended
// pg-boss has sent the last slots when a pass has begun after them, 3 s ago at least.
const isSent = async () => { const at = await passAt(); return at >= ${lastSlot} && Date.now() - at > 3000 }
while (!(await isSent())) {
  if (Date.now() > ${cutOver - 1000}) throw new Error('pg-boss has not sent the last slots. Nothing was changed. Choose a later cut-over, best a whole minute.')
  await sleep(100)
}
for (const [name, key] of ${JSON.stringify(rows.map(({ name, key }) => [name, key]))}) await boss.unschedule(name, key)
console.log('unscheduled at', new Date().toISOString())
await boss.stop()
`)}`,
    '# After the cut-over, let the workers of pg-boss end their queues, or stop them and hand the jobs over with --requests.',
  ]
}

async function* requestsOf(
  client: PgReader,
  { schema, queues }: PgBossOptions,
  { now }: CutOverContext,
  notes: ImportNotes,
): AsyncGenerator<ImportedRequest> {
  const at = identifier(schema)
  await assertStopped(client, at, queues, notes)
  await client.query(
    `DECLARE waiting CURSOR FOR SELECT * FROM ${at}.job WHERE state < 'active'
     AND (NOT starts_with(name, '__pgboss__') OR name = '${occurrenceQueue}') ORDER BY created_on, id`,
  )
  for (;;) {
    const { rows } = await client.query<JobRow>(`FETCH ${pageSize} FROM waiting`)
    if (rows.length === 0) return
    for (const row of rows) {
      const request = requestOf(row, now, queues, notes)
      if (request !== null) yield request
    }
  }
}

/**
 * Checks that no pg-boss worker can still start imported jobs.
 * @throws CliError if queues have active jobs or live workers
 */
async function assertStopped(
  client: PgReader,
  at: string,
  queues: readonly string[] | undefined,
  notes: ImportNotes,
): Promise<void> {
  const { rows } = await client.query<Count>(
    `SELECT name, count(*) FROM ${at}.job WHERE state = 'active' AND ($1::text[] IS NULL OR name = ANY($1)) GROUP BY name`,
    [queues ?? null],
  )
  const [busy] = rows
  const remedy = 'Stop the processes that run pg-boss with boss.stop(), and wait until they have ended.'
  if (busy !== undefined) throw sourceBusy(`The queue ${busy.name} has ${busy.count} active jobs.`, remedy)
  if (!(await exists(client, `${at}.instance`))) {
    notes.differs('all jobs', 'This version of pg-boss has no list of its processes. Make sure that they have stopped.')
    return
  }
  const { rows: alive } = await client.query<{ readonly host: string; readonly pid: number }>(
    `SELECT host, pid FROM ${at}.instance WHERE stopped_on IS NULL AND workers <> '[]'::jsonb
     AND heartbeat_on > now() - heartbeat_seconds * interval '3 s' LIMIT 1`,
  )
  const [worker] = alive
  if (worker === undefined) return
  const crashed = 'A process that crashed counts as stopped after three of its heartbeats.'
  throw sourceBusy(`A process of pg-boss still works: ${worker.pid} on ${worker.host}.`, `${remedy} ${crashed}`)
}

function requestOf(
  { id, name, data, priority, retry_count, singleton_key, pending_dependencies = 0, start_after, ...rest }: JobRow,
  now: number,
  queues: readonly string[] | undefined,
  notes: ImportNotes,
): ImportedRequest | null {
  // An entry that pg-boss has not yet converted to a job has no data. The entry refers to its schedule, which has the
  // data.
  const occurrence =
    name === occurrenceQueue ? (data as Pick<ScheduleRow, 'name' | 'data'> & { readonly key?: string }) : null
  const queue = occurrence?.name ?? name
  if (queues?.includes(queue) === false) return null
  const origin = `queue ${queue}, job ${id}`
  if (pending_dependencies > 0) {
    notes.leftOut(origin, 'It waits for other jobs of a flow, which Jobistemer does not have.')
    return null
  }
  const sent = occurrence === null ? data : occurrence.data
  const { key = '' } = occurrence ?? {}
  const request = {
    job: key === '' ? queue : `${queue}/${key}`,
    key: id,
    // A request without the member `data` looks like a slot to its handler, which then uses the data of the schedule.
    data: sent,
    ...(+start_after > now && { at: start_after.toISOString() }),
    ...(priority !== 0 && { priority: levelOf(priority) }),
  }
  if (occurrence !== null) return request
  const note = (text: string): void => notes.differs(origin, text)
  if (retry_count > 0) note(`pg-boss has tried it ${retry_count} times. The request has all attempts again.`)
  if (singleton_key !== null)
    note(`Its singleton key ${singleton_key} is not carried over. Use key and keyScope for new requests.`)
  if (typeof rest.group_id === 'string') note(`Its group ${rest.group_id} is not carried over.`)
  return { ...request, overrides: { retryPolicy: { maxRetries: 0 }, ...retryOf(rest) } }
}
