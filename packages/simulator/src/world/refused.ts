import { JobistemerError } from '@jobistemer/core'
import { StorageFault } from './faulty-connection.ts'
import type { NodeLife } from './node-life.ts'
import type { World } from './world.ts'

/** What a user may be answered when others do things at the same time. */
const expectedCodes = [
  'JOB_NOT_FOUND',
  // It was never stored while its schedule lasted.
  'SCHEDULE_NEVER_FIRES',
  'OCCURRENCE_NOT_FOUND',
  'VERSION_CONFLICT',
  'INVALID_ARGUMENT',
  'SCHEDULER_STATE',
  'CLOCK_UNCONFIRMED',
  'QUEUE_FULL',
  // The node runs an older build than the one that defined the job last.
  'HANDLER_NOT_FOUND',
]

/** Answers that tell nothing of whether what was asked for took effect. */
const unknownCodes = ['STORAGE_TIMEOUT', 'ABORTED']

/** A storage that was there for so long has answered everything, however often it had to be asked. */
const longestTroubleMs = 30_000

/** Writes down that a user was refused something, and as a failure when there was no reason to. */
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
