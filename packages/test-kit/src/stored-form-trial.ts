import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import {
  type Client,
  createClient,
  createScheduler,
  defineJob,
  type Job,
  type ListedOccurrence,
  type Scheduler,
  silentLogger,
  type TaskContext,
} from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { type VirtualClock, virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { assertLedger, type WorldTransaction } from '@jobistemer/storage-conformance'
import { cron } from '@jobistemer/ticker-cron'

/** An empty database of a stored-form trial, and functions to save and load its data. */
export interface StoredFormPlace {
  /** Opens the database with a new connection. */
  connect(): Storage
  /** Begins a user's transaction. Absent if the storage has no transactions. */
  begin?(): Promise<WorldTransaction>
  /** Returns all data of the database as text. */
  save(): Promise<string>
  /** Fills the database with data that `save` returned. */
  load(data: string): Promise<void>
}

/** The content of a fixture: the data that a version of the packages stored, and what its client read from them. */
interface StoredForm {
  readonly contents: unknown
  readonly data: string
}

const suffix = '.json.gz'
/**
 * The version of the packages whose stored form the trials write as fixtures. The trials then read these fixtures. An
 * environment variable sets this version. If it is `undefined`, the trials only read existing fixtures.
 */
const written = process.env.JOBISTEMER_WRITE_STORED_FORM

/** Returns the versions of the packages for which a folder has fixtures, or for which the trials write a fixture. */
export function storedForms(folder: URL): readonly string[] {
  mkdirSync(folder, { recursive: true })
  const versions = readdirSync(folder).map((name) => name.slice(0, -suffix.length))
  return [...new Set([...versions, ...(written === undefined ? [] : [written])])].sort()
}

/**
 * Opens the data that an earlier version of the packages stored, with the present code. Reads all lists, takes over the
 * runs of the dead node, runs slots and requests, and prunes.
 * @throws AssertionError
 */
export async function storedFormTrial(folder: URL, version: string, open: () => StoredFormPlace): Promise<void> {
  const file = new URL(`${version}${suffix}`, folder)
  if (version === written) {
    writeFileSync(file, gzipSync(JSON.stringify(await fill(open())), { level: 9 }))
  }
  const { contents, data } = JSON.parse(gunzipSync(readFileSync(file)).toString()) as StoredForm
  const place = open()
  await place.load(data)
  await read(place, contents)
}

const filledFrom = '2026-01-01T00:00:00Z'
const filledTo = '2026-01-01T06:45:00Z'
const timing = { deadAfter: { minutes: 30 }, pollInterval: { minutes: 10 } } as const
// The trial covers several hours of virtual time. At the usual intervals, the background work of the nodes would make
// most of the trial's storage calls. So these intervals are long.
const rarely = Object.fromEntries(
  ['heartbeat', 'reapInterval', 'definitionInterval'].map((name) => [Symbol.for(`jobistemer.${name}`), 10 * 60_000]),
)
const atOnce = { gracePeriod: 0, abortGracePeriod: 0 } as const

/**
 * The handlers of the trial's jobs. The nodes that fill the database and the node that reads the filled database have
 * different handlers.
 */
interface Work {
  /** Runs the handler of an occurrence that must be in progress when the database is saved. */
  hold(context: TaskContext): Promise<unknown>
  /** Runs the only task of the job `booked`. */
  book(context: TaskContext): Promise<unknown>
}

const jobsOf = ({ hold, book }: Work): readonly Job[] => {
  const hourly = cron('0 * * * *', { timezone: 'Europe/Berlin' })
  const on = (name: string, run: (context: TaskContext) => unknown) => ({ name, run: async (c: TaskContext) => run(c) })
  const quick = [on('work', () => 'done')]
  const held = [on('work', hold)]
  return [
    defineJob({
      name: 'hourly',
      description: 'Reads and writes.',
      tags: ['nightly', 'report'],
      schedule: hourly,
      keepLogs: true,
      tasks: [
        on('read', ({ logger, progress }) => {
          logger.info({ rows: 3 }, 'read the rows')
          progress(0.5, 'half of the rows')
          return { rows: 3 }
        }),
        on('write', ({ results }) => results.read),
      ],
    }),
    defineJob({
      name: 'failing',
      schedule: hourly,
      alertAfter: { hours: 3 },
      retryPolicy: { maxRetries: 1, retryInterval: { seconds: 1 } },
      tasks: [on('work', () => Promise.reject(new Error('disk full')))],
    }),
    defineJob({ name: 'missing', schedule: hourly, recoveryStrategy: 'mark_as_missed', tasks: quick }),
    defineJob({ name: 'paused', schedule: hourly, tasks: quick }),
    defineJob({ name: 'changed', schedule: cron('30 * * * *'), tasks: quick }),
    defineJob({ name: 'removed', schedule: hourly, tasks: quick }),
    defineJob({ name: 'requested', tasks: quick }),
    defineJob({ name: 'booked', tasks: [on('work', book)] }),
    defineJob({ name: 'queue', overlapPolicy: 'queue', maxQueued: 10, tasks: held }),
    defineJob({ name: 'limited', startRate: { limit: 1, interval: { hours: 1 } }, tasks: quick }),
    defineJob({ name: 'daily', schedule: cron('0 0 * * *'), tasks: held }),
    defineJob({
      name: 'long',
      tasks: [
        on('first', () => 1),
        on('second', (context) => {
          context.progress(0.25, 'a quarter')
          return hold(context)
        }),
      ],
    }),
  ]
}

function nodeOf(place: StoredFormPlace, clock: VirtualClock, nodeId: string, work: Work) {
  const opened = place.connect()
  // Makes the fixture independent of the machine and the real time: replaces host and process id in heartbeats, and
  // turns off the storage's clock and wake-ups.
  const storage = wrapStorage(opened, {
    serverTime: undefined,
    subscribe: undefined,
    heartbeat: (request) => {
      const { own } = request
      return opened.heartbeat({ ...request, own: own && { ...own, about: { ...own.about, host: 'machine', pid: 1 } } })
    },
  })
  const handlers = { note: () => 'noted' }
  // `fill` removes the job `removed` from the storage. So the node `today`, which reads the filled database, does not
  // define this job.
  const jobs = jobsOf(work).filter(({ name }) => nodeId !== 'today' || name !== 'removed')
  const options = { storage, clock, nodeId, handlers, jobs, logger: silentLogger, ...timing, ...rarely }
  return { opened, scheduler: createScheduler(options) }
}

async function startOn(clock: VirtualClock, scheduler: Scheduler): Promise<void> {
  const starting = scheduler.start()
  await clock.settle()
  await starting
  await clock.settle()
}

/**
 * Fills a database with jobs of each kind and their history. Saves the data while a node still runs, so that the saved
 * data contain a node that has not shut down.
 */
async function fill(place: StoredFormPlace): Promise<StoredForm> {
  const clock = virtualClock(filledFrom, { patience: 0 })
  const inTransaction = async (act: (transaction: unknown) => Promise<unknown>): Promise<unknown> => {
    const begun = await place.begin?.()
    const answer = await act(begun?.transaction)
    await begun?.commit()
    return answer
  }
  const work: Work = {
    hold: ({ sleep }) => sleep({ days: 100 }),
    book: (context) =>
      inTransaction(async (transaction) =>
        transaction === undefined ? 'booked' : await context.complete(transaction, 'booked'),
      ),
  }
  const first = nodeOf(place, clock, 'first', work)
  await startOn(clock, first.scheduler)
  await clock.advance({ hours: 2, minutes: 15 })
  await first.scheduler.pause('paused', { reason: 'migration', actor: 'anna' })
  await first.scheduler.update('changed', { schedule: cron('0 */2 * * *') })
  await clock.advance({ hours: 1 })
  await first.scheduler.shutdown(atOnce)
  await first.opened.close()
  await clock.advanceTo('2026-01-01T06:30:00Z')
  const second = nodeOf(place, clock, 'second', work)
  await startOn(clock, second.scheduler)
  await request(second.scheduler, inTransaction)
  await clock.advanceTo(filledTo)
  await second.scheduler.prune({ olderThan: { hours: 4 } })
  await clock.settle()
  const contents = await contentsOf(second.scheduler)
  const data = await place.save()
  await second.scheduler.shutdown(atOnce)
  await second.opened.close()
  return { contents, data }
}

async function request(
  node: Scheduler,
  inTransaction: (act: (transaction: unknown) => Promise<unknown>) => Promise<unknown>,
): Promise<void> {
  await node.add(defineJob({ name: 'data', tasks: [{ name: 'work', handler: 'note', data: { table: 'orders' } }] }))
  const owned = defineJob({ name: 'owned', schedule: cron('0 0 1 1 *'), tasks: [{ name: 'work', handler: 'note' }] })
  await node.apply(await node.plan([owned], { owner: 'deploy' }))
  await node.remove('removed')
  await node.cancelSlot('hourly', '2026-01-01T09:00:00Z', { reason: 'holiday', actor: 'anna' })
  await node.trigger('requested', { key: 'once', data: { order: 4711 }, reason: 'asked for', actor: 'anna' })
  await node.trigger('requested', { key: 'while it lives', keyScope: 'live', delay: { hours: 2 } })
  await node.trigger('requested', { key: 'while it waits', keyScope: 'waiting', delay: { hours: 3 } })
  for (const key of ['a', 'b', 'c']) await node.trigger('limited', { key })
  for (const [key, priority] of [
    ['runs', 0],
    ['low', -5],
    ['canceled', 0],
    ['plain', 0],
    ['high', 5],
  ] as const) {
    const { id } = await node.trigger('queue', { key, priority, data: key })
    if (key === 'canceled') await node.cancel(id, { reason: 'not needed' })
  }
  const [failed] = (await node.failures({ job: 'failing', order: 'ascending' })).items
  assert.ok(failed !== undefined)
  await node.replay(failed.id, { reason: 'the disk is empty' })
  await node.backfill('daily', { from: '2025-12-20T00:00:00Z', to: '2025-12-24T00:00:00Z', key: 'december' })
  await node.trigger('long', { key: 'in progress' })
  await inTransaction((transaction) =>
    node.trigger('booked', { key: 'one transaction', ...(transaction === undefined ? {} : { transaction }) }),
  )
}

async function read(place: StoredFormPlace, contents: unknown): Promise<void> {
  const clock = virtualClock(filledTo, { patience: 0 })
  const ended: string[] = []
  const work: Work = {
    hold: async ({ job, attempt, input, scheduledAt }) => {
      ended.push(`${job.name} ${input ?? scheduledAt.toISOString().slice(0, 10)}, attempt ${attempt}`)
    },
    book: async () => 'booked',
  }
  const opened = place.connect()
  const client = createClient({ storage: opened, clock, logger: silentLogger })
  assert.deepEqual(await contentsOf(client), contents)
  await assertLedger(opened)
  const node = nodeOf(place, clock, 'today', work)
  await startOn(clock, node.scheduler)
  assert.equal((await client.trigger('requested', { key: 'once' })).created, false)
  assert.equal((await client.trigger('requested', { key: 'while it waits', keyScope: 'waiting' })).created, false)
  await clock.advanceTo('2026-01-01T09:15:00Z')
  await client.resume('paused')
  await clock.advanceTo('2026-01-01T10:15:00Z')
  const nodes = (await client.nodes()).map(({ node: name, state }) => `${name}: ${state}`)
  assert.deepEqual(nodes.sort(), ['second: dead', 'today: working'])
  for (const [job, runs] of Object.entries(endedRuns)) {
    assert.deepEqual(
      ended.filter((run) => run.startsWith(job)),
      runs.map((run) => `${job} ${run}`),
    )
  }
  const [long] = (await client.occurrences({ job: 'long' })).items
  assert.deepEqual(
    long?.tasks.map(({ attempts }) => attempts.map(({ state }) => state)),
    [['succeeded'], ['lost', 'succeeded']],
  )
  assert.deepEqual(await statesOf(client), statesAtTheEnd)
  await assertLedger(opened)
  assert.ok((await client.prune({ olderThan: 0 })) > 40)
  assert.deepEqual((await client.occurrences({ job: 'hourly' })).items, [])
  await assertLedger(opened)
  await node.scheduler.shutdown(atOnce)
  await client.close()
  await node.opened.close()
  await opened.close()
}

/** The runs that the dead node held, by job, in the order in which the node `today` must run them. */
const endedRuns = {
  long: ['2026-01-01, attempt 2'],
  queue: ['runs, attempt 2', 'high, attempt 1', 'plain, attempt 1', 'low, attempt 1'],
  daily: ['2025-12-20, attempt 2', '2025-12-21, attempt 1', '2025-12-22, attempt 1', '2025-12-23, attempt 1'],
}

const completedFrom7To10 = ['07:00 completed', '08:00 completed', '09:00 completed', '10:00 completed']
const failedFrom6To10 = ['06:00 failed', '07:00 failed', '08:00 failed', '09:00 failed', '10:00 failed']

/** The expected states of all occurrences at the end of the trial, by job: first of slots, then of requests. */
const statesAtTheEnd = {
  booked: ['completed'],
  changed: ['04:00 missed', '06:00 completed', '08:00 completed', '10:00 completed'],
  daily: ['completed', 'completed', 'completed', 'completed'],
  data: [],
  failing: ['03:00 failed', '04:00 missed', ...failedFrom6To10, 'failed'],
  hourly: [
    ...['03:00 completed', '04:00 missed', '06:00 completed', '07:00 completed', '08:00 completed'],
    ...['09:00 canceled', '10:00 completed'],
  ],
  limited: ['completed', 'completed', 'completed'],
  long: ['completed'],
  missing: ['03:00 completed', '04:00 missed', ...completedFrom7To10],
  owned: [],
  paused: ['03:00 skipped', '04:00 missed', '07:00 skipped', '08:00 skipped', '09:00 skipped', '10:00 completed'],
  queue: ['canceled', 'completed', 'completed', 'completed', 'completed'],
  requested: ['completed', 'completed', 'completed'],
}

async function statesOf(client: Client): Promise<Record<string, string[]>> {
  const states: Record<string, string[]> = {}
  for (const { name } of (await client.jobs({ limit: 100 })).items) {
    const { items } = await client.occurrences({ job: name, limit: 100 })
    states[name] = items
      .map(({ kind, scheduledAt, state }) =>
        kind === 'slot' ? `${scheduledAt.toISOString().slice(11, 16)} ${state}` : state,
      )
      .sort()
  }
  return states
}

/**
 * Returns the stored jobs and occurrences as JSON, without values that differ between machines or between two calls of
 * `fill`.
 */
async function contentsOf(client: Pick<Client, 'jobs' | 'nextRuns' | 'occurrences' | 'versions'>): Promise<unknown> {
  const contents = []
  for (const job of (await client.jobs({ limit: 100 })).items) {
    const { name, version, owner, description, tags, schedule, nextAt, paused, settings, tasks } = job
    contents.push({
      ...{ name, version, owner, description, tags, schedule, nextAt, paused, tasks },
      retention: settings.retention,
      versions: (await client.versions(name)).map(({ changes }) => changes.map(({ part }) => part)),
      nextRuns: await client.nextRuns(name, 3),
      runs: (await client.occurrences({ job: name, limit: 100, order: 'ascending' })).items.map(runOf).sort(),
    })
  }
  return JSON.parse(JSON.stringify(contents))
}

function runOf(run: ListedOccurrence): string {
  const { id, kind, state, reason, scheduledAt, slot, fencingToken, jobVersion, priority, node, span, input } = run
  const { requestKey, requestReason, requestActor, cancelRequest, recovered, replayOf, backfill, rescues } = run
  const tasks = run.tasks.map(({ name, state: ended, result, error, progress, attempts }) => ({
    ...{ name, state: ended, result, error: error?.message, progress },
    attempts: attempts.map(({ number, state: outcome, reason: why, logs }) => ({ number, outcome, why, logs })),
  }))
  return JSON.stringify({
    ...{ scheduledAt, kind, state, reason, slot, fencingToken, jobVersion, priority, node, span, input },
    ...{ requestKey, requestReason, requestActor, cancelRequest, recovered, rescues, backfill },
    ...{ isReplay: replayOf !== null, ...(kind === 'slot' && { id }), tasks },
  })
}
