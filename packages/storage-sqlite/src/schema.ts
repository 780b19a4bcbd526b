import type Database from 'better-sqlite3'

/** Prepares statements. Replaces names of tables and indexes in braces, such as `{jobs}`, by their names in the file. */
export interface NamedTables {
  /** Prepares a statement that returns rows as objects. */
  prepare(sql: string): Database.Statement
  /** Prepares a statement that returns rows as arrays. */
  raw(sql: string): Database.Statement
  /** Prepares a statement that returns the first column of each row. */
  pluck(sql: string): Database.Statement
}

/** Returns the SQL text with the prefix before each name in braces. */
export function withTableNames(sql: string, prefix: string): string {
  return sql.replaceAll(/\{(\w+)\}/g, (_, name: string) => prefix + name)
}

export function namedTables(database: Database.Database, prefix: string): NamedTables {
  // The caller's connection may return integers as BigInt, so each statement is set to return numbers.
  const prepare = (sql: string) => database.prepare(withTableNames(sql, prefix)).safeIntegers(false)
  return { prepare, raw: (sql) => prepare(sql).raw(), pluck: (sql) => prepare(sql).pluck() }
}

/**
 * A block of the history has 2 to the power of this number rows. The indexes of the history are sorted by block first.
 * So new entries are added near the end of an index.
 */
export const blockShift = 14

/** Maximum number of history rows that are not indexed yet. */
export const tailLimit = 2048

/**
 * The groups of waiting occurrences, as values of the column `lane`. The group of an occurrence says whether, and from when, a
 * claim may take it. The column is a part of the primary key, so the rows of each group are adjacent. These groups are not the
 * lanes of a backfill.
 */
export const lanes = {
  /** The occurrence is pending, and a claim may take the occurrence. */
  ready: 0,
  /** The occurrence is pending, and becomes claimable at a known instant: when it is due and its job's pause has ended. */
  delayed: 1,
  /** The occurrence is pending, and its job is paused without an end. */
  parked: 2,
  queued: 3,
} as const

export type Lane = (typeof lanes)[keyof typeof lanes]

const liveColumns = `
  kind INTEGER NOT NULL,
  token INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  rescues INTEGER NOT NULL,
  owner INTEGER,
  job_version INTEGER NOT NULL,
  due_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  timeout INTEGER NOT NULL,
  reason TEXT,
  cancel TEXT,
  details TEXT,
  runs TEXT`

/**
 * The migration steps from an empty file to the present schema. A released step never changes. `withTableNames`
 * replaces each name in braces by the name of the table in the file. docs/decisions/0001-layout.md says why the tables
 * look as they do.
 */
export const migrations: readonly string[] = [
  `
  CREATE TABLE {jobs} (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    owner TEXT,
    fingerprint TEXT NOT NULL,
    lineage TEXT NOT NULL,
    timeline TEXT NOT NULL,
    paused TEXT,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    deleted_at INTEGER
  ) STRICT;
  CREATE INDEX {jobs_changed} ON {jobs} (changed_at);
  CREATE INDEX {jobs_deleted} ON {jobs} (deleted_at) WHERE deleted_at IS NOT NULL;
  CREATE INDEX {jobs_live} ON {jobs} (owner) WHERE deleted_at IS NULL;

  CREATE TABLE {versions} (
    job INTEGER NOT NULL,
    version INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    definition TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (job, version)
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE {heads} (
    row INTEGER PRIMARY KEY,
    flags INTEGER NOT NULL,
    paused_until INTEGER,
    policy INTEGER NOT NULL,
    max_queued INTEGER NOT NULL,
    max_concurrency INTEGER NOT NULL DEFAULT 1,
    handler INTEGER NOT NULL,
    version INTEGER NOT NULL,
    watermark INTEGER NOT NULL,
    next_at INTEGER,
    prune_floor INTEGER,
    excluded_until INTEGER,
    requested_until INTEGER,
    cancels_below INTEGER,
    pending INTEGER NOT NULL DEFAULT 0,
    delayed INTEGER NOT NULL DEFAULT 0,
    queued INTEGER NOT NULL DEFAULT 0,
    due_at INTEGER,
    key BLOB NOT NULL,
    starts TEXT
  ) STRICT;
  CREATE INDEX {heads_queued} ON {heads} (row) WHERE queued > 0;
  CREATE INDEX {heads_due} ON {heads} (due_at, key) WHERE due_at IS NOT NULL;
  CREATE TABLE {moved_jobs} (row INTEGER PRIMARY KEY, jobs TEXT NOT NULL) STRICT;


  CREATE TABLE {nodes} (
    incarnation TEXT NOT NULL PRIMARY KEY,
    node TEXT NOT NULL,
    counter INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    leaving INTEGER NOT NULL,
    about TEXT NOT NULL,
    profile TEXT
  ) STRICT;

  CREATE TABLE {handlers} (row INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE) STRICT;

  CREATE TABLE {owners} (
    row INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    incarnation TEXT NOT NULL,
    UNIQUE (node, incarnation)
  ) STRICT;

  CREATE TABLE {running} (
    job INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    id ANY NOT NULL,${liveColumns},
    PRIMARY KEY (job, scheduled_at, id)
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX {running_cancel} ON {running} (owner) WHERE cancel IS NOT NULL;

  CREATE TABLE {waiting} (
    job INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    order_at INTEGER NOT NULL,
    id ANY NOT NULL,
    priority INTEGER NOT NULL,${liveColumns},
    claim_at INTEGER NOT NULL,
    PRIMARY KEY (job, lane, order_at, id)
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX {waiting_ready} ON {waiting} (order_at, id, claim_at) WHERE lane = ${lanes.ready};
  CREATE INDEX {waiting_lane} ON {waiting} (lane, claim_at);
  CREATE INDEX {waiting_id} ON {waiting} (id);

  CREATE TABLE {reusable_keys} (
    id ANY NOT NULL PRIMARY KEY,
    job INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    occurrence ANY NOT NULL
  ) WITHOUT ROWID, STRICT;

  CREATE TABLE {history} (
    row INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    id ANY NOT NULL,
    state INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    token INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    rescues INTEGER NOT NULL,
    owner INTEGER,
    job_version INTEGER NOT NULL,
    due_in INTEGER NOT NULL,
    created_in INTEGER NOT NULL,
    started_in INTEGER,
    finished_in INTEGER NOT NULL,
    timeout INTEGER NOT NULL,
    reason TEXT,
    cancel TEXT,
    details TEXT,
    runs TEXT
  ) STRICT;
  CREATE TABLE {failures} (
    row INTEGER PRIMARY KEY,
    job INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    id ANY NOT NULL
  ) STRICT;
  CREATE INDEX {failures_ended} ON {failures} (ended_at, id);
  CREATE INDEX {failures_of_job} ON {failures} (job, ended_at, id);
  CREATE TABLE {history_times} (
    block INTEGER NOT NULL,
    job INTEGER NOT NULL,
    scheduled_at INTEGER NOT NULL,
    id ANY NOT NULL,
    row INTEGER NOT NULL,
    job_version INTEGER NOT NULL,
    PRIMARY KEY (block, job, scheduled_at, id)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE {history_ids} (
    block INTEGER NOT NULL,
    prefix ANY NOT NULL,
    row INTEGER NOT NULL,
    PRIMARY KEY (block, prefix, row)
  ) WITHOUT ROWID, STRICT;
  CREATE TABLE {history_blocks} (
    block INTEGER PRIMARY KEY,
    min_at INTEGER NOT NULL,
    max_at INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE {history_indexed} (one INTEGER PRIMARY KEY CHECK (one = 1), row INTEGER NOT NULL) STRICT;
  INSERT INTO {history_indexed} VALUES (1, 0);
  `,
]
