import { readFileSync } from 'node:fs'
import Database from 'better-sqlite3'
import { describe, expect, it } from 'vitest'

// The guide for adapters contains queries for PostgreSQL, and a table of replacements for SQLite. This test applies the
// replacements and runs the queries.
const guide = readFileSync(new URL('../../storage-conformance/docs/write-your-own-adapter.md', import.meta.url), 'utf8')
const [, block = ''] = /^## Queries for SQL$[\s\S]*?^```sql$([\s\S]*?)^```$/m.exec(guide) ?? []

const forSQLite = block
  .replaceAll(/^ *--.*$/gm, '')
  .replaceAll(/= ANY\((\$\d)\)/g, 'IN (SELECT value FROM json_each($1))')
  .replaceAll(/<> ALL\((\$\d)\)/g, 'NOT IN (SELECT value FROM json_each($1))')
  .replaceAll('greatest(', 'max(')
  .replaceAll(' FOR UPDATE', '')
  .replaceAll(/\$(\d)/g, '?$1')
  .split(';')
  .map((statement) => statement.trim())
  .filter(Boolean)

const tables = `
  CREATE TABLE jobs (id TEXT PRIMARY KEY, next_at INT, watermark INT, pending INT, late INT, queued INT DEFAULT 0,
    running INT, paused_until REAL, handler_key TEXT DEFAULT '', cancels_below INT) STRICT;
  CREATE INDEX job_due ON jobs (next_at, id) WHERE next_at IS NOT NULL;
  CREATE INDEX job_queued ON jobs (id) WHERE queued > 0;
  CREATE INDEX job_paused ON jobs (paused_until);
  CREATE TABLE occurrences (id TEXT PRIMARY KEY, job TEXT, state TEXT, kind TEXT, token INT, job_version INT,
    scheduled_at INT, due_at INT, order_at INT) STRICT;
  CREATE INDEX next_queued ON occurrences (job, order_at, id) WHERE state = 'queued';
  CREATE INDEX pending_order ON occurrences (order_at, id) WHERE state = 'pending';
  CREATE INDEX pending_due ON occurrences (due_at) WHERE state = 'pending';
  CREATE INDEX pending_job ON occurrences (job) WHERE state = 'pending';
  CREATE TABLE nodes (incarnation TEXT PRIMARY KEY, node TEXT, counter INT, started_at INT, leaving INT, about TEXT) STRICT;
  WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 100)
    INSERT INTO jobs (id, next_at, paused_until) SELECT 'job_' || n, n, CASE n WHEN 7 THEN 9e999 END FROM s;
  WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 50000)
    INSERT INTO occurrences SELECT 'occ_' || n, 'job_' || (n % 100 + 1), iif(n % 2, 'pending', 'queued'), 'slot', 0, 1, n, n, n
    FROM s;
  ANALYZE;`

describe('the SQL statements of the guide for adapters', () => {
  const database = new Database(':memory:')
  database.exec(tables)

  /** Returns an example value for each parameter of a statement: a JSON array for a list, otherwise a number. */
  function valuesFor(statement: string): Record<number, unknown> {
    const numbers = [...statement.matchAll(/\?(\d)/g)].map(([, number]) => Number(number))
    return Object.fromEntries(
      numbers.map((number) => [number, statement.includes(`json_each(?${number})`) ? '["job_1"]' : 100_000]),
    )
  }

  it.each(forSQLite)('include %s, which runs on SQLite by an index without sorting', (statement) => {
    expect(forSQLite).toHaveLength(13)
    const plan = database.prepare<unknown[], { readonly detail: string }>(`EXPLAIN QUERY PLAN ${statement}`)
    const steps = plan.all(valuesFor(statement)).map(({ detail }) => detail)
    expect(steps.filter((detail) => /TEMP B-TREE|^SCAN (?!json_each)(?!.*USING)/.test(detail))).toEqual([])
    const query = database.prepare<unknown[]>(statement)
    if (query.reader) query.all(valuesFor(statement))
    else query.run(valuesFor(statement))
  })
})
