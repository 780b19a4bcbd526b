/**
 * Why an occurrence is in its state, if the state alone does not tell.
 *
 * - Skipped: `overlap` (another occurrence of its job was active), `queue_full`, `paused`.
 * - Canceled: `displaced` (by a newer one under `queue_one` or `cancel_running`), `updated` (an update with `waiting:
 *   'cancel'`), `deleted` (its job), `canceled`, or the reason that the caller gave.
 * - Failed: `fail_fast` (a task failed), `execution_timeout`, `shutdown` (interrupted, under `onInterrupted: 'fail'`),
 *   `invalid_payload` (its data do not fit the job's schema), `storage_refused` (the storage cannot keep its result or
 *   error).
 * - Failed as stale, or waiting after a rescue: `node_lost` (its node is dead), `owner_restarted` (its node restarted
 *   without it), `execution_timeout`, `event_loop_blocked` (a handler blocked two nodes until they were declared dead).
 * - Waiting: `delayed` (a trigger whose time has not come), `start_rate` (its job's start rate allows no start before
 *   its `dueAt`). After a hand-back: `shutdown`, `no_capacity` (prefetched, and no permit became free), `no_handler`
 *   (that node cannot run it), `unanswered` (claimed by a call whose answer was lost), `clock_unconfirmed` (that node's
 *   clock jumped before the run began).
 * - Canceled: `backfill_stopped` (it waited in a backfill that was stopped), with the caller's reason after a colon, if
 *   given.
 * - Missed: the deciding recovery strategy, or `paused`.
 *
 * Users can give any text as a reason, and later versions may add reasons.
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
  | 'event_loop_blocked'
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
 * Why a task or an attempt has ended or changed its owner, if its state alone does not tell.
 *
 * - Failed: `not_retryable` (a retry was left, and the error or `retryIf` ruled it out).
 * - Stopped from outside: `fail_fast` (another task failed), `canceled`, `execution_timeout`, `invalid_payload`.
 * - Handed back by its owner: `shutdown`, `no_capacity`, `clock_unconfirmed`.
 * - Ended by another node: `node_lost`, `owner_restarted`, `execution_timeout`, `event_loop_blocked`, `no_handler` (no
 *   node has its code any more).
 *
 * Later versions may add reasons.
 */
export type TaskReason =
  | 'not_retryable'
  | 'fail_fast'
  | 'canceled'
  | 'execution_timeout'
  | 'storage_refused'
  | 'invalid_payload'
  | 'node_lost'
  | 'event_loop_blocked'
  | 'owner_restarted'
  | 'shutdown'
  | 'no_capacity'
  | 'clock_unconfirmed'
  | 'no_handler'
  | (string & {})
