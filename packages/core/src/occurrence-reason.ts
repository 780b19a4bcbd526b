/**
 * Why an occurrence is in its state, where that alone does not say.
 *
 * - Skipped: `overlap` (another one of its job was there), `queue_full`, `paused`.
 * - Canceled: `displaced` (by a newer one under `queue_one` or `cancel_running`), `updated` (an update with `waiting:
 *   'cancel'`), `deleted` (its job), `canceled`, or whatever reason the canceller gave.
 * - Failed: `fail_fast` (a task failed), `execution_timeout`, `shutdown` (interrupted, under `onInterrupted: 'fail'`),
 *   `invalid_payload` (its data do not fit the job's schema), `storage_refused` (the storage cannot keep what it returned or threw).
 * - Failed as stale, or waiting after a rescue: `node_lost` (its node is dead), `owner_restarted` (its node came back
 *   without it), `execution_timeout`, `event_loop_blocked` (two nodes counted as dead while a handler blocked them).
 * - Waiting: `delayed` (a trigger whose time has not come), `start_rate` (its job's start rate allows no start before its
 *   `dueAt`). After it was handed back: `shutdown`, `no_capacity` (taken ahead, and its place did not become free),
 *   `no_handler` (that node cannot run it), `unanswered` (claimed by a call whose answer got lost), `clock_unconfirmed`
 *   (that node's clock jumped before it began).
 * - Canceled: `backfill_stopped` (it waited in a backfill that was stopped), with why after a colon, where that was said.
 * - Missed: the recovery strategy that decided so, or `paused`.
 *
 * Reasons of users are any text, and later versions may know more.
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
 * Why a task or an attempt of it has ended, or was handed over, where its state alone does not say.
 *
 * - Failed: `not_retryable` (a retry was left, and the error or `retryIf` ruled it out).
 * - Stopped from outside: `fail_fast` (another task failed), `canceled`, `execution_timeout`, `invalid_payload`.
 * - Handed over to another owner: `shutdown`, `no_capacity`, `clock_unconfirmed`.
 * - Given up by others: `node_lost`, `owner_restarted`, `execution_timeout`, `event_loop_blocked`, `no_handler` (no node has
 *   code for it any more).
 *
 * Later versions may know more.
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
