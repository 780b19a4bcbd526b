import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { firstInstant } from '../engine-round.ts'
import type { QueueLoad } from './pg-boss-round.ts'

const hour = 3_600_000
const running = '[["work",1,[1,0,null]]]'
const ended = '[["work",2,[1,0,0]]]'

/**
 * Runs the minimum of SQL that writes the rows of one-task occurrences: one prepared statement stores the running occurrences
 * in the heads, and another moves them to the history. Each statement takes one round trip and one commit for `width`
 * occurrences.
 */
export async function runBareStatements(load: QueueLoad): Promise<{ readonly perSecond: number }> {
  const { url, schema, count, width } = load
  const client = new pg.Client(url)
  await client.connect()
  try {
    await client.query(tables(schema))
    const jobs = Array.from({ length: width }, () => randomUUID())
    await client.query(
      `INSERT INTO ${schema}.heads SELECT id, 1000, $3, NULL, 1, 0, 0, NULL, NULL, 0, NULL, NULL, NULL, $2, $3, 1, 0, 0, 'work'
       FROM unnest($1::uuid[]) id`,
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
        values: [jobs, occurrences, at],
      })
      if (created.rowCount !== width || finished.rowCount !== width)
        throw new Error(`A statement of this round did not change exactly ${width} rows.`)
    }
    return { perSecond: (rounds * width * 1000) / (performance.now() - startedAt) }
  } finally {
    await client.end()
  }
}

/** Returns the SQL for the tables of the bare statements, with the indexes that a storage needs to find rows. */
function tables(schema: string): string {
  return `
    CREATE SCHEMA ${schema};
    CREATE TABLE ${schema}.heads (id uuid PRIMARY KEY, max_queued bigint NOT NULL, found_at bigint, run_timeout bigint,
      version integer NOT NULL, pending integer NOT NULL, queued integer NOT NULL, run_owner integer,
      run_version integer, policy smallint NOT NULL, run_id uuid, run_at bigint, run_started bigint,
      watermark bigint NOT NULL, next_at bigint, revision bigint NOT NULL, running integer NOT NULL,
      run_state smallint NOT NULL, handler_key text NOT NULL, run_details text, run_runs text) WITH (fillfactor = 35);
    CREATE INDEX ON ${schema}.heads (found_at);
    CREATE TABLE ${schema}.history (id uuid PRIMARY KEY, job uuid NOT NULL, scheduled_at bigint NOT NULL,
      state smallint NOT NULL, kind smallint NOT NULL, token integer NOT NULL, sequence integer NOT NULL,
      rescues integer NOT NULL, job_version integer NOT NULL, owner integer, due_at bigint NOT NULL,
      created_at bigint NOT NULL, started_at bigint, timeout bigint NOT NULL, finished_at bigint NOT NULL,
      details text, runs text);
    CREATE INDEX ON ${schema}.history (job, scheduled_at);`
}

function startStatement(schema: string): string {
  return `
    UPDATE ${schema}.heads SET watermark = next_at, next_at = $4, running = 1, revision = revision + 1, run_state = 3,
      run_id = item.occurrence, run_at = $3, run_started = $3, run_timeout = ${hour}, run_owner = 1, run_version = 1,
      run_runs = '${running}'
    FROM unnest($1::uuid[], $2::uuid[]) AS item (job, occurrence)
    WHERE heads.id = item.job AND next_at = $3 AND version = 1 AND running = 0 AND pending = 0`
}

function endStatement(schema: string): string {
  return `
    WITH freed AS (
      UPDATE ${schema}.heads SET running = 0, revision = revision + 1, run_state = 0
      FROM unnest($1::uuid[], $2::uuid[]) AS item (job, occurrence)
      WHERE heads.id = item.job AND run_state = 3 AND run_id = item.occurrence
      RETURNING heads.*)
    INSERT INTO ${schema}.history
      SELECT run_id, id, run_at, 5, 0, 1, 1, 0, run_version, run_owner, run_at, run_started, run_started, run_timeout,
        $3, run_details, '${ended}' FROM freed`
}
