/**
 * Why an occurrence is in its state, if the state alone does not tell. Users can give any text as a reason, and later versions
 * may add reasons.
 *
 * Skipped:
 * - `overlap`: another occurrence of its job was active.
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
  | 'overlap'
  | 'delayed'
  | 'start_rate'
  | 'queue_full'
  | 'paused'
  | 'displaced'
  | 'updated'
  | 'deleted'
  | 'canceled'
  | 'backfill_stopped'
  | 'fail_fast'
  | 'execution_timeout'
  | 'storage_refused'
  | 'invalid_payload'
  | 'node_lost'
  | 'owner_restarted'
  | 'shutdown'
  | 'no_capacity'
  | 'no_handler'
  | 'unanswered'
  | 'clock_unconfirmed'
  | 'execute_all'
  | 'execute_last'
  | 'compressed'
  | 'bounded_window'
  | 'mark_as_missed'
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
