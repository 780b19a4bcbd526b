import type { FinalState } from '../../storage/occurrence-record.ts'
import type { SettleChange } from '../../storage/storage.ts'
import type { AbortReason } from './abort-errors.ts'
import type { TaskProgress } from './task-progress.ts'

/** Why an execution ends before its tasks have ended by themselves: the occurrence ends, or another owner continues it. */
export type Halt =
  | { readonly kind: 'finish'; readonly state: FinalState; readonly reason: string }
  | { readonly kind: 'release'; readonly reason: string }

// Shared by all executions: a node may end tens of thousands of them per second.
const completed: SettleChange = Object.freeze({ kind: 'finish', state: 'completed', reason: null })

/**
 * Returns the last change of an occurrence on this node. A `finish` halt has precedence over the states of the tasks. A
 * `release` halt counts only if a task has not ended: otherwise the occurrence ends as if no halt were set.
 */
export function finalChange(
  halt: Halt | null,
  tasks: readonly TaskProgress[],
  failedFast: boolean,
  now: number,
): SettleChange {
  if (halt?.kind === 'release' && tasks.some((task) => !task.ended)) {
    return { kind: 'release', dueAt: resumableAt(tasks, now), reason: halt.reason }
  }
  if (halt?.kind === 'finish') return halt
  // `fail_fast` has canceled this task. The failed task may have been completed by a transaction that was committed late.
  const isCanceled = tasks.some((task) => task.state === 'canceled')
  if (failedFast || isCanceled) return { kind: 'finish', state: 'failed', reason: 'fail_fast' }
  const failed = tasks.some((task) => task.state === 'failed')
  return failed ? { kind: 'finish', state: 'completed_with_errors', reason: null } : completed
}

/** Returns when another owner may continue, in epoch ms: the earliest retry of a `retrying` task; now if no task retries. */
function resumableAt(tasks: readonly TaskProgress[], now: number): number {
  const begun = tasks.filter((task) => task.state === 'retrying')
  const at = Math.min(...begun.map((task) => task.retryDueAt ?? now))
  return Number.isFinite(at) ? Math.max(now, at) : now
}

/**
 * Returns the reason of a task that has not ended by itself when its occurrence ends. A release that `onInterrupted: 'fail'`
 * has turned into a failure keeps its reason, `shutdown` or `isolated`.
 */
export function giveUpReason(halt: Halt): AbortReason {
  if (halt.kind === 'release' || halt.reason === 'shutdown') return 'shutdown'
  if (halt.reason === 'storage_refused' || halt.reason === 'isolated' || halt.reason === 'invalid_payload') {
    return halt.reason
  }
  return halt.state === 'canceled' ? 'canceled' : 'execution_timeout'
}
