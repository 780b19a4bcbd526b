import type { JobId, OccurrenceId } from '@jobistemer/core'

/** The promises that a history can break. */
export type Rule =
  /** An occurrence was created again although its record existed or its slot lay below the prune floor. */
  | 'created twice'
  /** A job's slots are one series: the next one after the watermark, by the schedule in force, and no other. */
  | 'off series'
  /** A watermark went back. */
  | 'watermark back'
  /** A slot below the watermark has no entry. */
  | 'hole'
  /** A recovery was accepted although the watermark had moved, or ran other slots than its strategy wants. */
  | 'recovery'
  /** Two occurrences of a job that must not overlap ran at once. */
  | 'overlap'
  /** More occurrences of a job started within an interval than its start rate allows. */
  | 'start rate'
  /** A node claimed or woke an occurrence before another one that precedes it in the order. */
  | 'order'
  /** A token was given out twice, or tokens did not grow. */
  | 'token'
  /** The storage accepted a settle under a token that is no longer live. */
  | 'stale write'
  /** An occurrence ended twice. */
  | 'ended twice'
  /** A node took an occurrence from its owner before its deadline, by the clock of the taking node. */
  | 'reaped early'
  /** A node started an occurrence before its time, by the clock of that node. */
  | 'early start'
  /** A node created, claimed or decided by a time that no clock had shown for long enough to be believed. */
  | 'clock'
  /** A node claimed or started an occurrence inside a pause. */
  | 'pause'
  /** An occurrence was created under a superseded version, or ran under an older version than it was created under. */
  | 'version'
  /** An older build restored a replaced definition although a node with the newer definition lived. */
  | 'flip back'
  /** All living nodes are of one build, but the definition of another build is in force. */
  | 'in force'
  /** One attempt of a task started twice. */
  | 'started twice'
  /** A handler started without a grant, without a written attempt, or on a dead or stopped node. */
  | 'unfounded start'
  /** A request ran as two occurrences, or its answer names an occurrence that does not exist. */
  | 'request'
  /** Under `onInterrupted: 'fail'`, a handler was called after another handler of its occurrence was interrupted. */
  | 'interrupted'
  /** The numbers of attempts have a gap, or fell. */
  | 'attempts'
  /** A call of `runDue` exceeded its budget. */
  | 'budget'
  /** A node made calls or held timers after its shutdown. */
  | 'shutdown'
  /** The storage has lost a record that no prune covered. */
  | 'lost record'
  /** Stored records contradict each other. */
  | 'ledger'
  /** A node declared a peer dead that lived, and whose heartbeats arrived whenever the storage was there. */
  | 'false death'
  /** No node took over the runs of a dead node in time. */
  | 'takeover'
  /** A node requested work although the storage had not accepted its heartbeats for 80 % of `deadAfter`. */
  | 'isolated'
  /** A slot was launched late although no fault had happened since it was due. */
  | 'late slot'
  /** After the faults, an occurrence does not end, or a job does not run again. */
  | 'stuck'
  /** An error that no fault explains. */
  | 'failure'

export interface Violation {
  readonly rule: Rule
  readonly message: string
  readonly jobId: JobId | null
  readonly occurrence: OccurrenceId | null
  /** Index of the event that showed the violation; `null` if the final state showed it. */
  readonly event: number | null
}
