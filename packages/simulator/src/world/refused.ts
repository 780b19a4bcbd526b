import { JobistemerError } from '@jobistemer/core'
import { StorageFault } from './faulty-connection.ts'
import type { NodeLife } from './node-life.ts'
import type { World } from './world.ts'

/** Errors that a user may receive while others act at the same time. */
const expectedCodes = [
  'JOB_NOT_FOUND',
  // The job was not stored while its schedule lasted.
  'SCHEDULE_NEVER_FIRES',
  'OCCURRENCE_NOT_FOUND',
  'VERSION_CONFLICT',
  'INVALID_ARGUMENT',
  'SCHEDULER_STATE',
  'CLOCK_UNCONFIRMED',
  'QUEUE_FULL',
  // The build that last defined the job is newer than the build of this node.
  'HANDLER_NOT_FOUND',
]

/** Error codes that leave open whether the operation took effect. */
const unknownCodes = ['STORAGE_TIMEOUT', 'ABORTED']

/** Time after which a reachable storage must have answered every call, including retries, in ms. */
const longestTroubleMs = 30_000

/** Records that an operation was rejected. Without a valid reason it is a failure. */
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
  if (!isTooLate && (isUnknown || hasCode(error, expectedCodes))) {
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
