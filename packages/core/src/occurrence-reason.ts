import { invalidValue } from './errors.ts'
import type { OccurrenceState } from './storage/occurrence-record.ts'

/** Explains each reason that the engine gives for a state: one sentence under the state and the reason. */
const explanations = {
  'skipped overlap': 'An earlier run of the job was pending or running, and the overlap policy skips further runs.',
  'skipped queue_full': 'The queue of the job was full (maxQueued).',
  'skipped paused': 'The job was paused.',
  'missed paused': 'The job was paused.',
  'missed execute_last': 'No node created it in time. The recovery strategy runs only the last missed slot.',
  'missed execute_all': 'No node created it in time.',
  'missed compressed': 'No node created it in time. The recovery strategy runs once for all missed slots.',
  'missed bounded_window': 'No node created it in time, and it lies outside the window of the recovery strategy.',
  'missed mark_as_missed': 'No node created it in time, and the recovery strategy runs no missed slots.',
  'canceled displaced': 'A later run replaced it, by the overlap policy.',
  'canceled updated': 'The job was updated, and its waiting slots were canceled.',
  'canceled deleted': 'The job was deleted.',
  'canceled canceled': 'A caller canceled it.',
  'canceled backfill_stopped': 'It waited in a backfill that was stopped.',
  'failed fail_fast': 'A task failed, and the failure strategy starts no further tasks.',
  'failed execution_timeout': 'It ran longer than its executionTimeout.',
  'failed shutdown': 'Its node shut down, and the job does not retry interrupted runs (onInterrupted: fail).',
  'failed invalid_payload': 'Its data do not fit the payload schema of the job.',
  'failed storage_refused': 'The storage cannot keep what a task returned or threw.',
  'failed node_lost': 'Its node died, and the run is not retried.',
  'failed_stale node_lost': 'Its node died, and the run is not retried.',
  'failed_stale owner_restarted': 'Its node restarted, and the run is not retried.',
  'failed_stale execution_timeout': 'It ran longer than its executionTimeout, and its node did not end it.',
  'pending node_lost': 'Its node died; it waits for another node.',
  'pending owner_restarted': 'Its node restarted; it waits for a node.',
  'pending shutdown': 'Its node shut down and handed it back.',
  'pending delayed': 'It was requested for a later time.',
  'pending start_rate': 'The startRate of the job allows no start yet; it waits for its time.',
  'pending no_capacity': 'Its node had no capacity for it and handed it back.',
  'pending no_handler': 'Its node has no handler for it and handed it back.',
  'pending unanswered': 'The answer to the claim of a node was lost; the node handed it back.',
  'pending clock_unconfirmed': 'The clock of its node had jumped; the node handed it back.',
}

/**
 * Why an occurrence is in its state, if the state alone does not tell. Users can give any text as a reason, and later versions
 * may add reasons.
 *
 * Skipped:
 * - `overlap`: another occurrence of its job was pending or running.
 * - `queue_full`: the queue of its job was full.
 * - `paused`: its job was paused.
 *
 * Canceled:
 * - `displaced`: by a newer occurrence under `queue_one` or `cancel_running`.
 * - `updated`: by an update with `waiting: 'cancel'`.
 * - `deleted`: its job was deleted.
 * - `backfill_stopped`: its backfill was stopped. A reason of the caller follows after a colon.
 * - `canceled`, or the reason that the caller gave.
 *
 * Failed:
 * - `fail_fast`: a task failed.
 * - `execution_timeout`: the execution timeout passed.
 * - `shutdown`: its node shut down, under `onInterrupted: 'fail'`.
 * - `invalid_payload`: its data do not fit the job's schema.
 * - `storage_refused`: the storage cannot keep its result or error.
 *
 * Failed as stale, or waiting after a rescue:
 * - `node_lost`: its node is dead.
 * - `owner_restarted`: its node restarted, and no longer ran it.
 * - `execution_timeout`: its node has not ended it by the deadline.
 *
 * Waiting:
 * - `delayed`: a trigger whose time has not come.
 * - `start_rate`: the start rate of its job allows no start before its `dueAt`.
 *
 * Waiting after a hand-back:
 * - `shutdown`: its node shut down.
 * - `no_capacity`: it was prefetched, and no permit became free.
 * - `no_handler`: its node cannot run it.
 * - `unanswered`: the answer to its claim was lost.
 * - `clock_unconfirmed`: the clock of its node jumped before the run began.
 *
 * Missed: the deciding recovery strategy, or `paused`.
 */
export type OccurrenceReason =
  | (keyof typeof explanations extends `${OccurrenceState} ${infer Reason}` ? Reason : never)
  | (string & {})

/**
 * Why a task or an attempt has ended or changed its owner, if its state alone does not tell. Later versions may add reasons.
 * Beside `not_retryable`, the reasons are those of occurrences.
 *
 * - Failed: `not_retryable`, if the error or `retryIf` ruled out a retry that was left.
 * - Stopped from outside: `fail_fast` (another task failed), `canceled`, `execution_timeout`, `invalid_payload`.
 * - Handed back by its owner: `shutdown`, `no_capacity`, `clock_unconfirmed`.
 * - Ended by another node: `node_lost`, `owner_restarted`, `execution_timeout`, `no_handler` (no node has its code any more).
 */
export type TaskReason = OccurrenceReason | 'not_retryable'

const stoppedBecause = 'backfill_stopped: '

/**
 * Explains the state of a run in a sentence. The sentence contains the reason that a user gave for stopping a backfill. It
 * contains no other reason of a user.
 *
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export function whyOf(occurrence: {
  readonly state: OccurrenceState
  readonly reason: OccurrenceReason | null
}): string {
  if (typeof occurrence !== 'object' || occurrence === null || !Object.hasOwn(stateMeanings, occurrence.state)) {
    throw invalidValue(
      'occurrence',
      'is not an occurrence',
      occurrence,
      'Give an occurrence as occurrences() or explain() returns it.',
    )
  }
  const { state, reason } = occurrence
  if (reason?.startsWith(stoppedBecause))
    return `It waited in a backfill that was stopped: ${reason.slice(stoppedBecause.length)}`
  return (explanations as Readonly<Record<string, string>>)[`${state} ${reason}`] ?? stateMeanings[state]
}

/** The meaning of each state of a run in a sentence, for legends, tooltips and help. {@link whyOf} explains one run. */
export const stateMeanings: Readonly<Record<OccurrenceState, string>> = {
  pending: 'Waits for a node with capacity, for its time, or for the end of a pause of its job.',
  queued: 'Waits until an earlier run of its job ends.',
  running: 'A node runs it.',
  completed: 'All of its tasks completed.',
  completed_with_errors: 'All of its tasks ran, and at least one failed.',
  failed: 'A task failed.',
  failed_stale: 'Its node died, or did not end it in time.',
  canceled: 'A person, an update or a later run ended it. A slot can be canceled before it is due.',
  skipped: 'A rule of the job did not let it run: its overlap policy, a full queue or a pause.',
  missed: 'No node decided about the slot in time, and the recovery strategy does not run it.',
}
