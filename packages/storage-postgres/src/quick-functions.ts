import { codec1 } from '@jobistemer/core/storage'
import { foundAt, limitLocks, oneOf } from './sql.ts'
import { inHead, isShort, near } from './in-head.ts'
import { lanes } from './occurrence-row.ts'

/**
 * The maximum time, in ms, that a call that ends occurrences waits for a lock. Most calls hold their locks only while the
 * server flushes the disk, which takes less time. After a longer wait, the call fails and releases all its locks. A step by
 * core's rules then ends the occurrences.
 */
export const heldMs = 200

/** The columns of starting slots, with their types: parameters of {@link startFunction}. */
export const startColumns = [
  ['job', 'uuid'],
  ['id', 'uuid'],
  ['scheduled_at', 'bigint'],
  ['next_at', 'bigint'],
  ['job_version', 'integer'],
  ['timeout', 'bigint'],
  ['details', 'json'],
  ['runs', 'json'],
] as const

/** The parameters of {@link endFunction}, with their types: the columns of items that end occurrences. */
export const endColumns = [
  ['job', 'uuid'],
  ['id', 'uuid'],
  ['token', 'integer'],
  ['sequence', 'integer'],
  ['state', 'smallint'],
  ['reason', 'text'],
  ['runs', 'json'],
] as const

/**
 * Columns that usually have the same value in each row of a call. If all rows have the same value, the parameter is an array
 * with one element, or a text without a separator.
 */
const sharedNames: readonly string[] = [
  'scheduled_at',
  'next_at',
  'job_version',
  'timeout',
  'details',
  'runs',
  'token',
  'sequence',
  'state',
  'reason',
]

/**
 * Separates JSON texts in one parameter; JSON texts never contain this character. PostgreSQL splits such a text faster
 * than it parses an array of quoted texts.
 */
export const separator = '\u001f'

/** The text that stands for a missing value. */
export const absent = '\u001e'

/** Returns the SQL type of the parameter for a column of this type. */
export function parameterType(type: string): string {
  return type === 'json' ? 'text' : `${type}[]`
}

/** The parts of the SQL text that all functions of a schema share. */
export interface FunctionText {
  /** The name of the schema, quoted for SQL. */
  readonly schema: string
  readonly settings: string
  /** The dollar quote around the body of a function. */
  readonly quote: string
  /** Number of rows over which the counts of live occurrences are spread. */
  readonly sumRows: number
}

/** SQL condition: the record of the starting occurrence is stored in the head of its job, not in `live`. */
const staysInHead = `(w.is_near AND h.run_state < ${inHead.never})`

const headRun = [
  ['run_state', `${inHead.runs}`],
  ['run_id', 'w.id'],
  ['run_at', 'w.scheduled_at'],
  ['run_started', 'p_now'],
  ['run_timeout', 'w.timeout'],
  ['run_owner', 'v_owner'],
  ['run_version', 'w.job_version'],
  ['run_details', 'w.details'],
  ['run_runs', 'w.runs'],
] as const

const intoHead = headRun.map(([name, value]) => `${name} = ${value}`).join(', ')
const intoHeadIfItStays = headRun
  .map(([name, value]) => `${name} = CASE WHEN ${staysInHead} THEN ${value} ELSE h.${name} END`)
  .join(', ')

/** SQL assignments to the head of a job for each start of a slot. */
const moveOn = `revision = h.revision + 1, watermark = w.scheduled_at, top = w.scheduled_at, next_at = w.next_at,
        found_at = ${foundAt('w.next_at', 'h.found_at')}, running = h.running + 1`

/**
 * SQL condition under which `start_step` itself starts a slot. If a slot does not meet the condition, a step by core's rules
 * decides about the slot.
 */
const mayStart = `h.id = ${oneOf('w.job')} AND h.next_at IS NOT DISTINCT FROM w.scheduled_at AND h.top < w.scheduled_at
        AND h.version = w.job_version AND h.deleted_at IS NULL
        AND h.starts IS NULL
        AND (h.prune_floor IS NULL OR h.prune_floor < w.scheduled_at)
        AND (h.paused_until IS NULL OR h.paused_until <= w.scheduled_at)
        AND (h.policy = ${codec1.policyCodes.allow}
          OR (h.pending = h.delayed AND h.running = 0 AND h.cancels_below IS NULL))`

type Columns = readonly (readonly [name: string, type: string])[]

const parametersOf = (columns: Columns) => columns.map(([name, type]) => `p_${name} ${parameterType(type)}`).join(', ')
const arrayOf = ([name, type]: Columns[number]) => {
  return type === 'json' ? `string_to_array(p_${name}, '${separator}', '${absent}')` : `p_${name}`
}
const namesOf = (columns: Columns) => columns.map(([name]) => name).join(', ')
const columnOf = (name: string) =>
  sharedNames.includes(name) ? `coalesce(u.${name}, v_${name}) AS ${name}` : `u.${name}`
const rowsOf = (columns: Columns) =>
  `(SELECT ${columns.map(([name]) => columnOf(name)).join(', ')}, u.place
        FROM unnest(${columns.map(arrayOf).join(', ')}) WITH ORDINALITY u (${namesOf(columns)}, place)) w`

const sharedOf = (columns: Columns) => columns.filter(([name]) => sharedNames.includes(name))
const declare = (columns: Columns) =>
  sharedOf(columns)
    .map(([name, type]) => `v_${name} ${type === 'json' ? 'text' : type};`)
    .join(' ')

/**
 * PL/pgSQL that reads the columns with the same value in all rows of a call. It stores the value of each such column in a
 * variable. The functions need these variables only if a call has several rows.
 */
const readShared = (columns: Columns) => `IF cardinality(p_job) > 1 THEN
    ${sharedOf(columns)
      .map(([name, type]) =>
        type === 'json'
          ? `IF strpos(p_${name}, '${separator}') = 0 THEN v_${name} := nullif(p_${name}, '${absent}'); END IF;`
          : `IF cardinality(p_${name}) = 1 THEN v_${name} := p_${name}[1]; END IF;`,
      )
      .join('\n    ')}
  END IF;`

const historyNames = `id, job, scheduled_at, state, kind, token, sequence, rescues, job_version, owner,
        due_at, created_at, started_at, timeout, reason, details, runs, finished_at`

/**
 * Returns SQL that creates two functions. They write two ordinary cases of `write_step` without reading first:
 * - `start_step`: a slot that starts;
 * - `end_step`: an end that wakes no occurrence.
 *
 * The functions return the positions of all other items, about which core's rules decide. See
 * docs/decisions/0001-layout.md.
 *
 * Rules:
 * - A call contains at most one item for each job. Its items have the order in which steps lock heads.
 * - PostgreSQL evaluates the conditions on a row after it has locked the row.
 * - `start_step` checks only the head, because no slot later than `top` has a record.
 * - `end_step` checks the head, and then the occurrence. If the occurrence is not in the expected state, or is locked,
 *   core's rules decide the whole call.
 * - No condition compares states or instants with `=`. Otherwise the planner might choose an index over these columns
 *   instead of the primary key.
 * - If each start may be stored in its head (`p_in_heads`), the first statement of `start_step` writes the heads. The
 *   second statement writes the remaining starts. It skips locked heads, because otherwise two calls could wait for
 *   each other.
 * - A call that inserts a new owner does nothing else and returns NULL. The reason: other steps lock heads before they
 *   insert owners.
 */
export function quickFunctions({ schema, settings, quote, sumRows }: FunctionText): string {
  return `
CREATE FUNCTION ${schema}.start_step(
  ${parametersOf(startColumns)}, p_now bigint, p_node text, p_incarnation text, p_in_heads boolean,
  p_lock_limit text
) RETURNS bigint[] LANGUAGE plpgsql ${settings} AS ${quote}
DECLARE
  v_owner integer;
  v_started bigint[];
  v_free uuid[];
  v_lock_timeout text;
  ${declare(startColumns)}
BEGIN
  ${readShared(startColumns)}
  v_lock_timeout := ${limitLocks('p_lock_limit')};
  SELECT o.row INTO v_owner FROM ${schema}.owners o WHERE o.node = p_node AND o.incarnation = p_incarnation;
  IF v_owner IS NULL THEN
    INSERT INTO ${schema}.owners (node, incarnation) VALUES (p_node, p_incarnation) ON CONFLICT DO NOTHING;
    RETURN NULL;
  END IF;
  IF p_in_heads THEN
    WITH moved AS (
      UPDATE ${schema}.heads h SET ${moveOn}, is_quick = true, ${intoHead}
        FROM ${rowsOf(startColumns)} WHERE h.run_state < ${inHead.never} AND ${mayStart}
        RETURNING w.place
    )
    SELECT array_agg(m.place) INTO v_started FROM moved m;
    IF coalesce(cardinality(v_started), 0) < cardinality(p_job) THEN
      v_free := ARRAY(
        SELECT h.id FROM ${schema}.heads h WHERE h.id = ANY (ARRAY(
          SELECT p_job[r.place] FROM (SELECT generate_series(1, cardinality(p_job)) EXCEPT SELECT unnest(v_started)) r (place)
        )) ORDER BY h.id FOR UPDATE SKIP LOCKED
      );
    END IF;
  END IF;
  IF NOT p_in_heads OR cardinality(v_free) > 0 THEN
    WITH moved AS (
      UPDATE ${schema}.heads h SET ${moveOn}, is_quick = ${staysInHead} OR h.run_state = ${inHead.runs}, ${intoHeadIfItStays}
        FROM (SELECT w.*, coalesce(${near('w')} AND ${isShort('w')}, false) AS is_near FROM ${rowsOf(startColumns)}) w
        WHERE (v_free IS NULL OR w.job = ANY (v_free)) AND ${mayStart}
        RETURNING w.*, h.run_state = ${inHead.runs} AND h.run_id = w.id AS is_in_head
    ), started AS (
      INSERT INTO ${schema}.live (id, job, order_at, state, kind, token, sequence, rescues, job_version, owner,
          due_at, created_at, started_at, timeout, details, runs)
        SELECT m.id, m.job, m.scheduled_at, ${lanes.running}, 0, 1, 0, 0, m.job_version, v_owner,
          m.scheduled_at, p_now, p_now, m.timeout, m.details, m.runs
        FROM moved m WHERE NOT m.is_in_head
    )
    SELECT v_started || array_agg(m.place) INTO v_started FROM moved m;
  END IF;
  IF v_started IS NOT NULL THEN
    UPDATE ${schema}.live_sums s SET running = s.running + cardinality(v_started) WHERE s.slot = pg_backend_pid() % ${sumRows};
  END IF;
  RETURN ${restOf('v_started')};
END ${quote};

CREATE FUNCTION ${schema}.end_step(
  ${parametersOf(endColumns)}, p_now bigint, p_node text, p_incarnation text
)
RETURNS bigint[] LANGUAGE plpgsql ${settings} SET lock_timeout = ${heldMs} AS ${quote}
DECLARE
  v_owner integer;
  v_ended bigint[];
  v_freed bigint;
  ${declare(endColumns)}
BEGIN
  ${readShared(endColumns)}
  IF p_incarnation IS NOT NULL THEN
    -- No row has the owner -1, so a call with an unknown owner ends no occurrence.
    SELECT coalesce(min(o.row), -1) INTO v_owner FROM ${schema}.owners o WHERE o.node = p_node AND o.incarnation = p_incarnation;
  END IF;
  WITH freed AS (
    UPDATE ${schema}.heads h SET revision = h.revision + 1, running = h.running - 1,
        run_state = CASE WHEN h.run_state = ${inHead.runs} AND h.run_id = w.id THEN ${inHead.ended} ELSE h.run_state END
      FROM ${rowsOf(endColumns)} WHERE h.id = ${oneOf('w.job')} AND h.queued = 0
        AND (h.run_state = ${inHead.runs} AND h.run_id = w.id AND w.token = 1 AND w.sequence > 0
            AND h.run_owner = coalesce(v_owner, h.run_owner)
          OR h.run_id IS DISTINCT FROM w.id OR h.run_state IN (${inHead.moved}, ${inHead.never}))
      RETURNING w.job, w.id, w.token, w.sequence, w.state, w.reason, w.runs, w.place, h.run_state = ${inHead.ended} AND h.run_id IS NOT DISTINCT FROM w.id AS was_in_head, h.run_at, h.run_started,
        h.run_timeout, h.run_owner, h.run_version, h.run_details
  ), gone AS (
    DELETE FROM ${schema}.live l USING freed f
      WHERE NOT f.was_in_head AND l.id = ${oneOf('f.id')} AND l.job = f.job AND l.state IS NOT DISTINCT FROM ${lanes.running} AND l.token = f.token
        AND l.owner = coalesce(v_owner, l.owner) AND l.sequence < f.sequence AND l.cancel IS NULL
      RETURNING l.id, l.job, l.order_at, f.state, l.kind, l.token, f.sequence, l.rescues, l.job_version, l.owner,
        l.due_at, l.created_at, l.started_at, l.timeout, f.reason, l.details, f.runs, f.place
  ), kept AS (
    INSERT INTO ${schema}.history (${historyNames})
      SELECT f.id, f.job, f.run_at, f.state, 0, f.token, f.sequence, 0, f.run_version, f.run_owner,
        f.run_at, f.run_started, f.run_started, f.run_timeout, f.reason, f.run_details, f.runs, p_now
      FROM freed f WHERE f.was_in_head
  ), kept_too AS (
    INSERT INTO ${schema}.history (${historyNames})
      SELECT g.id, g.job, g.order_at, g.state, g.kind, g.token, g.sequence, g.rescues, g.job_version, g.owner,
        g.due_at, g.created_at, g.started_at, g.timeout, g.reason, g.details, g.runs, p_now FROM gone g
  )
  SELECT array_agg(f.place) FILTER (WHERE f.was_in_head) || (SELECT array_agg(g.place) FROM gone g), count(*)
    INTO v_ended, v_freed FROM freed f;
  IF v_freed > coalesce(cardinality(v_ended), 0) THEN
    RAISE EXCEPTION 'an occurrence is another than it has to be' USING ERRCODE = 'serialization_failure';
  END IF;
  IF v_ended IS NOT NULL THEN
    UPDATE ${schema}.live_sums s SET running = s.running - cardinality(v_ended) WHERE s.slot = pg_backend_pid() % ${sumRows};
  END IF;
  RETURN ${restOf('v_ended')};
END ${quote};
`
}

/** Returns SQL for the positions, in the call, of the items that a statement has not handled; usually there are none. */
function restOf(done: string): string {
  return `CASE WHEN cardinality(${done}) = cardinality(p_job) THEN '{}'::bigint[] ELSE ARRAY(
    SELECT place FROM generate_series(1, cardinality(p_job)) place WHERE ${done} IS NULL OR place <> ALL (${done})
  ) END`
}
