import { JobistemerError, printValue } from './errors.ts'
import type { Occurrence } from './occurrence.ts'

const byStateAndReason: Readonly<Record<string, string>> = {
  'skipped overlap': 'An earlier run of the job was not over, and its overlap policy skips what comes then.',
  'skipped queue_full': 'As many runs waited already as the job lets wait (maxQueued).',
  'skipped paused': 'The job was paused.',
  'missed paused': 'The job was paused.',
  'missed execute_last': 'No node was there in time. Of the missed slots, the recovery strategy runs the last one.',
  'missed execute_all': 'No node was there in time.',
  'missed compressed': 'No node was there in time. The recovery strategy runs once for all missed slots.',
  'missed bounded_window': 'No node was there in time, and the recovery strategy does not go back so far.',
  'missed mark_as_missed': 'No node was there in time, and the recovery strategy runs no missed slots.',
  'canceled displaced': 'A later run took its place, by the overlap policy.',
  'canceled updated': 'The job was updated, and what waited was canceled.',
  'canceled deleted': 'The job was deleted.',
  'canceled canceled': 'Somebody canceled it.',
  'canceled backfill_stopped': 'It waited in a backfill that was stopped.',
  'failed fail_fast': 'A task failed, and by the failure strategy nothing more starts.',
  'failed execution_timeout': 'It ran longer than its executionTimeout.',
  'failed shutdown': 'Its node shut down, and the job is not taken up again (onInterrupted: fail).',
  'failed invalid_payload': 'Its data do not fit the payload schema of the job.',
  'failed storage_refused': 'The storage cannot keep what a task returned or threw.',
  'failed node_lost': 'Its node died, and it is not taken up again.',
  'failed_stale node_lost': 'Its node died, and it is not taken up again.',
  'failed_stale event_loop_blocked':
    'Its handler blocked the event loop of two nodes until they counted as dead. Isolate the task.',
  'failed_stale owner_restarted': 'Its node was started again without it, and it is not taken up again.',
  'failed_stale execution_timeout': 'It ran longer than its executionTimeout, and its node did not end it.',
  'pending node_lost': 'Its node died; it waits for another one.',
  'pending owner_restarted': 'Its node was started again without it; it waits to be taken up.',
  'pending shutdown': 'Its node shut down, and handed it back.',
  'pending delayed': 'It was asked for a later time.',
  'pending start_rate': 'As many runs of the job have started as its startRate allows; it waits for its time.',
  'pending no_capacity': 'The node that took it had no room for it, and handed it back.',
  'pending no_handler': 'The node that took it has no code for it, and handed it back.',
  'pending unanswered': 'A node took it with a call whose answer was lost, and handed it back.',
  'pending clock_unconfirmed': 'The clock of the node that took it had jumped; it was handed back.',
}

const byState: Readonly<Record<Occurrence['state'], string>> = {
  pending: 'It waits for a node with a free place.',
  queued:
    'It waits for a place: as many runs of the job are active as it lets be at once (maxConcurrency, 1 by default).',
  running: 'A node runs it.',
  completed: 'All of its tasks completed.',
  completed_with_errors: 'All of its tasks ran, and not all completed.',
  failed: 'A task failed.',
  failed_stale: 'Its node did not end it.',
  canceled: 'It was canceled.',
  skipped: 'It was not run.',
  missed: 'No node was there in time.',
}

const stoppedBecause = 'backfill_stopped: '

/**
 * Explains the state of a run in a sentence. A reason that a user gave is not part of it.
 * @throws JobistemerError `INVALID_ARGUMENT`
 */
export function whyOf(occurrence: Pick<Occurrence, 'state' | 'reason'>): string {
  if (typeof occurrence !== 'object' || occurrence === null || !Object.hasOwn(byState, occurrence.state)) {
    throw new JobistemerError('INVALID_ARGUMENT', {
      message: `occurrence is not an occurrence: ${printValue(occurrence)}.`,
      field: 'occurrence',
      value: occurrence,
      remedy: 'Give an occurrence as occurrences() or explain() returns it.',
    })
  }
  const { state, reason } = occurrence
  if (reason?.startsWith(stoppedBecause))
    return `It waited in a backfill that was stopped: ${reason.slice(stoppedBecause.length)}`
  return byStateAndReason[`${state} ${reason}`] ?? byState[state]
}
