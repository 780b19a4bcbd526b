import { lanes, policyCode } from './state-codes.ts'

/** Slots that start: the columns of {@link startFunction}, with their types. */
export const startColumns = [
  ['job', 'uuid'],
  ['id', 'uuid'],
  ['scheduled_at', 'bigint'],
  ['next_at', 'bigint'],
  ['job_version', 'integer'],
  ['timeout', 'bigint'],
  ['details', 'text'],
  ['runs', 'text'],
] as const

/** Ends: the columns of {@link endFunction}, with their types. */
export const endColumns = [
  ['job', 'uuid'],
  ['id', 'uuid'],
  ['token', 'integer'],
  ['sequence', 'integer'],
  ['state', 'smallint'],
  ['reason', 'text'],
  ['runs', 'text'],
] as const

/** What all functions have alike. */
export interface FunctionText {
  /** As SQL takes it. */
  readonly schema: string
  readonly settings: string
  /** Begins and ends the text of a function. */
  readonly quote: string
  /** Over how many rows the sums are spread. */
  readonly sumRows: number
}

type Columns = readonly (readonly [name: string, type: string])[]

const parametersOf = (columns: Columns) => columns.map(([name, type]) => `p_${name} ${type}[]`).join(', ')
const namesOf = (columns: Columns) => columns.map(([name]) => name).join(', ')
const rowsOf = (columns: Columns) =>
  `unnest(${columns.map(([name]) => `p_${name}`).join(', ')}) WITH ORDINALITY w (${namesOf(columns)}, place)`

/**
 * The ordinary cases of `write_step` without reading first: a slot that starts, and an end that wakes nobody. Their
 * conditions say what the rules of core say, of one moment; what is not so is left alone, and its places are answered for
 * the rules to decide. Each names a job once at most, in the order of their ids: the order in which heads are locked.
 *
 * A head is looked at twice: as of the moment of the statement, together with the occurrences, and once it is locked. If
 * its revision is the same then, nothing of the job has changed between. An equality would make the planner look for
 * occurrences by their state, and for heads by their instant. See docs/decisions/0001-layout.md.
 */
export function quickFunctions({ schema, settings, quote, sumRows }: FunctionText): string {
  return `
CREATE FUNCTION ${schema}.start_step(
  ${parametersOf(startColumns)}, p_now bigint, p_node text, p_incarnation text
) RETURNS bigint[] LANGUAGE plpgsql ${settings} AS ${quote}
DECLARE
  v_owner integer;
  v_started bigint[];
BEGIN
  SELECT o.row INTO v_owner FROM ${schema}.owners o WHERE o.node = p_node AND o.incarnation = p_incarnation;
  IF v_owner IS NULL THEN
    INSERT INTO ${schema}.owners (node, incarnation) VALUES (p_node, p_incarnation) ON CONFLICT DO NOTHING;
    SELECT o.row INTO v_owner FROM ${schema}.owners o WHERE o.node = p_node AND o.incarnation = p_incarnation;
  END IF;
  WITH moved AS (
    UPDATE ${schema}.heads h SET revision = h.revision + 1, watermark = greatest(h.watermark, w.scheduled_at),
        next_at = w.next_at, running = h.running + 1
      FROM ${rowsOf(startColumns)} JOIN ${schema}.heads s ON s.id = w.job
      WHERE h.id = w.job AND h.revision = s.revision
        AND h.next_at IS NOT DISTINCT FROM w.scheduled_at AND h.version = w.job_version AND h.deleted_at IS NULL
        AND h.starts IS NULL
        AND (h.prune_floor IS NULL OR h.prune_floor < w.scheduled_at)
        AND (h.paused_until IS NULL OR h.paused_until <= w.scheduled_at)
        AND (h.policy = ${policyCode('allow')}
          OR (h.pending = h.delayed AND h.running = 0 AND h.cancels_below IS NULL))
        AND NOT EXISTS (SELECT FROM ${schema}.live l WHERE l.id = w.id)
        AND NOT EXISTS (SELECT FROM ${schema}.history y WHERE y.id = w.id)
      RETURNING w.*
  ), started AS (
    INSERT INTO ${schema}.live (id, job, scheduled_at, state, kind, token, sequence, rescues, job_version, owner,
        due_at, created_at, started_at, timeout, details, runs)
      SELECT m.id, m.job, m.scheduled_at, ${lanes.running}, 0, 1, 0, 0, m.job_version, v_owner,
        m.scheduled_at, p_now, p_now, m.timeout, m.details, m.runs
      FROM moved m
  )
  SELECT array_agg(m.place) INTO v_started FROM moved m;
  IF v_started IS NOT NULL THEN
    UPDATE ${schema}.live_sums s SET running = s.running + cardinality(v_started) WHERE s.slot = pg_backend_pid() % ${sumRows};
  END IF;
  RETURN ${restOf('v_started')};
END ${quote};

CREATE FUNCTION ${schema}.end_step(${parametersOf(endColumns)}, p_now bigint)
RETURNS bigint[] LANGUAGE plpgsql ${settings} AS ${quote}
DECLARE
  v_ended bigint[];
  v_gone bigint;
BEGIN
  WITH freed AS (
    UPDATE ${schema}.heads h SET revision = h.revision + 1, running = h.running - 1
      FROM ${rowsOf(endColumns)} JOIN ${schema}.heads s ON s.id = w.job JOIN ${schema}.live l ON l.id = w.id
      WHERE h.id = w.job AND h.revision = s.revision AND h.queued = 0
        AND l.job = w.job AND l.state IS NOT DISTINCT FROM ${lanes.running} AND l.token = w.token AND l.sequence < w.sequence
        AND l.cancel IS NULL
      RETURNING w.*
  ), gone AS (
    DELETE FROM ${schema}.live l USING freed f WHERE l.id = f.id AND l.sequence < f.sequence
      RETURNING l.id, l.job, l.scheduled_at, f.state, l.kind, l.token, f.sequence, l.rescues, l.job_version, l.owner,
        l.due_at, l.created_at, l.started_at, l.timeout, f.reason, l.details, f.runs
  ), kept AS (
    INSERT INTO ${schema}.history (id, job, scheduled_at, state, kind, token, sequence, rescues, job_version, owner,
        due_at, created_at, started_at, timeout, reason, details, runs, finished_at)
      SELECT g.*, p_now FROM gone g
  )
  SELECT array_agg(f.place), (SELECT count(*) FROM gone) INTO v_ended, v_gone FROM freed f;
  IF v_ended IS NOT NULL THEN
    IF v_gone < cardinality(v_ended) THEN
      RAISE EXCEPTION 'an occurrence has changed meanwhile' USING ERRCODE = 'serialization_failure';
    END IF;
    UPDATE ${schema}.live_sums s SET running = s.running - cardinality(v_ended) WHERE s.slot = pg_backend_pid() % ${sumRows};
  END IF;
  RETURN ${restOf('v_ended')};
END ${quote};
`
}

/** The places that are not among the given ones; mostly none. */
function restOf(done: string): string {
  return `CASE WHEN cardinality(${done}) = cardinality(p_job) THEN '{}'::bigint[] ELSE ARRAY(
    SELECT place FROM generate_series(1, cardinality(p_job)) place WHERE ${done} IS NULL OR place <> ALL (${done})
  ) END`
}
