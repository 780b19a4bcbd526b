import type { FinalState, TaskRunState } from '../../storage/occurrence-record.ts'
import type { SettleChange } from '../../storage/storage.ts'
import type { AbortReason } from './abort-errors.ts'

// The lifecycles of an attempt and of an execution as transition tables. An event that a state does not list changes nothing.
// The storage does not keep these states; engine.md shows the stored states.

type Table = Readonly<Record<string, Readonly<Record<string, string>>>>

export type StateOf<T extends Table> = Extract<keyof T, string>
export type EventOf<T extends Table> = { readonly [From in keyof T]: keyof T[From] }[keyof T]

/** Returns the state that follows `from` after the event; `undefined` if the event changes nothing in that state. */
export function transition<T extends Table>(table: T, from: StateOf<T>, event: EventOf<T>): StateOf<T> | undefined {
  return (table[from] as { readonly [Of in EventOf<T>]?: StateOf<T> })[event]
}

/**
 * Events:
 * - `begin`: the storage already has the attempt.
 * - `announce`: the task sends the attempt to the storage. The attempt has no retry interval.
 * - `announce_early`: the task sends the attempt to the storage while its retry interval lasts.
 * - `acknowledge`: the storage has the attempt.
 * - `due`: the retry interval is over.
 * - `call`: the task calls the handler.
 * - `abort`: the attempt ends before its handler is called.
 * - `stop`: the signal of the attempt fires.
 * - `decide`: the handler has ended after it called `complete`.
 * - `end`: the result of the attempt is known, or the engine has given up on the handler.
 */
export const attemptTransitions = {
  /** The task has no attempt now: it has not started, is between two owners, or has ended. */
  none: { begin: 'stored', announce: 'announced', announce_early: 'announced_early' },
  /** The task has sent the attempt to the storage, and the retry interval is not over. */
  announced_early: { acknowledge: 'stored_early', due: 'announced', abort: 'none' },
  /** The task has sent the attempt to the storage, which has not answered yet. */
  announced: { acknowledge: 'stored', abort: 'none' },
  /** The storage has the attempt, and the attempt's retry interval is not over. */
  stored_early: { due: 'stored', abort: 'none' },
  /**
   * The storage has the attempt: the handler may be called, but not before `onStart` has ended. So `acknowledge` changes
   * nothing here: an answer of the storage that arrives during `onStart` must not call the handler.
   */
  stored: { call: 'running', abort: 'none' },
  running: { stop: 'stopping', decide: 'deciding', end: 'none' },
  /** The abort signal of the attempt has fired, and the handler of the task still runs. */
  stopping: { decide: 'deciding', end: 'none' },
  /** The handler has ended, and the execution reads whether its transaction has completed the task. */
  deciding: { end: 'none' },
} as const

/**
 * Events:
 * - `tasks_ended`: no task has an attempt, and no task may start.
 * - `acknowledge`: the storage has accepted the end or the hand-back of the occurrence.
 * - `lose`: the occurrence has another owner, was canceled by force, or is left to the reaper.
 */
export const executionTransitions = {
  /** The occurrence has not ended on this node, so its attempts may begin. */
  open: { tasks_ended: 'closing', lose: 'closed' },
  /** No task has an attempt any more. The execution settles its end or its hand-back. */
  closing: { acknowledge: 'closed', lose: 'closed' },
  closed: {},
} as const

/** The members of a task that determine how the execution of the occurrence ends. */
interface EndingTask {
  readonly ended: boolean
  readonly state: TaskRunState | null
  readonly retryDueAt: number | null
}

/**
 * Why an execution stops before its tasks have ended: the occurrence ends, or another owner continues it. A halt `finish` is
 * final. A later halt replaces a halt `release`.
 */
export type Halt =
  | { readonly kind: 'finish'; readonly state: FinalState; readonly reason: string }
  | { readonly kind: 'release'; readonly reason: string }

// The change for a completed occurrence. All executions share this object, so that none allocates an object: a node may end
// tens of thousands of executions per second.
const completed: SettleChange = Object.freeze({ kind: 'finish', state: 'completed', reason: null })

/**
 * Returns the last change of an occurrence on this node. A halt `finish` has precedence over the states of the tasks. A halt
 * `release` has no effect if all tasks have ended.
 */
export function finalChange(
  halt: Halt | null,
  tasks: readonly EndingTask[],
  failedFast: boolean,
  now: number,
): SettleChange {
  if (halt?.kind === 'release' && tasks.some((task) => !task.ended)) {
    return { kind: 'release', dueAt: resumableAt(tasks, now), reason: halt.reason }
  }
  if (halt?.kind === 'finish') return halt
  // If a task was canceled, the failure of another task has ended the occurrence. The transaction of that other task may have
  // been committed later, so that `failedFast` is false. The occurrence fails with `fail_fast` nevertheless.
  const isCanceled = tasks.some((task) => task.state === 'canceled')
  if (failedFast || isCanceled) return { kind: 'finish', state: 'failed', reason: 'fail_fast' }
  const failed = tasks.some((task) => task.state === 'failed')
  return failed ? { kind: 'finish', state: 'completed_with_errors', reason: null } : completed
}

/** Returns the instant in epoch ms from which another owner may continue: the earliest retry, or now if no task retries. */
function resumableAt(tasks: readonly EndingTask[], now: number): number {
  const begun = tasks.filter((task) => task.state === 'retrying')
  const at = Math.min(...begun.map((task) => task.retryDueAt ?? now))
  return Number.isFinite(at) ? Math.max(now, at) : now
}

/**
 * Returns the abort reason of a task that has not ended when the execution ends early. The reason of a failure may be that of a
 * hand-back, such as `shutdown` or `isolated`. Then `onInterrupted: 'fail'` has turned a hand-back into this failure.
 */
export function giveUpReason(halt: Halt): AbortReason {
  if (halt.kind === 'release' || halt.reason === 'shutdown') return 'shutdown'
  if (halt.reason === 'storage_refused' || halt.reason === 'isolated' || halt.reason === 'invalid_payload') {
    return halt.reason
  }
  return halt.state === 'canceled' ? 'canceled' : 'execution_timeout'
}
