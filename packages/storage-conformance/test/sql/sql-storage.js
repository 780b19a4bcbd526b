import { JobistemerError } from '@jobistemer/core'
import { namingKey, orderAt, pausedUntil, storageFromLedger } from '@jobistemer/core/storage'

/**
 * A small PostgreSQL adapter, written as the guide describes. Tests change one of its lines at a time: see sql-faults.ts.
 *
 * @import { AsyncLedger, GetAnswer, HeartbeatAnswer, JobRecord, LedgerStep, LiveState, OccurrenceRecord, Storage } from '@jobistemer/core/storage'
 * @typedef {(text: string, values?: readonly unknown[]) => Promise<any[]>} Query
 */

const retries = 30
const farAway = 9_000_000_000_000_000
const refused = ['40001', '40P01', '23505']
const isRefused = (/** @type {any} */ error) => refused.includes(error?.code)

/**
 * Stores texts as JSON text, because PostgreSQL cannot store NUL characters.
 * @param {string} text
 */
const key = (text) => JSON.stringify(text)
const at = (/** @type {unknown} */ instant) => Number(instant)
/** @param {any[]} rows @returns {any[]} */
const records = (rows) => rows.map(({ record }) => JSON.parse(record))
/**
 * Converts the limit `Infinity` to SQL NULL, which means no limit.
 * @param {number} limit
 */
const limitOf = (limit) => (Number.isFinite(limit) ? limit : null)

/** @param {string} schema */
export const createTables = (schema) => `
  CREATE SCHEMA ${schema};
  CREATE TABLE ${schema}.jobs (
    id text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C",
    handler_key text COLLATE "C" NOT NULL,
    next_at bigint,
    changed_at bigint NOT NULL,
    paused_until bigint,
    cancels_below integer,
    pending bigint NOT NULL,
    late bigint NOT NULL,
    queued bigint NOT NULL,
    running bigint NOT NULL,
    is_deleted boolean NOT NULL,
    record text NOT NULL
  );
  CREATE TABLE ${schema}.versions (job text COLLATE "C", version bigint, record text NOT NULL, PRIMARY KEY (job, version));
  CREATE TABLE ${schema}.occurrences (
    id text COLLATE "C" PRIMARY KEY,
    job text COLLATE "C" NOT NULL,
    state text NOT NULL,
    scheduled_at bigint NOT NULL,
    order_at bigint NOT NULL,
    due_at bigint NOT NULL,
    deadline_at bigint,
    finished_at bigint,
    node text COLLATE "C",
    incarnation text COLLATE "C",
    is_canceled boolean NOT NULL,
    has_run boolean NOT NULL,
    reason text COLLATE "C",
    record text NOT NULL
  );
  CREATE TABLE ${schema}.keys (id text COLLATE "C" PRIMARY KEY, occurrence text COLLATE "C" NOT NULL);
  CREATE TABLE ${schema}.sums (pending bigint NOT NULL, queued bigint NOT NULL, running bigint NOT NULL);
  INSERT INTO ${schema}.sums VALUES (0, 0, 0);
  CREATE TABLE ${schema}.nodes (incarnation text COLLATE "C" PRIMARY KEY, counter bigint NOT NULL, record text NOT NULL);
  CREATE TABLE ${schema}.profiles (incarnation text COLLATE "C" PRIMARY KEY, record text NOT NULL);
`

/** @implements {AsyncLedger} */
class SqlLedger {
  kind = /** @type {const} */ ('async')
  unit = /** @type {const} */ ('call')
  opener = 'sqlStorage()'
  keepsObjects = false
  capabilities = /** @type {const} */ ({
    maxBatch: 200,
    multiProcess: true,
    durability: 'power',
    findsDueJobs: true,
    takesNext: true,
  })
  history = this

  /** @param {{ pool: any, schema: string, listen?: () => Promise<any> }} options */
  constructor({ pool, schema, listen }) {
    this.pool = pool
    this.schema = schema
    this.listen = listen
    this.self = `${schema}-${Math.random()}`
    /** @type {Set<(wakeUp: { kind: any }) => void>} */
    this.listeners = new Set()
    /** @type {Promise<any> | null} */
    this.listening = null
  }

  /** @param {string} text @param {readonly unknown[]} [values] @returns {Promise<any[]>} */
  async query(text, values) {
    try {
      return (await this.pool.query(this.named(text), values)).rows
    } catch (error) {
      throw errorOf(error)
    }
  }

  /** @param {string} text */
  named(text) {
    return text.replaceAll('$schema', this.schema)
  }

  /** @template T @param {(query: Query) => Promise<T>} body @returns {Promise<T>} */
  async transaction(body) {
    for (let attempt = 1; ; attempt++) {
      const client = await this.pool.connect().catch((/** @type {unknown} */ error) => Promise.reject(errorOf(error)))
      const query = async (/** @type {string} */ text, /** @type {readonly unknown[]} */ values = []) =>
        (await client.query(this.named(text), values)).rows
      client.on('error', ignore)
      let failure = null
      try {
        await client.query('BEGIN ISOLATION LEVEL READ COMMITTED')
        const result = await body(query)
        await client.query('COMMIT')
        return result
      } catch (error) {
        failure = error
        await client.query('ROLLBACK').catch(ignore)
      } finally {
        client.off('error', ignore)
        client.release(failure !== null && !isRefused(failure))
      }
      if (!isRefused(failure) || attempt === retries) throw errorOf(failure)
    }
  }

  /** @param {LedgerStep} step */
  async run(step) {
    await this.transaction(async (query) => {
      const heads = await query('SELECT * FROM $schema.jobs WHERE id = ANY($1) ORDER BY id FOR UPDATE', [step.jobs])
      const jobs = new Map(heads.map((row) => [row.id, storedJob(row)]))
      const keyIds = step.keys.map(({ keyId }) => keyId)
      const keyRows = await query('SELECT id, occurrence FROM $schema.keys WHERE id = ANY($1)', [keyIds])
      const keys = new Map(keyRows.map(({ id, occurrence }) => [id, occurrence]))
      const ids = [...step.occurrences.map(({ id }) => id), ...keys.values()]
      const named = records(await query('SELECT record FROM $schema.occurrences WHERE id = ANY($1)', [ids]))
      const occurrences = new Map(named.map((record) => [record.id, { record }]))
      const live = new Map()
      for (const need of step.needs({ jobs, occurrences })) {
        const all = need.superseded !== null
        const lists = {
          pending: await liveOf(query, need.jobId, 'pending', all ? null : limitOf(need.pending)),
          queued: await liveOf(query, need.jobId, 'queued', all ? null : limitOf(need.queued)),
          running: await liveOf(query, need.jobId, 'running', limitOf(need.running)),
        }
        live.set(need.jobId, lists)
      }
      const writes = step.decide({ jobs, occurrences, keys, live })
      const sums = { pending: 0, queued: 0, running: 0 }
      for (const { jobId, before, after, versions, occurrences: changed } of writes) {
        for (const state of /** @type {const} */ (['pending', 'queued', 'running'])) {
          sums[state] += after.counts[state] - (before?.counts[state] ?? 0)
        }
        const { pending, delayed, queued, running } = after.counts
        const job = after.job ?? { ...storedRecord(before), ...after.head }
        const values = [
          jobId,
          job.owner === null ? null : key(job.owner),
          key(job.handlerKey),
          job.nextAt,
          job.changedAt,
          untilOf(job),
          job.cancelsBelow,
          pending,
          delayed,
          queued,
          running,
          job.deletedAt !== null,
          JSON.stringify(job),
        ]
        if (before === null) await query(insertJob, values)
        else await query(updateJob, values)
        for (const version of versions) await query(insertVersion, [jobId, version.version, JSON.stringify(version)])
        for (const { before: old, after: record } of changed) {
          await query(old === null ? insertOccurrence : updateOccurrence, columnsOf(record))
          const keyId = old === null ? namingKey(record) : undefined
          if (keyId !== undefined) await query(nameByKey, [keyId, record.id])
        }
      }
      const change = [sums.pending, sums.queued, sums.running]
      if (change.some((by) => by !== 0)) await query(addToSums, change)
    })
  }

  /** @type {AsyncLedger['due']} */
  async due({ now, exceptHandlerKeys }, { limit, cursor }) {
    const [order, id] = cursor === null ? [-farAway, ''] : cursor.split(' ')
    const rows = await this.query(
      `SELECT o.id, o.job, o.scheduled_at, o.order_at FROM $schema.occurrences o JOIN $schema.jobs j ON j.id = o.job
       WHERE o.state = 'pending' AND o.due_at <= $1
         AND (j.paused_until IS NULL OR j.paused_until <= $1)
         AND j.handler_key <> ALL($2)
         AND (o.order_at, o.id) > ($3, $4)
       ORDER BY o.order_at, o.id LIMIT $5`,
      [now, exceptHandlerKeys.map(key), order, id, limit],
    )
    const last = rows.at(-1)
    return {
      occurrences: rows.map((row) => ({ id: row.id, jobId: row.job, scheduledAt: at(row.scheduled_at) })),
      cursor: rows.length < limit ? null : `${last.order_at} ${last.id}`,
    }
  }

  /** @type {AsyncLedger['nextDueAt']} */
  async nextDueAt({ now, exceptHandlerKeys }) {
    const [row] = await this.query(
      `SELECT min(greatest(o.due_at, j.paused_until)) AS next FROM $schema.occurrences o JOIN $schema.jobs j ON j.id = o.job
       WHERE o.state = 'pending' AND greatest(o.due_at, j.paused_until) > $1 AND j.handler_key <> ALL($2)`,
      [now, exceptHandlerKeys.map(key)],
    )
    return row.next === null || at(row.next) === farAway ? null : at(row.next)
  }

  /** @type {AsyncLedger['cancelRequested']} */
  async cancelRequested({ node, incarnation }) {
    return records(
      await this.query(
        `SELECT record FROM $schema.occurrences WHERE state = 'running' AND is_canceled
           AND node = $1 AND incarnation = $2 ORDER BY scheduled_at, id`,
        [key(node), key(incarnation)],
      ),
    )
  }

  async stranded() {
    const rows = await this.query(
      `SELECT id FROM $schema.jobs WHERE queued > 0 AND (cancels_below IS NOT NULL OR is_deleted OR (pending = late AND running = 0))
       UNION SELECT id FROM $schema.jobs WHERE pending > 0 AND (cancels_below IS NOT NULL OR is_deleted)`,
    )
    return rows.map(({ id }) => id)
  }

  /** @type {AsyncLedger['get']} @returns {Promise<GetAnswer>} */
  async get({ jobs = [], versions = [], occurrences = [], counts = [], latest = [] }) {
    const found = new Map(
      records(await this.query('SELECT record FROM $schema.jobs WHERE id = ANY($1)', [jobs])).map((job) => [
        job.id,
        job,
      ]),
    )
    const runs = records(await this.query('SELECT record FROM $schema.occurrences WHERE id = ANY($1)', [occurrences]))
    const byId = new Map(runs.map((record) => [record.id, record]))
    return {
      jobs: jobs.map((id) => found.get(id) ?? null),
      versions: await Promise.all(
        versions.map(
          async ({ jobId, version }) =>
            records(
              await this.query('SELECT record FROM $schema.versions WHERE job = $1 AND version = $2', [jobId, version]),
            )[0] ?? null,
        ),
      ),
      occurrences: occurrences.map((id) => byId.get(id) ?? null),
      counts: await Promise.all(counts.map((id) => this.countsOf(id))),
      latest: await Promise.all(
        latest.map(
          async (id) =>
            records(
              await this.query(
                'SELECT record FROM $schema.occurrences WHERE job = $1 AND finished_at IS NOT NULL AND has_run ORDER BY scheduled_at DESC, id DESC LIMIT 1',
                [id],
              ),
            )[0] ?? null,
        ),
      ),
    }
  }

  /** @param {string} id */
  async countsOf(id) {
    const [row] =
      id === 'all'
        ? await this.query('SELECT * FROM $schema.sums')
        : await this.query('SELECT pending, queued, running FROM $schema.jobs WHERE id = $1', [id])
    return { pending: at(row?.pending ?? 0), queued: at(row?.queued ?? 0), running: at(row?.running ?? 0) }
  }

  /** @type {AsyncLedger['listJobs']} */
  async listJobs({ due, owner, changedSince, deleted = false, limit, cursor }) {
    if (due !== undefined) return await this.dueJobs(due, limit, cursor)
    const rows = await this.query(
      `SELECT id, record FROM $schema.jobs WHERE id > $1
         AND ($2::text IS NULL OR owner = $2) AND changed_at >= $3 AND (NOT is_deleted OR $4)
       ORDER BY id LIMIT $5`,
      [cursor ?? '', owner === undefined ? null : key(owner), changedSince ?? -farAway, deleted, limit],
    )
    return { items: records(rows), cursor: rows.length < limit ? null : rows.at(-1).id }
  }

  /** @param {{ after?: number, upTo: number, shards?: readonly number[] }} due @param {number} limit @param {string | null} cursor */
  async dueJobs({ after = -farAway, upTo, shards }, limit, cursor) {
    const [from, id] = cursor === null ? [after, '~'] : cursor.split(' ')
    const rows = await this.query(
      `SELECT id, next_at, record FROM $schema.jobs
       WHERE next_at IS NOT NULL AND (next_at, id) > ($1, $2) AND next_at <= $3
         AND ($4::int[] IS NULL OR get_byte(decode(substr(id, 5, 2), 'hex'), 0) = ANY($4))
       ORDER BY next_at, id LIMIT $5`,
      [from, id, Math.min(upTo, farAway), shards ?? null, limit],
    )
    return { items: records(rows), cursor: rows.length < limit ? null : `${rows.at(-1).next_at} ${rows.at(-1).id}` }
  }

  /** @type {AsyncLedger['listOccurrences']} */
  async listOccurrences(query) {
    if (query.kind === 'live') return await this.liveList(query)
    const isJob = query.kind === 'job'
    const column = isJob ? 'scheduled_at' : 'finished_at'
    const [order, beyond] = query.order === 'ascending' ? ['ASC', '>'] : ['DESC', '<']
    const [place, id] =
      query.cursor === null ? (beyond === '>' ? [-farAway, ''] : [farAway, '~']) : query.cursor.split(' ')
    const states = isJob ? (query.states ?? null) : ['failed', 'completed_with_errors', 'failed_stale']
    const rows = await this.query(
      `SELECT id, ${column} AS place, record FROM $schema.occurrences
       WHERE ($1::text IS NULL OR job = $1) AND ($2::text[] IS NULL OR state = ANY($2))
         AND ${column} >= $3 AND ${column} < $4
         AND (${column}, id) ${beyond} ($5, $6)
       ORDER BY ${column} ${order}, id ${order} LIMIT $7`,
      [query.jobId ?? null, states, query.from ?? -farAway, query.to ?? farAway, place, id, query.limit],
    )
    return { items: records(rows), cursor: rows.length < query.limit ? null : `${rows.at(-1).place} ${rows.at(-1).id}` }
  }

  /** @param {{ state: LiveState, node?: string, deadlineBefore?: number, limit: number, cursor: string | null }} query */
  async liveList({ state, node, deadlineBefore, limit, cursor }) {
    const rows = await this.query(
      `SELECT id, record FROM $schema.occurrences WHERE state = $1 AND id > $2
         AND ($3::text IS NULL OR node = $3)
         AND ($4::bigint IS NULL OR deadline_at <= $4)
       ORDER BY id LIMIT $5`,
      [state, cursor ?? '', node === undefined ? null : key(node), deadlineBefore ?? null, limit],
    )
    return { items: records(rows), cursor: rows.length < limit ? null : rows.at(-1).id }
  }

  /** @type {NonNullable<Extract<AsyncLedger['history'], { removeHistory: unknown }>['removeHistory']>} */
  async removeHistory({ jobId, occurrences, keys, floor }) {
    return await this.transaction(async (query) => {
      const [head] = await query('SELECT record FROM $schema.jobs WHERE id = $1 FOR UPDATE', [jobId])
      if (head === undefined) return null
      const job = JSON.parse(head.record)
      if (job.nextAt !== null && job.nextAt <= floor) return null
      const pruneFloor = Math.max(job.pruneFloor ?? floor, floor)
      await query('UPDATE $schema.jobs SET record = $2 WHERE id = $1', [jobId, JSON.stringify({ ...job, pruneFloor })])
      const gone = await query('DELETE FROM $schema.occurrences WHERE id = ANY($1) RETURNING id', [
        occurrences.map(({ id }) => id),
      ])
      for (const { keyId, occurrence } of keys)
        await query('DELETE FROM $schema.keys WHERE id = $1 AND occurrence = $2', [keyId, occurrence.id])
      return gone.length
    })
  }

  /** @type {NonNullable<Extract<AsyncLedger['history'], { removeHistory: unknown }>['forget']>} */
  async forget(jobId, before) {
    await this.transaction(async (query) => {
      const [stored] = await query('SELECT record FROM $schema.jobs WHERE id = $1 FOR UPDATE', [jobId])
      if (stored === undefined) return
      const job = JSON.parse(stored.record)
      const used = records(await query('SELECT record FROM $schema.occurrences WHERE job = $1', [jobId])).map(
        ({ jobVersion }) => jobVersion,
      )
      const isOver = used.length === 0 && job.deletedAt !== null && job.deletedAt < before
      await query('DELETE FROM $schema.versions WHERE job = $1 AND version <> ALL($2)', [
        jobId,
        isOver ? [] : [job.version, ...used],
      ])
      if (isOver) await query('DELETE FROM $schema.jobs WHERE id = $1', [jobId])
    })
  }

  /** @type {AsyncLedger['heartbeat']} @returns {Promise<HeartbeatAnswer>} */
  async heartbeat({ own, profile, remove, profilesOf }) {
    await this.transaction(async (query) => {
      for (const { incarnation, counter } of remove) {
        const gone = await query('DELETE FROM $schema.nodes WHERE incarnation = $1 AND counter = $2 RETURNING 1', [
          key(incarnation),
          counter,
        ])
        if (gone.length > 0) await query('DELETE FROM $schema.profiles WHERE incarnation = $1', [key(incarnation)])
      }
      if (own === null) return
      const stored = await query(
        `INSERT INTO $schema.nodes (incarnation, counter, record) VALUES ($1, $2, $3)
         ON CONFLICT (incarnation) DO UPDATE SET counter = $2, record = $3 WHERE nodes.counter < $2 RETURNING 1`,
        [key(own.incarnation), own.counter, JSON.stringify(own)],
      )
      if (stored.length > 0 && profile !== undefined)
        await query(saveProfile, [key(own.incarnation), JSON.stringify(profile)])
    })
    const nodes = records(await this.query('SELECT record FROM $schema.nodes'))
    const rows = await this.query('SELECT incarnation, record FROM $schema.profiles WHERE incarnation = ANY($1)', [
      profilesOf.map(key),
    ])
    const profiles = new Map(rows.map(({ incarnation, record }) => [incarnation, JSON.parse(record)]))
    const byIncarnation = (/** @type {any} */ left, /** @type {any} */ right) =>
      left.incarnation < right.incarnation ? -1 : 1
    return { nodes: nodes.sort(byIncarnation), profiles: profilesOf.map((id) => profiles.get(key(id)) ?? null) }
  }

  async serverTime() {
    const [row] = await this.query('SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now')
    return at(row.now)
  }

  /** @param {(wakeUp: { kind: any }) => void} listener */
  subscribe(listener) {
    const own = (/** @type {{ kind: any }} */ wakeUp) => listener(wakeUp)
    this.listeners.add(own)
    this.listening ??= this.startListening()
    return () => this.listeners.delete(own)
  }

  async startListening() {
    const client = await this.listen?.()
    client.on('notification', ({ payload = '' }) => {
      const [sender, ...kinds] = payload.split(' ')
      if (sender === this.self) return
      for (const kind of kinds) for (const listener of this.listeners) listener({ kind })
    })
    await client.query(`LISTEN ${this.schema}`)
    // Sends wake-ups of all kinds, because the connection may have missed earlier ones.
    for (const kind of ['due', 'cancel', 'jobs', 'nodes']) for (const listener of this.listeners) listener({ kind })
    return client
  }

  /** @param {ReadonlySet<string>} kinds */
  async notify(kinds) {
    if (this.listening !== null) await this.listening
    // Ignores errors, because a lost wake-up only increases latency.
    await this.query('SELECT pg_notify($1, $2)', [this.schema, [this.self, ...kinds].join(' ')]).catch(ignore)
  }

  async close() {
    const client = await this.listening
    await client?.end()
  }
}

const jobColumns =
  'id, owner, handler_key, next_at, changed_at, paused_until, cancels_below, pending, late, queued, running, is_deleted, record'
const insertJob = `INSERT INTO $schema.jobs (${jobColumns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`
const updateJob = `UPDATE $schema.jobs SET (${jobColumns}) = ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) WHERE id = $1`
const insertVersion = 'INSERT INTO $schema.versions (job, version, record) VALUES ($1, $2, $3)'
const occurrenceColumns =
  'id, job, state, scheduled_at, order_at, due_at, deadline_at, finished_at, node, incarnation, is_canceled, has_run, reason, record'
const nameByKey =
  'INSERT INTO $schema.keys VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET occurrence = excluded.occurrence'
const insertOccurrence = `INSERT INTO $schema.occurrences (${occurrenceColumns}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
const updateOccurrence = `UPDATE $schema.occurrences SET (${occurrenceColumns}) = ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) WHERE id = $1`
const addToSums = 'UPDATE $schema.sums SET pending = pending + $1, queued = queued + $2, running = running + $3'
const saveProfile =
  'INSERT INTO $schema.profiles (incarnation, record) VALUES ($1, $2) ON CONFLICT (incarnation) DO UPDATE SET record = $2'

/** @param {OccurrenceRecord} record */
function columnsOf(record) {
  const { id, jobId, state, scheduledAt, dueAt, deadlineAt, finishedAt, owner, cancelRequest, token, reason } = record
  const [node, incarnation] = owner === null ? [null, null] : [key(owner.node), key(owner.incarnation)]
  return [
    id,
    jobId,
    state,
    scheduledAt,
    orderAt(record),
    dueAt,
    deadlineAt,
    finishedAt,
    node,
    incarnation,
    cancelRequest !== null,
    token > 0,
    reason === null ? null : key(reason),
    JSON.stringify(record),
  ]
}

/** @param {any} row */
function storedJob(row) {
  const job = JSON.parse(row.record)
  return {
    head: job,
    job,
    counts: { pending: at(row.pending), delayed: at(row.late), queued: at(row.queued), running: at(row.running) },
  }
}

/**
 * Returns the stored record of a job without its member `starts`.
 * @param {any} before
 */
function storedRecord(before) {
  const { starts: _, ...record } = before?.job ?? {}
  return record
}

/** @param {Pick<JobRecord, 'paused'>} job */
function untilOf({ paused }) {
  const until = pausedUntil(paused)
  return until === Number.NEGATIVE_INFINITY ? null : Math.min(until, farAway)
}

/** @param {Query} query @param {string} jobId @param {string} state @param {number | null} limit */
async function liveOf(query, jobId, state, limit) {
  if (limit === 0) return []
  const column = state === 'running' ? 'scheduled_at' : 'order_at'
  const rows = await query(
    `SELECT record FROM $schema.occurrences WHERE job = $1 AND state = $2 ORDER BY ${column}, id LIMIT $3`,
    [jobId, state, limit],
  )
  return records(rows).map((record) => ({ record }))
}

/** @param {any} cause @returns {unknown} */
function errorOf(cause) {
  if (JobistemerError.isInstance(cause)) return cause
  return new JobistemerError('STORAGE_FAILED', { message: `PostgreSQL: ${cause?.message}`, cause })
}

function ignore() {}

/** @param {{ pool: any, schema: string, listen?: () => Promise<any> }} options @returns {Storage} */
export const sqlStorage = (options) => storageFromLedger(new SqlLedger(options))
