// The lifecycles of an attempt and of an execution as transition tables. TaskProgress and Execution change their state
// through `transition` only. An event that a state does not list changes nothing.

export type Transitions<State extends string, Event extends string> = {
  readonly [From in State]: { readonly [Of in Event]?: State }
}

/** Returns the state after the event; `undefined` if the event changes nothing in this state. */
export function transition<State extends string, Event extends string>(
  table: Transitions<State, Event>,
  from: State,
  event: Event,
): State | undefined {
  return table[from][event]
}

export type AttemptStep =
  /** The task has no attempt now: it has not started, is between two owners, or has ended. */
  | 'none'
  /** The attempt was sent to the storage, and its retry interval is not over. */
  | 'announced_early'
  /** The attempt was sent to the storage. */
  | 'announced'
  /** The storage has the attempt, and its retry interval is not over. */
  | 'stored_early'
  /** The storage has the attempt: the handler may be called. */
  | 'stored'
  | 'running'
  /** The handler still runs after its signal has fired. */
  | 'stopping'
  /** The handler has ended. The storage is asked whether a transaction of the handler has completed the task. */
  | 'deciding'

export type AttemptEvent =
  /** The execution begins with an attempt that the storage has already. */
  | 'begin'
  | 'announce'
  /** As `announce`, with a retry interval. */
  | 'announce_early'
  /** The storage has acknowledged the attempt. */
  | 'acknowledge'
  /** The retry interval is over. */
  | 'due'
  | 'call'
  /** The attempt ends before its handler is called. */
  | 'abort'
  /** The signal of the handler fires. */
  | 'stop'
  /** The handler has ended after it has written in a transaction. */
  | 'decide'
  /** The end of the attempt is known. */
  | 'end'

export const attemptTransitions: Transitions<AttemptStep, AttemptEvent> = {
  none: { begin: 'stored', announce: 'announced', announce_early: 'announced_early' },
  announced_early: { acknowledge: 'stored_early', due: 'announced', abort: 'none' },
  announced: { acknowledge: 'stored', abort: 'none' },
  stored_early: { due: 'stored', abort: 'none' },
  stored: { call: 'running', abort: 'none' },
  running: { stop: 'stopping', decide: 'deciding', end: 'none' },
  stopping: { decide: 'deciding', end: 'none' },
  deciding: { end: 'none' },
}

export type ExecutionPhase =
  /** Attempts begin, and their ends count. */
  | 'open'
  /** All tasks have ended, and the storage is being told. */
  | 'closing'
  | 'closed'

export type ExecutionEvent =
  | 'tasks_ended'
  /** The storage has acknowledged the end. */
  | 'acknowledge'
  /** Another owner has the occurrence, or it was ended in this node's place. */
  | 'lose'

export const executionTransitions: Transitions<ExecutionPhase, ExecutionEvent> = {
  open: { tasks_ended: 'closing', lose: 'closed' },
  closing: { acknowledge: 'closed', lose: 'closed' },
  closed: {},
}

/** What an open execution was told to do, apart from its tasks: nothing, hand back, or finish with a given state. */
export type HaltKind = 'none' | 'release' | 'finish'

/** A request to finish is final. A request to hand back gives way to it, and to a later one to hand back. */
export const haltTransitions: Transitions<HaltKind, Exclude<HaltKind, 'none'>> = {
  none: { release: 'release', finish: 'finish' },
  release: { release: 'release', finish: 'finish' },
  finish: {},
}
