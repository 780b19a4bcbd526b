import { readFileSync } from 'node:fs'
import { sharedPostgres } from '@jobistemer/test-servers'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const guide = readFileSync(new URL('../docs/write-your-own-adapter.md', import.meta.url), 'utf8')
const [, block = ''] = /^## Queries for SQL$[\s\S]*?^```sql$([\s\S]*?)^```$/m.exec(guide) ?? []
const statements = block
  .replaceAll(/^ *--.*$/gm, '')
  .split(';')
  .map((statement) => statement.trim())
  .filter(Boolean)

const backlog = 20_000
const far = 10 * backlog
const none: readonly string[] = ['none']

/**
 * The parameter values with which this test runs each SQL statement of the guide. The pattern before the values matches the
 * beginning of the statement.
 */
const parameters: readonly (readonly [RegExp, readonly unknown[]])[] = [
  [/^SELECT \* FROM jobs WHERE id = ANY/, [['job_1', 'job_2']]],
  [/^SELECT \* FROM occurrences WHERE id/, [['occ_1', 'occ_2']]],
  [/^SELECT \* FROM occurrences WHERE job/, ['job_1', 3]],
  [/^UPDATE jobs/, ['job_1', 5, 6, 1, 0, 1, 0]],
  [/^SELECT o\.id/, [far, none, 50, 'occ_50', 100]],
  [/^SELECT o\.due_at/, [far, none]],
  [/^SELECT min/, [far, none]],
  [/^SELECT \* FROM jobs WHERE next_at/, [3, 'job_3', far, 20]],
  [/^DELETE FROM nodes/, ['incarnation', 3]],
  [/^INSERT INTO nodes/, ['incarnation', 'node', 4, 5, false, '{}']],
  [/^SELECT \* FROM nodes/, []],
  [/^SELECT order_at, id/, ['job_2', 2, 51]],
  [/^SELECT id FROM jobs/, []],
]

const tables = `
  CREATE TABLE jobs (id text PRIMARY KEY, next_at bigint, watermark bigint NOT NULL DEFAULT 0,
    pending int NOT NULL DEFAULT 0, late int NOT NULL DEFAULT 0, queued int NOT NULL DEFAULT 0, running int NOT NULL DEFAULT 0,
    paused_until double precision, handler_key text NOT NULL DEFAULT '', cancels_below int);
  CREATE INDEX ON jobs (next_at, id) WHERE next_at IS NOT NULL;
  CREATE INDEX ON jobs (id) WHERE queued > 0;
  CREATE INDEX ON jobs (paused_until);
  CREATE TABLE occurrences (id text PRIMARY KEY, job text NOT NULL, state text NOT NULL, kind text NOT NULL,
    token bigint NOT NULL DEFAULT 0, job_version int NOT NULL DEFAULT 1, scheduled_at bigint NOT NULL, due_at bigint NOT NULL,
    order_at bigint NOT NULL);
  CREATE INDEX ON occurrences (job, order_at, id) WHERE state = 'queued';
  CREATE INDEX ON occurrences (order_at, id) WHERE state = 'pending';
  CREATE INDEX ON occurrences (due_at) WHERE state = 'pending';
  CREATE INDEX ON occurrences (job) WHERE state = 'pending';
  CREATE TABLE nodes (incarnation text PRIMARY KEY, node text, counter bigint, started_at bigint, leaving boolean, about text);
  INSERT INTO jobs (id, next_at) SELECT 'job_' || n, n FROM generate_series(1, 1000) n;
  UPDATE jobs SET paused_until = 'infinity' WHERE id = 'job_7';
  UPDATE jobs SET queued = 10 WHERE id = 'job_2';
  INSERT INTO occurrences SELECT 'occ_' || n, 'job_' || (n % 1000 + 1), CASE WHEN n % 2 = 0 THEN 'pending' ELSE 'queued' END,
    'slot', 0, 1, n, n, n FROM generate_series(1, ${2 * backlog}) n;
  INSERT INTO occurrences SELECT 'ahead_' || n, 'job_1', 'pending', 'trigger', 0, 1, n, n, n
    FROM generate_series(${far} + 1, ${far} + 5) n;
  ANALYZE;`

interface PlanNode {
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

/** Returns the number of rows that a part of a query plan has read, together with all parts below it. */
function rowsRead(node: PlanNode): number {
  const own = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
  return (node.Plans ?? []).reduce((sum, one) => sum + rowsRead(one), own)
}

describe('the SQL statements of the guide for adapters', () => {
  let server: Awaited<ReturnType<typeof sharedPostgres>>
  let client: pg.Client

  beforeAll(async () => {
    server = await sharedPostgres()
    client = new pg.Client(server.url)
    await client.connect()
    await client.query(`CREATE SCHEMA guide_sql; SET search_path = guide_sql; ${tables}`)
  })
  afterAll(async () => {
    await client?.query('DROP SCHEMA guide_sql CASCADE')
    await client?.end()
    await server?.stop()
  })

  it('have parameters in this test, one entry for each statement, in the same order', () => {
    expect(statements.map((text) => parameters.findIndex(([begin]) => begin.test(text)))).toEqual([
      ...parameters.keys(),
    ])
  })

  it.each(parameters)(
    'include the statement %s, which reads few rows on PostgreSQL even if many occurrences wait',
    async (begin, values) => {
      const statement = statements.find((text) => begin.test(text)) ?? ''
      await client.query('BEGIN')
      try {
        const explain = `EXPLAIN (ANALYZE, FORMAT JSON) ${statement}`
        const { rows } = await client.query<{ 'QUERY PLAN': [{ Plan: PlanNode }] }>(explain, [...values])
        expect(rowsRead(rows[0]?.['QUERY PLAN'][0].Plan as PlanNode)).toBeLessThan(1000)
      } finally {
        await client.query('ROLLBACK')
      }
    },
  )

  it('find the next instant at which an occurrence is due', async () => {
    const [ofAll = '', ofPaused = ''] = [/^SELECT o\.due_at/, /^SELECT min/].map((begin) =>
      statements.find((text) => begin.test(text)),
    )
    expect((await client.query(ofAll, [far, none])).rows).toEqual([{ due_at: String(far + 1) }])
    expect((await client.query(ofPaused, [far, none])).rows).toEqual([{ min: Number.POSITIVE_INFINITY }])
  })
})
