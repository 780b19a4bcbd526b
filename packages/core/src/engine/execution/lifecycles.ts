// The lifecycles of an attempt and of an execution as transition tables. TaskProgress and Execution change their state
// through `transition` only. An event that a state does not list changes nothing.

type Table = Readonly<Record<string, Readonly<Record<string, string>>>>

export type StateOf<T extends Table> = Extract<keyof T, string>
export type EventOf<T extends Table> = { readonly [From in keyof T]: keyof T[From] }[keyof T]

/** Returns the state after the event; `undefined` if the event changes nothing in this state. */
export function transition<T extends Table>(table: T, from: StateOf<T>, event: EventOf<T>): StateOf<T> | undefined {
  return (table[from] as { readonly [Of in EventOf<T>]?: StateOf<T> })[event]
}

/**
 * Events: `begin` an attempt that the storage has already; `announce` it to the storage, `announce_early` with a retry
 * interval; the storage has `acknowledge`d it; it is `due` after its interval; `call` its handler; `abort` it before that;
 * `stop`: its signal fires; `decide`: its handler has ended after it wrote in a transaction; `end`: its end is known.
 */
export const attemptTransitions = {
  /** The task has no attempt now: it has not started, is between two owners, or has ended. */
  none: { begin: 'stored', announce: 'announced', announce_early: 'announced_early' },
  /** The attempt was sent to the storage, and its retry interval is not over. */
  announced_early: { acknowledge: 'stored_early', due: 'announced', abort: 'none' },
  /** The attempt was sent to the storage. */
  announced: { acknowledge: 'stored', abort: 'none' },
  /** The storage has the attempt, and its retry interval is not over. */
  stored_early: { due: 'stored', abort: 'none' },
  /** The storage has the attempt: the handler may be called. */
  stored: { call: 'running', abort: 'none' },
  running: { stop: 'stopping', decide: 'deciding', end: 'none' },
  /** The handler still runs after its signal has fired. */
  stopping: { decide: 'deciding', end: 'none' },
  /** The storage is asked whether a transaction of the handler has completed the task. */
  deciding: { end: 'none' },
} as const

/** Events: the `tasks_ended`; the storage has `acknowledge`d the end; another owner, or a forced cancel, makes it `lose`. */
export const executionTransitions = {
  /** Attempts begin, and their ends count. */
  open: { tasks_ended: 'closing', lose: 'closed' },
  /** All tasks have ended, and the execution settles its end. */
  closing: { acknowledge: 'closed', lose: 'closed' },
  closed: {},
} as const

/**
 * The halt of an open execution. A `finish` is final. A `release` can be replaced by a `finish` or by a later `release`.
 */
export const haltTransitions = {
  none: { release: 'release', finish: 'finish' },
  release: { release: 'release', finish: 'finish' },
  finish: {},
} as const
