import { foundAt, limitLocks, oneOf } from './sql.ts'
import { headRunColumns, inHead, insertMoved } from './in-head.ts'
import { historyColumns, lanes, liveColumns } from './occurrence-row.ts'
import { quickFunctions } from './quick-functions.ts'

/** Number of rows that share the counts of all live occurrences, so that transactions rarely wait for a row. */
export const sumRows = 64

/**
 * How long a step that has locked jobs waits for an occurrence, in ms. A user's transaction may lock the occurrence for
 * a long time. So after this time, the step releases its locks on jobs, and waits for the occurrence without them.
 */
const heldMs = 20

/**
 * A user's transaction must not lock the shared rows of counts. So the transaction writes its counts to a separate row. A later
 * step adds these counts to the shared rows. The key of the separate row contains the remainder of the transaction's id after
 * division by this number.
 */
const ownSums = 1_000_000_000

/** Codes of `p_ops`: the changes that a step makes to occurrences. */
export const ops = {
  /** Code of the creation of a live occurrence. */
  create: 0,
  /** Code of a change of a live occurrence that stays live. */
  change: 1,
  /** Code of a change that gives a live occurrence a final state. */
  end: 2,
  /** Code of the creation of an occurrence that is already in a final state. */
  record: 3,
} as const

/** The columns of each written occurrence, with their types, in the order of the parameters. */
export const writtenColumns = [
  ['id', 'uuid'],
  ['job', 'uuid'],
  // For a waiting occurrence, the instant `orderAt`, by which waiting occurrences are sorted. For any other occurrence, the
  // scheduled time.
  ['order_at', 'bigint'],
  ['priority', 'smallint'],
  ['state', 'smallint'],
  ['kind', 'smallint'],
  ['token', 'integer'],
  ['sequence', 'integer'],
  ['rescues', 'integer'],
  ['job_version', 'integer'],
  ['due_at', 'bigint'],
  ['created_at', 'bigint'],
  ['started_at', 'bigint'],
  ['timeout', 'bigint'],
  ['reason', 'text'],
  ['cancel', 'text'],
  ['details', 'text'],
  ['runs', 'text'],
  ['claim_at', 'bigint'],
  ['finished_at', 'bigint'],
  // The sequence of the occurrence at the step's read. After the read, a completion in a user's transaction may change the
  // stored sequence, but not the job's head. So the write fails if the stored sequence differs from this value.
  ['was', 'integer'],
  // The id of the reusable key whose last occurrence is this new occurrence.
  ['key_id', 'uuid'],
] as const

/** The name of a column in {@link writtenColumns}, except `id`, `job`, `was` and `key_id`. */
export type WrittenColumn = Exclude<(typeof writtenColumns)[number][0], 'id' | 'job' | 'was' | 'key_id'>

/** The parameters of `write_step` before the columns of the occurrences, with their types. */
export const headParameters = [
  ['guards', 'boolean'],
  ['waits', 'boolean'],
  ['lock_limit', 'text'],
  ['heads', 'uuid[]'],
  ['revisions', 'bigint[]'],
  ['watermarks', 'bigint[]'],
  ['tops', 'bigint[]'],
  ['next', 'bigint[]'],
  ['cancels_below', 'integer[]'],
  ['starts', 'text[]'],
  ['pending', 'integer[]'],
  ['delayed', 'integer[]'],
  ['queued', 'integer[]'],
  ['running', 'integer[]'],
  ['ops', 'smallint[]'],
] as const

/** The parameters of `write_step` after the columns of the occurrences, with their types. */
export const otherParameters = [
  ['owner', 'integer[]'],
  ['nodes', 'text[]'],
  ['incarnations', 'text[]'],
  ['all_pending', 'integer'],
  ['all_queued', 'integer'],
  ['all_running', 'integer'],
] as const

// PostgreSQL may plan these functions while all tables are empty. These settings keep PostgreSQL from choosing plans that are
// good only for empty tables. They also turn `jit` off, because its compilation takes longer than the execution.
const settings = `SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
  SET enable_memoize = off SET plan_cache_mode = force_generic_plan SET jit = off`

const apart: readonly string[] = ['order_at', 'priority', 'claim_at', 'finished_at', 'was', 'key_id']
const kept = writtenColumns.map(([name]) => name).filter((name) => !apart.includes(name))
const columns = kept.join(', ')
const waitColumns = 'order_at, priority, claim_at'
const waitValues = 'w.order_at, w.priority, w.claim_at'

const parameters = [
  ...headParameters.map(([name, type]) => `p_${name} ${type}`),
  ...writtenColumns.map(([name, type]) => `p_${name} ${type}[]`),
  ...otherParameters.map(([name, type]) => `p_${name} ${type}`),
].join(', ')

/** SQL for the written occurrences as rows. `owner` is the position of an occurrence's owner in the list of owners. */
const writtenRows = `unnest(p_ops, ${writtenColumns.map(([name]) => `p_${name}`).join(', ')}, p_owner)
      w (op, ${writtenColumns.map(([name]) => name).join(', ')}, owner)`
const values = `${kept.map((name) => `w.${name}`).join(', ')}, v_owners[w.owner]`

/**
 * Returns SQL that creates the two functions that every step uses: `read_step` and `write_step`.
 * - A step takes two round trips, one for each function.
 * - The server plans the statements of a function once per connection. This is so even behind a pooler without support
 *   for prepared statements.
 * - Each statement in a function sees all earlier commits. So a statement after the lock sees the writes of the
 *   previous lock holders.
 */
export function stepFunctions(schema: string): string {
  const quote = dollarQuote(schema)
  const numberOwners = `SELECT array_agg(o.row ORDER BY n.place) INTO v_owners
      FROM unnest(p_nodes, p_incarnations) WITH ORDINALITY n (node, incarnation, place)
      JOIN ${schema}.owners o ON o.node = n.node AND o.incarnation = n.incarnation;`
  return `
CREATE FUNCTION ${schema}.read_step(p_jobs uuid[], p_ids uuid[], p_keys uuid[], p_locks boolean, p_lock_limit text)
RETURNS TABLE (
  job uuid, revision bigint, version integer, watermark bigint, next_at bigint, prune_floor bigint, paused_until bigint,
  cancels_below integer, starts text, deleted_at bigint, policy smallint, max_queued bigint,
  max_concurrency integer, pending integer, delayed integer,
  queued integer, running integer, handler_key text,
  id uuid, scheduled_at bigint, state smallint, kind smallint, token integer, sequence integer, rescues integer,
  job_version integer, node text, incarnation text, due_at bigint, created_at bigint, started_at bigint,
  finished_at bigint, timeout bigint, reason text, cancel text, details text, runs text, key_id uuid
) LANGUAGE plpgsql ${settings} AS ${quote}
#variable_conflict use_column
DECLARE
  v_lock_timeout text;
BEGIN
  IF p_locks THEN
    IF p_lock_limit IS NOT NULL THEN v_lock_timeout := ${limitLocks('p_lock_limit')}; END IF;
    PERFORM 1 FROM ${schema}.heads h WHERE h.id = ANY (p_jobs) ORDER BY h.id FOR UPDATE;
  END IF;
  RETURN QUERY
    SELECT h.id, h.revision, h.version, h.watermark, h.next_at, h.prune_floor, h.paused_until,
      h.cancels_below, h.starts, h.deleted_at, h.policy, h.max_queued, h.max_concurrency, h.pending, h.delayed,
      h.queued, h.running, h.handler_key,
      o.id, o.scheduled_at, o.state, o.kind, o.token, o.sequence, o.rescues,
      o.job_version, w.node, w.incarnation, o.due_at, o.created_at, o.started_at,
      o.finished_at, o.timeout, o.reason, o.cancel, o.details, o.runs, n.key_id
    FROM unnest(p_jobs, p_ids, p_keys) n (job, named, key_id)
    JOIN ${schema}.heads h ON h.id = ${oneOf('n.job')}
    CROSS JOIN LATERAL (
      SELECT CASE WHEN n.key_id IS NULL THEN n.named
        ELSE (SELECT k.occurrence FROM ${schema}.reusable_keys k WHERE k.id = n.key_id) END AS id
    ) t
    LEFT JOIN LATERAL (
      SELECT ${liveColumns} FROM ${schema}.live l WHERE l.id = t.id
      UNION ALL
      SELECT ${headRunColumns('h')} WHERE h.run_state = ${inHead.runs} AND h.run_id = t.id
      UNION ALL
      SELECT ${historyColumns} FROM ${schema}.history y WHERE y.id = t.id
      LIMIT 1
    ) o ON o.job = n.job
    LEFT JOIN ${schema}.owners w ON w.row = o.owner;
END ${quote};

CREATE FUNCTION ${schema}.write_step(${parameters})
RETURNS boolean LANGUAGE plpgsql ${settings} AS ${quote}
DECLARE
  v_owners integer[];
  v_count integer;
  v_lock_timeout text;
BEGIN
  IF p_guards THEN
    v_lock_timeout := ${limitLocks('p_lock_limit')};
    PERFORM 1 FROM unnest(p_heads, p_revisions) g (id, revision)
      JOIN ${schema}.heads h ON h.id = ${oneOf('g.id')} AND h.revision = g.revision ORDER BY h.id FOR UPDATE OF h;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    IF v_count < cardinality(p_heads) THEN RETURN false; END IF;
  END IF;
  WITH moved AS (
    UPDATE ${schema}.heads h SET revision = h.revision + 1, watermark = w.watermark, top = greatest(h.top, w.top),
        next_at = w.next_at, found_at = ${foundAt('w.next_at', 'h.found_at')}, cancels_below = w.cancels_below,
        starts = w.starts, pending = w.pending, delayed = w.delayed, queued = w.queued, running = w.running,
        run_id = CASE WHEN h.run_state = ${inHead.runs} THEN h.run_id END,
        run_state = CASE WHEN h.run_state < ${inHead.runs} THEN h.run_state
          WHEN p_waits THEN ${inHead.never} ELSE ${inHead.moved} END
      FROM unnest(p_heads, p_watermarks, p_tops, p_next, p_cancels_below, p_starts, p_pending, p_delayed, p_queued,
        p_running)
        w (id, watermark, top, next_at, cancels_below, starts, pending, delayed, queued, running)
      WHERE h.id = ${oneOf('w.id')}
      RETURNING h.*
  )
  ${insertMoved(schema)} WHERE m.run_id IS NOT NULL;
  IF cardinality(p_nodes) > 0 THEN
    ${numberOwners}
    IF coalesce(cardinality(v_owners), 0) < cardinality(p_nodes) THEN
      INSERT INTO ${schema}.owners (node, incarnation)
        SELECT n.node, n.incarnation FROM unnest(p_nodes, p_incarnations) n (node, incarnation)
        ORDER BY n.node, n.incarnation ON CONFLICT DO NOTHING;
      ${numberOwners}
    END IF;
  END IF;
  IF NOT p_waits THEN
    v_lock_timeout := current_setting('lock_timeout');
    PERFORM set_config('lock_timeout', '${heldMs}', true);
  END IF;
  IF ${ops.end} = ANY (p_ops) THEN
    DELETE FROM ${schema}.live l USING unnest(p_ops, p_id, p_was) w (op, id, was)
      WHERE w.op = ${ops.end} AND l.id = ${oneOf('w.id')} AND l.sequence = w.was;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    ${refuseUnless('end')}
  END IF;
  IF ${ops.end} = ANY (p_ops) OR ${ops.record} = ANY (p_ops) THEN
    INSERT INTO ${schema}.history (scheduled_at, finished_at, ${columns}, owner)
      SELECT w.order_at, w.finished_at, ${values} FROM ${writtenRows} WHERE w.op >= ${ops.end};
  END IF;
  IF ${ops.create} = ANY (p_ops) THEN
    INSERT INTO ${schema}.live (${waitColumns}, ${columns}, owner)
      SELECT ${waitValues}, ${values} FROM ${writtenRows} WHERE w.op = ${ops.create};
  END IF;
  IF cardinality(array_remove(p_key_id, NULL)) > 0 THEN
    INSERT INTO ${schema}.reusable_keys (id, occurrence)
      SELECT DISTINCT ON (w.key_id) w.key_id, w.id FROM unnest(p_key_id, p_id) WITH ORDINALITY w (key_id, id, place)
      WHERE w.key_id IS NOT NULL ORDER BY w.key_id, w.place DESC
      ON CONFLICT (id) DO UPDATE SET occurrence = excluded.occurrence;
  END IF;
  IF ${ops.change} = ANY (p_ops) THEN
    UPDATE ${schema}.live l SET (${waitColumns}, ${columns}, owner) = (${waitValues}, ${values})
      FROM ${writtenRows} WHERE w.op = ${ops.change} AND l.id = ${oneOf('w.id')} AND l.sequence = w.was;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    ${refuseUnless('change')}
  END IF;
  IF NOT p_waits THEN PERFORM set_config('lock_timeout', v_lock_timeout, true); END IF;
  IF p_all_pending <> 0 OR p_all_queued <> 0 OR p_all_running <> 0 THEN
    IF p_waits THEN
      INSERT INTO ${schema}.live_sums AS s (slot, pending, queued, running)
        VALUES (${sumRows} + pg_current_xact_id()::text::bigint % ${ownSums}, p_all_pending, p_all_queued, p_all_running)
        ON CONFLICT (slot) DO UPDATE SET pending = s.pending + p_all_pending, queued = s.queued + p_all_queued,
          running = s.running + p_all_running;
    ELSE
      WITH found AS (
        SELECT slot FROM ${schema}.live_sums WHERE slot >= ${sumRows} ORDER BY slot LIMIT 100 FOR UPDATE SKIP LOCKED
      ), gone AS (
        DELETE FROM ${schema}.live_sums s USING found f WHERE s.slot = f.slot RETURNING s.pending, s.queued, s.running
      )
      UPDATE ${schema}.live_sums s SET
        pending = s.pending + p_all_pending + (SELECT coalesce(sum(g.pending), 0) FROM gone g),
        queued = s.queued + p_all_queued + (SELECT coalesce(sum(g.queued), 0) FROM gone g),
        running = s.running + p_all_running + (SELECT coalesce(sum(g.running), 0) FROM gone g)
        WHERE s.slot = pg_backend_pid() % ${sumRows};
    END IF;
  END IF;
  RETURN true;
END ${quote};

CREATE FUNCTION ${schema}.complete_step(
  p_id uuid, p_job uuid, p_token integer, p_sequence integer, p_up_to integer, p_runs text,
  p_node text, p_incarnation text
) RETURNS boolean LANGUAGE plpgsql ${settings} AS ${quote}
BEGIN
  UPDATE ${schema}.live SET sequence = p_sequence, runs = p_runs
    WHERE id = p_id AND job = p_job AND state = ${lanes.running} AND token = p_token
      AND (p_incarnation IS NULL
        OR owner = (SELECT o.row FROM ${schema}.owners o WHERE o.node = p_node AND o.incarnation = p_incarnation))
      AND sequence < p_sequence AND (p_up_to IS NULL OR sequence <= p_up_to) AND cancel IS NULL;
  RETURN FOUND;
END ${quote};

CREATE FUNCTION ${schema}.move_step(p_id uuid, p_job uuid)
RETURNS boolean LANGUAGE plpgsql ${settings} SET lock_timeout = ${heldMs} AS ${quote}
BEGIN
  WITH moved AS (
    UPDATE ${schema}.heads h SET run_state = ${inHead.never}
      WHERE h.id = p_job AND h.run_state = ${inHead.runs} AND h.run_id = p_id RETURNING h.*
  )
  ${insertMoved(schema)};
  RETURN FOUND;
END ${quote};
${quickFunctions({ schema, settings, quote, sumRows })}`
}

/** Returns PL/pgSQL that makes the step fail if one of its occurrences has changed or ended since the read. */
function refuseUnless(op: 'change' | 'end'): string {
  return `IF v_count < cardinality(array_positions(p_ops, ${ops[op]}::smallint)) THEN
      RAISE EXCEPTION 'an occurrence has changed since it was read' USING ERRCODE = 'serialization_failure';
    END IF;`
}

/** Returns a dollar quote that does not occur in the name of the schema. */
export function dollarQuote(schema: string): string {
  let quote = '$step$'
  for (let number = 1; schema.includes(quote); number++) quote = `$step${number}$`
  return quote
}
