import { finalStates, isFailure } from '@jobistemer/core/storage'
import { lanes, stateCode } from './occurrence-row.ts'
import { stepFunctions, sumRows } from './step-functions.ts'

/** Value of `paused_until` in the head of a job whose pause has no end. */
export const forEver = 9_000_000_000_000_000

/**
 * The table that stores the form (layout version) of the schema. If the table exists, Jobistemer has created the schema.
 */
export const formTable = 'jobistemer_form'

/**
 * The name of a constraint of the table `no_commit`. No row satisfies this constraint, so an inserted row prevents the
 * commit.
 */
export const refusal = 'commit_is_refused'

const fixedColumns = (instant: 'scheduled_at' | 'order_at') => `
  id uuid PRIMARY KEY,
  job uuid NOT NULL,
  ${instant} bigint NOT NULL,
  state smallint NOT NULL,
  kind smallint NOT NULL,
  token integer NOT NULL,
  sequence integer NOT NULL,
  rescues integer NOT NULL,
  job_version integer NOT NULL,
  owner integer,
  due_at bigint NOT NULL,
  created_at bigint NOT NULL,
  started_at bigint,
  timeout bigint NOT NULL`

const textColumns = `
  reason text COLLATE "C",
  cancel text COLLATE "C",
  details text COLLATE "C",
  runs text COLLATE "C"`

/**
 * Settings for tables whose rows exist only briefly: PostgreSQL vacuums these tables early, and without the pauses that protect
 * large tables.
 */
const shortLived = 'autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0'

const failures = `state IN (${finalStates.filter(isFailure).map(stateCode).join(', ')})`

/**
 * The migration steps from an empty database to the present schema. Each step gets the quoted schema name. A released
 * step never changes. See docs/decisions/0001-layout.md.
 */
export const migrations: readonly ((schema: string) => string)[] = [
  (schema) => `
CREATE TABLE ${schema}.heads (
  id uuid PRIMARY KEY,
  queued integer NOT NULL,
  policy smallint NOT NULL,
  is_quick boolean NOT NULL DEFAULT false,
  version integer NOT NULL,
  max_concurrency integer NOT NULL DEFAULT 1,
  pending integer NOT NULL,
  delayed integer NOT NULL,
  found_at bigint,
  max_queued bigint NOT NULL,
  prune_floor bigint,
  paused_until bigint,
  deleted_at bigint,
  cancels_below integer,
  run_timeout bigint,
  run_owner integer,
  run_version integer,
  run_id uuid,
  run_at bigint,
  run_started bigint,
  watermark bigint NOT NULL,
  top bigint NOT NULL,
  next_at bigint,
  revision bigint NOT NULL,
  running integer NOT NULL,
  run_state smallint NOT NULL DEFAULT 0,
  handler_key text COLLATE "C" NOT NULL,
  starts text COLLATE "C",
  run_details text COLLATE "C",
  run_runs text COLLATE "C"
) WITH (fillfactor = 35, ${shortLived});
CREATE INDEX heads_due ON ${schema}.heads (found_at, id) WHERE found_at IS NOT NULL;
CREATE INDEX heads_quick ON ${schema}.heads (id) WHERE is_quick;
CREATE INDEX heads_queued ON ${schema}.heads (id) WHERE queued > 0;

CREATE TABLE ${schema}.jobs (
  id uuid PRIMARY KEY,
  created_at bigint NOT NULL,
  changed_at bigint NOT NULL,
  deleted_at bigint,
  name text COLLATE "C" NOT NULL,
  owner text COLLATE "C",
  fingerprint text COLLATE "C" NOT NULL,
  lineage text COLLATE "C" NOT NULL,
  timeline text COLLATE "C" NOT NULL,
  paused text COLLATE "C"
);
CREATE INDEX jobs_changed ON ${schema}.jobs (changed_at);
CREATE INDEX jobs_of_owner ON ${schema}.jobs (owner, id) WHERE owner IS NOT NULL;
CREATE INDEX jobs_deleted ON ${schema}.jobs (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE ${schema}.versions (
  job uuid NOT NULL,
  version integer NOT NULL,
  created_at bigint NOT NULL,
  fingerprint text COLLATE "C" NOT NULL,
  definition text COLLATE "C" NOT NULL,
  PRIMARY KEY (job, version)
);

CREATE TABLE ${schema}.owners (
  row integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  node text COLLATE "C" NOT NULL,
  incarnation text COLLATE "C" NOT NULL,
  UNIQUE (node, incarnation)
);

CREATE TABLE ${schema}.live (${fixedColumns('order_at')},
  priority smallint,
  claim_at bigint,${textColumns}
) WITH (fillfactor = 70, ${shortLived});
CREATE INDEX live_of_job ON ${schema}.live (state, job, order_at, id);
CREATE INDEX live_prioritized ON ${schema}.live (job) WHERE priority IS NOT NULL;
CREATE INDEX live_ready ON ${schema}.live (order_at, id) WHERE state = ${lanes.ready};
CREATE INDEX live_claims ON ${schema}.live (state, claim_at) WHERE state <= ${lanes.delayed};
CREATE INDEX live_canceled ON ${schema}.live (owner) WHERE state = ${lanes.running} AND cancel IS NOT NULL;

CREATE TABLE ${schema}.history (${fixedColumns('scheduled_at')},
  finished_at bigint NOT NULL,${textColumns}
);
CREATE INDEX history_of_job ON ${schema}.history (job, scheduled_at);
CREATE INDEX history_failures ON ${schema}.history (finished_at, id) WHERE ${failures};
CREATE INDEX history_failures_of_job ON ${schema}.history (job, finished_at, id) WHERE ${failures};

CREATE TABLE ${schema}.reusable_keys (
  id uuid PRIMARY KEY,
  occurrence uuid NOT NULL
);

CREATE TABLE ${schema}.live_sums (
  slot integer PRIMARY KEY,
  pending bigint NOT NULL,
  queued bigint NOT NULL,
  running bigint NOT NULL
) WITH (fillfactor = 20, ${shortLived});
INSERT INTO ${schema}.live_sums SELECT slot, 0, 0, 0 FROM generate_series(0, ${sumRows - 1}) slot;
CREATE TABLE ${schema}.nodes (
  incarnation text COLLATE "C" PRIMARY KEY,
  node text COLLATE "C" NOT NULL,
  counter bigint NOT NULL,
  started_at bigint NOT NULL,
  leaving boolean NOT NULL,
  about text COLLATE "C" NOT NULL,
  profile text COLLATE "C"
) WITH (fillfactor = 50);
CREATE TABLE ${schema}.no_rows (
  id integer PRIMARY KEY CHECK (false)
);
CREATE TABLE ${schema}.no_commit (
  never integer NOT NULL CONSTRAINT ${refusal} REFERENCES ${schema}.no_rows (id) DEFERRABLE INITIALLY DEFERRED
);
${stepFunctions(schema)}`,
]
