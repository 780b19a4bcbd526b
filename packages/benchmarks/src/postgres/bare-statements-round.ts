import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { firstInstant } from '../engine-round.ts'
import type { QueueLoad } from './pg-boss-round.ts'

const hour = 3_600_000
const running = '[["work",1,[[1,0]]]]'
const ended = '[["work",2,[[1,0,0]]]]'

/**
 * The least SQL that leaves the rows of one-task occurrences behind: one statement moves the heads and inserts the running
 * rows, one moves these to the history if their token is live. Each is one prepared statement, one round trip and one
 * commit for so many occurrences at a time. Ids are made before the clock starts; there is nothing else.
 */
export async function runBareStatements(load: QueueLoad): Promise<{ readonly perSecond: number }> {
  const { url, schema, count, width } = load
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(tables(schema))
    const jobs = Array.from({ length: width }, () => randomUUID())
    await client.query(
      `INSERT INTO ${schema}.heads SELECT id, 1, $2, $3, 1, 0, 0, 0, 0, 1000, 'work' FROM unnest($1::uuid[]) id`,
      [jobs, firstInstant, firstInstant + 1000],
    )
    const rounds = Math.ceil(count / width)
    const ids = Array.from({ length: rounds }, () => jobs.map(() => randomUUID()))
    const startedAt = performance.now()
    for (const [round, occurrences] of ids.entries()) {
      const at = firstInstant + (round + 1) * 1000
      const created = await client.query({
        name: 'start',
        text: startStatement(schema),
        values: [jobs, occurrences, at, at + 1000],
      })
      const finished = await client.query({
        name: 'end',
        text: endStatement(schema),
        values: [jobs, occurrences, 1, at],
      })
      if (created.rowCount !== width || finished.rowCount !== width) throw new Error('A statement has missed rows.')
    }
    return { perSecond: (rounds * width * 1000) / (performance.now() - startedAt) }
  } finally {
    await client.end()
  }
}

/** The columns of the storage's tables, and the indexes that these rows cannot be found without. */
function tables(schema: string): string {
  const columns = `id uuid PRIMARY KEY, job uuid NOT NULL, scheduled_at bigint NOT NULL, state smallint NOT NULL,
    kind smallint NOT NULL, token integer NOT NULL, sequence integer NOT NULL, rescues integer NOT NULL,
    job_version integer NOT NULL, owner integer, due_at bigint NOT NULL, created_at bigint NOT NULL,
    started_at bigint, timeout bigint NOT NULL`
  return `
    CREATE SCHEMA ${schema};
    CREATE TABLE ${schema}.heads (id uuid PRIMARY KEY, revision bigint NOT NULL, watermark bigint NOT NULL,
      next_at bigint, version integer NOT NULL, policy smallint NOT NULL, pending integer NOT NULL,
      queued integer NOT NULL, running integer NOT NULL, max_queued bigint NOT NULL, handler_key text NOT NULL)
      WITH (fillfactor = 50);
    CREATE INDEX ON ${schema}.heads (next_at);
    CREATE TABLE ${schema}.live (${columns}, details text, runs text);
    CREATE INDEX ON ${schema}.live (state, job, scheduled_at);
    CREATE TABLE ${schema}.history (${columns}, finished_at bigint NOT NULL, details text, runs text);
    CREATE INDEX ON ${schema}.history (job, scheduled_at);`
}

// An equality would make the planner look for heads by their instant, and join a thousand with a thousand.
function startStatement(schema: string): string {
  return `
    WITH moved AS (
      UPDATE ${schema}.heads SET watermark = next_at, next_at = $4, running = running + 1, revision = revision + 1
      FROM unnest($1::uuid[], $2::uuid[]) AS item (job, occurrence)
      WHERE heads.id = item.job AND next_at IS NOT DISTINCT FROM $3 AND version = 1 AND running = 0 AND pending = 0
      RETURNING heads.id, item.occurrence)
    INSERT INTO ${schema}.live
      SELECT occurrence, id, $3, 0, 0, 1, 0, 0, 1, 1, $3, $3, $3, ${hour}, NULL, '${running}' FROM moved`
}

function endStatement(schema: string): string {
  return `
    WITH item AS (SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS item (job, occurrence)),
    gone AS (
      DELETE FROM ${schema}.live USING item WHERE live.id = item.occurrence AND live.token = $3 RETURNING live.*),
    freed AS (UPDATE ${schema}.heads SET running = running - 1, revision = revision + 1 FROM gone
      WHERE heads.id = gone.job)
    INSERT INTO ${schema}.history
      SELECT id, job, scheduled_at, 3, kind, token, 1, rescues, job_version, owner, due_at, created_at, started_at,
        timeout, $4, details, '${ended}' FROM gone`
}
