import type { JobSettingsInput } from '@jobistemer/core'
import { CliError } from '../cli-error.ts'
import { importPackage } from '../storage/import-package.ts'
import type {
  Imported,
  ImportContext,
  ImportedJob,
  ImportedRequest,
  ImportNote,
  ImportSource,
} from './import-source.ts'
import { shellWord } from '../shell-word.ts'
import { openPostgres, type PgReader, sourceBusy } from './peers.ts'
import { minuteMs } from './units.ts'

/** Options of {@link pgBoss}. */
export interface PgBossOptions {
  readonly url: string
  readonly cwd: string
  readonly schema: string
  /** Default: every queue. */
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

interface ScheduleRow {
  readonly name: string
  readonly key: string
  /** Earlier versions of pg-boss have cron expressions only. */
  readonly kind?: string
  readonly cron: string
  readonly timezone: string | null
  readonly data: unknown
  readonly options: SendOptions | null
}

/** The options of a job that the importer reads from a schedule. */
interface SendOptions {
  readonly priority?: number
  readonly retryLimit?: number
  readonly retryDelay?: number
  readonly retryBackoff?: boolean
  readonly missed?: string
}

interface JobRow extends Pick<QueueRow, 'retry_limit' | 'retry_delay' | 'retry_backoff' | 'retry_delay_max'> {
  readonly id: string
  readonly name: string
  readonly state: string
  readonly priority: number
  readonly data: unknown
  readonly retry_count: number
  readonly start_after: Date
  readonly singleton_key: string | null
  readonly pending_dependencies?: number
}

/** The part of pg-boss that `--compare` calls. */
interface PgBossPackage {
  readonly PgBoss: new (
    options: object,
  ) => {
    previewSchedule(cron: string, options: { readonly tz: string; readonly from: Date; readonly count: number }): Date[]
  }
}

/** The queue of the occurrences that pg-boss has not yet turned into jobs. */
const occurrenceQueue = '__pgboss__send-it'
const pageSize = 1000

const policyNotes: Readonly<Record<string, string>> = {
  short:
    'pg-boss lets one job of the queue wait at most. Jobistemer lets each request wait; use key with keyScope waiting.',
  stately: 'pg-boss lets one job in each state exist. The job runs one request at a time, and lets the rest wait.',
  exclusive: 'pg-boss lets one job wait or run. The job runs one request at a time, and lets the rest wait.',
  key_strict_fifo:
    'pg-boss runs one job per key at a time, in order. The job runs one request at a time, whatever its key.',
}

/** The source `pg-boss`: the schedules, queues and jobs of pg-boss 12. */
export function pgBoss(options: PgBossOptions): ImportSource {
  const { url, cwd } = options
  let opened: Promise<PgReader> | undefined
  const client = (): Promise<PgReader> => (opened ??= openPostgres(url, cwd))
  return {
    name: 'pg-boss',
    async read(context) {
      return readAll(await client(), options, context)
    },
    rules: {
      gap: 'pg-boss (cron-parser) moves a skipped time by the length of the jump, or leaves it out. Jobistemer runs it at the first instant after the jump.',
      fold: 'pg-boss (cron-parser) runs some repeated times once, others twice. Jobistemer runs a fixed time once, and a time whose minute or hour begins with * each time.',
      end: 'pg-boss (cron-parser) finds no further instant behind a change of offset that is no whole hour. Jobistemer continues.',
    },
    async instantsAfter({ original }, afterMs, { timezone: zone }) {
      const { PgBoss } = await importPackage<PgBossPackage>('pg-boss', { cwd, field: '--compare' })
      const { cron, timezone } = original as ScheduleRow
      return previewed(new PgBoss({ connectionString: url }), oncePerMinute(cron.trim()), timezone ?? zone, afterMs)
    },
    stop: (jobs, context) => stopCommands(jobs, context, options.schema),
    async *requests(context, note) {
      yield* requestsOf(await client(), options, context, note)
    },
    async close() {
      const connected = await opened?.catch(() => undefined)
      await connected?.end()
    },
  }
}

function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

async function readAll(
  client: PgReader,
  { schema, queues: wanted }: PgBossOptions,
  { timezone: zone }: ImportContext,
): Promise<Imported> {
  const at = identifier(schema)
  const found = await client.query<{ readonly is: boolean }>(`SELECT to_regclass($1) IS NOT NULL AS is`, [
    `${at}.schedule`,
  ])
  if (found.rows[0]?.is !== true)
    throw empty(`The database has no schema ${schema} of pg-boss.`, '--source-prefix', 'Give the schema of pg-boss.')
  const queues = (await client.query<QueueRow>(`SELECT * FROM ${at}.queue ORDER BY name`)).rows.filter(
    ({ name }) => !name.startsWith('__pgboss__'),
  )
  const missing = wanted?.find((name) => !queues.some((queue) => queue.name === name))
  if (missing !== undefined)
    throw empty(
      `pg-boss has no queue ${missing}.`,
      '--queue',
      `The queues are ${queues.map(({ name }) => name).join(', ')}.`,
    )
  const isWanted = ({ name }: { readonly name: string }): boolean => wanted?.includes(name) ?? true
  const { rows: schedules } = await client.query<ScheduleRow>(`SELECT * FROM ${at}.schedule ORDER BY name, key`)
  const { rows: counts } = await client.query<{
    readonly name: string
    readonly state: string
    readonly count: string
  }>(
    `SELECT name, state, count(*) FROM ${at}.job WHERE state IN ('active', 'failed') AND NOT starts_with(name, '__pgboss__') GROUP BY name, state ORDER BY name, state`,
  )
  const notes: ImportNote[] = [
    {
      origin: 'all jobs',
      kind: 'differs',
      text: 'pg-boss does not catch up after a downtime unless the schedule says missed: once. The jobs say recoveryStrategy mark_as_missed. Remove it to run the last missed slot.',
    },
    {
      origin: 'all jobs',
      kind: 'differs',
      text: 'pg-boss passes a list of jobs to the handler. A handler of Jobistemer gets the data of one job, as context.input of a request, and as context.data of a slot.',
    },
    {
      origin: 'all jobs',
      kind: 'differs',
      text: 'pg-boss sends the job of a slot up to 30 s after its instant. Jobistemer runs it at its instant.',
    },
  ]
  for (const { name, state, count } of counts.filter(isWanted)) {
    notes.push({
      origin: `queue ${name}`,
      kind: 'left_out',
      text:
        state === 'active'
          ? `${count} jobs run now: the workers of pg-boss end them.`
          : `${count} jobs have failed: look at them in pg-boss.`,
    })
  }
  const jobs: ImportedJob[] = []
  for (const queue of queues.filter(isWanted)) {
    const own = schedules.filter(({ name }) => name === queue.name)
    const settings = settingsOfQueue(queue, (text) =>
      notes.push({ origin: `queue ${queue.name}`, kind: 'differs', text }),
    )
    // A schedule without a key and the requests of its queue are one job.
    if (!own.some((row) => row.key === '' && canRead(row)))
      jobs.push({ name: queue.name, origin: `queue ${queue.name}`, schedule: null, handler: queue.name, settings })
    for (const row of own) jobs.push(...jobsOf(row, queue, settings, zone, notes))
  }
  return { jobs, notes }
}

function empty(message: string, field: string, remedy: string): CliError {
  return new CliError({ code: 'SOURCE_EMPTY', message, field, remedy })
}

function canRead({ kind = 'cron' }: ScheduleRow): boolean {
  return kind === 'cron'
}

function settingsOfQueue(
  { policy, dead_letter, expire_seconds, ...retry }: QueueRow,
  note: (text: string) => void,
): JobSettingsInput {
  const expiry = expire_seconds * 1000
  if (dead_letter !== null)
    note(`Its dead letter queue ${dead_letter} is not carried over. Jobistemer keeps failed runs for a replay.`)
  const text = policyNotes[policy]
  if (text !== undefined) note(text)
  const isSingle = policy !== 'standard' && policy !== 'short'
  return {
    overlapPolicy: isSingle ? 'queue' : 'allow',
    taskTimeout: expiry,
    // Room for each attempt. The default is 1 h.
    executionTimeout: Math.max(3_600_000, (retry.retry_limit + 1) * (expiry + retry.retry_delay * 1000)),
    ...retryOf(retry),
  }
}

function retryOf({
  retry_limit,
  retry_delay,
  retry_backoff,
  retry_delay_max,
}: Omit<QueueRow, 'name' | 'policy' | 'expire_seconds' | 'dead_letter'>): JobSettingsInput {
  if (retry_limit === 0) return {}
  return {
    retryPolicy: {
      maxRetries: Math.min(retry_limit, 1000),
      // With backoff, pg-boss takes a delay of 0 for 1 s.
      retryInterval: Math.max(retry_delay, retry_backoff ? 1 : 0) * 1000,
      ...(retry_backoff && { backoffFactor: 2 }),
      ...(retry_delay_max !== null && { maxInterval: retry_delay_max * 1000 }),
    },
  }
}

function jobsOf(
  row: ScheduleRow,
  queue: QueueRow,
  settings: JobSettingsInput,
  machineZone: string,
  notes: ImportNote[],
): readonly ImportedJob[] {
  const { name, key, cron, timezone, data, options } = row
  const origin = `queue ${name}, schedule ${key === '' ? 'without a key' : key}`
  if (!canRead(row)) {
    notes.push({
      origin,
      kind: 'left_out',
      text: `Jobistemer has no recurrence rules. Write the rule as cron() or iso8601(): ${cron.replaceAll('\n', ' ')}`,
    })
    return []
  }
  const note = (text: string): void => void notes.push({ origin, kind: 'differs', text })
  const expression = oncePerMinute(cron.trim())
  if (expression !== cron.trim())
    note(`pg-boss sends one job a minute at most. The job has the expression ${expression} instead of ${cron}.`)
  if (timezone === null)
    note(`It names no time zone, so pg-boss uses the zone of its process. The job says ${machineZone}.`)
  const { priority, missed, retryLimit, retryDelay, retryBackoff } = options ?? {}
  const retry = {
    ...queue,
    retry_limit: retryLimit ?? queue.retry_limit,
    retry_delay: retryDelay ?? queue.retry_delay,
    retry_backoff: retryBackoff ?? queue.retry_backoff,
  }
  const known = ['priority', 'missed', 'retryLimit', 'retryDelay', 'retryBackoff', 'tz', 'key']
  const others = Object.keys(options ?? {}).filter((option) => !known.includes(option))
  if (others.length > 0) note(`These options are not carried over: ${others.join(', ')}.`)
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

/** pg-boss files the occurrences of a minute as one job. */
function oncePerMinute(expression: string): string {
  const [seconds = '', ...fields] = expression.split(/\s+/)
  return fields.length < 5 || /^\d+$/.test(seconds) ? expression : ['0', ...fields].join(' ')
}

/** Both run the highest number first; pg-boss takes any number. */
function levelOf(priority: number): number {
  return Math.max(-10, Math.min(10, priority))
}

function* previewed(
  boss: InstanceType<PgBossPackage['PgBoss']>,
  cron: string,
  tz: string,
  afterMs: number,
): Generator<number, void> {
  for (let from = new Date(afterMs); ; ) {
    // One at a time: pg-boss gives up a longer list after 1 s.
    const next = nextOf(() => boss.previewSchedule(cron, { tz, from, count: 1 })[0])
    if (next === undefined || next <= from) return
    yield +next
    from = next
  }
}

/** pg-boss has accepted the expression, so an error means that cron-parser finds no further instant. */
function nextOf(preview: () => Date | undefined): Date | undefined {
  try {
    return preview()
  } catch {
    return undefined
  }
}

function stopCommands(
  jobs: readonly ImportedJob[],
  { cutOver }: { readonly cutOver: number },
  schema: string,
): readonly string[] {
  const rows = jobs.flatMap(({ original }) => (original === undefined ? [] : [original as ScheduleRow]))
  return [
    '# Start this command before the cut-over. 10 s before it, the command removes the schedules from pg-boss.',
    '# Set DATABASE_URL to the address of the source. From the cut-over on, producers trigger jobs in Jobistemer.',
    `node --input-type=module -e ${shellWord(`
import { PgBoss } from 'pg-boss'
const boss = new PgBoss({ connectionString: process.env.DATABASE_URL, schema: ${JSON.stringify(schema)}, schedule: false, supervise: false, migrate: false })
boss.on('error', console.error)
await boss.start()
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const passAt = async () => +(await boss.getDb().executeSql('SELECT cron_on FROM ${identifier(schema)}.version')).rows[0].cron_on
if (Date.now() > ${cutOver}) throw new Error('The cut-over has passed. Choose a later one.')
for (let left; (left = ${cutOver - 10_000} - Date.now()) > 0; ) await sleep(Math.min(left, 60000))
// The last minute before the cut-over has been sent when a pass has begun in it, 3 s ago at least.
const isSent = async () => { const at = await passAt(); return at >= ${cutOver - minuteMs} && Date.now() - at > 3000 }
while (!(await isSent())) {
  if (Date.now() > ${cutOver - 1000}) throw new Error('pg-boss has sent no slots in the last minute. Nothing was changed. Choose a later cut-over.')
  await sleep(100)
}
for (const [name, key] of ${JSON.stringify(rows.map(({ name, key }) => [name, key]))}) await boss.unschedule(name, key)
console.log('unscheduled at', new Date().toISOString())
await boss.stop()
`)}`,
    '# After the cut-over, let the workers of pg-boss end their queues, or stop them and hand the jobs over with --requests.',
  ]
}

type CutOver = ImportContext & { readonly cutOver: number }

async function* requestsOf(
  client: PgReader,
  { schema, queues }: PgBossOptions,
  { now }: CutOver,
  note: (note: ImportNote) => void,
): AsyncGenerator<ImportedRequest> {
  const at = identifier(schema)
  await assertStopped(client, at, queues)
  await client.query(
    `DECLARE waiting CURSOR FOR SELECT * FROM ${at}.job WHERE state < 'active'
     AND (NOT starts_with(name, '__pgboss__') OR name = '${occurrenceQueue}') ORDER BY created_on, id`,
  )
  for (;;) {
    const { rows } = await client.query<JobRow>(`FETCH ${pageSize} FROM waiting`)
    if (rows.length === 0) return
    for (const row of rows) {
      const request = requestOf(row, now, queues, note)
      if (request !== null) yield request
    }
  }
}

/** @throws CliError if a worker may still start what is handed over */
async function assertStopped(client: PgReader, at: string, queues: readonly string[] | undefined): Promise<void> {
  const { rows } = await client.query<{ readonly name: string; readonly count: string }>(
    `SELECT name, count(*) FROM ${at}.job WHERE state = 'active' AND ($1::text[] IS NULL OR name = ANY($1)) GROUP BY name`,
    [queues ?? null],
  )
  const [busy] = rows
  if (busy !== undefined)
    throw sourceBusy(
      `The queue ${busy.name} has ${busy.count} active jobs.`,
      'Stop the processes that run pg-boss with boss.stop(), and wait until they have ended.',
    )
  const { rows: tables } = await client.query<{ readonly is: boolean }>('SELECT to_regclass($1) IS NOT NULL AS is', [
    `${at}.instance`,
  ])
  if (tables[0]?.is !== true) return
  const { rows: alive } = await client.query<{ readonly host: string; readonly pid: number }>(
    `SELECT host, pid FROM ${at}.instance WHERE stopped_on IS NULL AND workers <> '[]'::jsonb
     AND heartbeat_on > now() - heartbeat_seconds * interval '3 s' LIMIT 1`,
  )
  const [worker] = alive
  if (worker !== undefined)
    throw sourceBusy(
      `A process of pg-boss still works: ${worker.pid} on ${worker.host}.`,
      'Stop it with boss.stop(). A process that crashed counts as stopped after three of its heartbeats.',
    )
}

function requestOf(
  row: JobRow,
  now: number,
  queues: readonly string[] | undefined,
  note: (note: ImportNote) => void,
): ImportedRequest | null {
  const {
    id,
    name,
    data,
    priority,
    retry_count,
    retry_limit,
    singleton_key,
    pending_dependencies = 0,
    start_after,
  } = row
  // An occurrence that pg-boss has not yet turned into a job names the schedule and its data.
  const occurrence =
    name === occurrenceQueue ? (data as { readonly name: string; readonly key?: string; readonly data: unknown }) : null
  const queue = occurrence?.name ?? name
  if (queues?.includes(queue) === false) return null
  const origin = `queue ${queue}, job ${id}`
  if (pending_dependencies > 0) {
    note({ origin, kind: 'left_out', text: 'It waits for other jobs of a flow, which Jobistemer does not have.' })
    return null
  }
  if (retry_count > 0)
    note({
      origin,
      kind: 'differs',
      text: `pg-boss has tried it ${retry_count} times. The request has all ${retry_limit + 1} attempts again.`,
    })
  if (singleton_key !== null && occurrence === null)
    note({
      origin,
      kind: 'differs',
      text: `Its singleton key ${singleton_key} is not carried over. Use key and keyScope for new requests.`,
    })
  const sent = occurrence === null ? data : occurrence.data
  const { key = '' } = occurrence ?? {}
  return {
    job: key === '' ? queue : `${queue}/${key}`,
    key: id,
    ...(sent !== null && { data: sent }),
    ...(+start_after > now && { at: start_after.toISOString() }),
    ...(priority !== 0 && { priority: levelOf(priority) }),
    ...(occurrence === null && { overrides: retryOf(row) as ImportedRequest['overrides'] & object }),
  }
}
