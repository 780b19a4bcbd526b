import { JobistemerError } from '@jobistemer/core'
import { StorageFault } from './faulty-connection.ts'
import type { NodeLife } from './node-life.ts'
import type { World } from './world.ts'

/** Errors that a user's operation may receive while other users act at the same time. */
const expectedCodes = [
  'JOB_NOT_FOUND',
  // The node stored the job only after the end of the job's schedule.
  'SCHEDULE_NEVER_FIRES',
  'OCCURRENCE_NOT_FOUND',
  'VERSION_CONFLICT',
  'SCHEDULER_STATE',
  'CLOCK_UNCONFIRMED',
  'QUEUE_FULL',
  // A newer build defined the job with a handler that this node's build does not have.
  'HANDLER_NOT_FOUND',
]

/** Operations and their fields that may be rejected with `INVALID_ARGUMENT`. */
const expectedFields = [
  // A node whose clock reads an earlier time rejects a backfill up to the present time.
  'backfill to',
  // The slot has passed, or the schedule has changed, since the user listed the next slots.
  'cancelSlot at',
]

/** Error codes after which the operation may have taken effect. */
const unknownCodes = ['STORAGE_TIMEOUT', 'ABORTED']

/** Maximum time until an available storage has answered a call, including retries, in ms. */
const longestTroubleMs = 30_000

/** Records that an operation was rejected. An error that no fault or other user explains is recorded as a failure. */
export function tellRefusal(
  { history, clock }: World,
  life: NodeLife,
  asked: { readonly operation: string; readonly detail: string; readonly error: unknown },
): void {
  const { operation, detail, error } = asked
  const message = error instanceof Error ? error.message : String(error)
  const isUnknown = error instanceof StorageFault || hasCode(error, unknownCodes)
  const isTooLate =
    JobistemerError.isInstance(error, 'STORAGE_TIMEOUT') && clock.monotonic() - life.disturbedAt > longestTroubleMs
  const invalid = JobistemerError.isInstance(error, 'INVALID_ARGUMENT') ? `${operation} ${error.field}` : ''
  if (!isTooLate && (isUnknown || expectedFields.includes(invalid) || hasCode(error, expectedCodes))) {
    const outcome = isUnknown ? 'unknown' : 'fail'
    history.add(life.name, { kind: 'operation', operation, detail: `${detail}: ${message}` }, outcome)
    return
  }
  const text = error instanceof Error ? `${message}\n${error.stack}` : message
  history.add(life.name, { kind: 'failure', where: `${operation} ${detail}`, message: text }, 'fail')
}

function hasCode(error: unknown, codes: readonly string[]): boolean {
  return JobistemerError.isInstance(error) && codes.includes(error.code)
}
