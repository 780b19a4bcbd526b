import type { JobId, OccurrenceId } from '@jobistemer/core'

/** The names of the rules that a history can break. */
export type Rule =
  /** An occurrence was created again although its record existed or its slot lay below the prune floor. */
  | 'created twice'
  /** A slot was created that is not the next slot after the watermark by the schedule in force. */
  | 'off series'
  /** The watermark of a job moved back without a realign. */
  | 'watermark back'
  /** A slot below the watermark has no record. */
  | 'hole'
  /** The storage accepted a recovery although the watermark had moved, or the recovery ran slots that its strategy excludes. */
  | 'recovery'
  /** Two occurrences of a job that does not allow overlap ran at once. */
  | 'overlap'
  /** More occurrences of a job started within an interval than its start rate allows. */
  | 'start rate'
  /** A node claimed or woke an occurrence although another occurrence preceded it in the order. */
  | 'order'
  /** The storage gave out a token twice, or the tokens of an occurrence did not grow. */
  | 'token'
  /** The storage accepted a settle under a token that is no longer valid. */
  | 'stale write'
  /** An occurrence ended twice. */
  | 'ended twice'
  /** A node reaped an occurrence before its deadline, by the clock of that node. */
  | 'reaped early'
  /** A node started an occurrence before the scheduled time, by the clock of that node. */
  | 'early start'
  /**
   * A node created slots, claimed occurrences or decided missed slots by a time that no clock had shown for long enough.
   */
  | 'clock'
  /** A node claimed or started an occurrence inside a pause. */
  | 'pause'
  /** An occurrence was created under a superseded version, or ran under an older version than the version of its creation. */
  | 'version'
  /** An older build restored a replaced definition although a node with the newer definition lived. */
  | 'flip back'
  /** All living nodes are of one build, but the definition of another build is in force. */
  | 'in force'
  /** One attempt of a task started twice. */
  | 'started twice'
  /** A handler started without a claim, without a stored attempt, or on a dead or stopped node. */
  | 'unfounded start'
  /** A request ran as two occurrences, or its answer names an occurrence that does not exist. */
  | 'request'
  /** Under `onInterrupted: 'fail'`, a handler was called after another handler of the occurrence was interrupted. */
  | 'interrupted'
  /** The attempt numbers of a task have a gap, or the number of attempts fell. */
  | 'attempts'
  /** A call of `runDue` exceeded its budget. */
  | 'budget'
  /** A node made calls or held timers after its shutdown. */
  | 'shutdown'
  /** The storage has lost a record that no prune removed. */
  | 'lost record'
  /** Stored records contradict each other or the history. */
  | 'ledger'
  /** A node declared a peer dead although the peer lived and its heartbeats arrived whenever the storage was available. */
  | 'false death'
  /** No node took over the runs of a dead node in time. */
  | 'takeover'
  /** A node asked the storage for work although the storage had not accepted its heartbeats for 80 % of `deadAfter`. */
  | 'isolated'
  /** A slot was launched late although no fault had happened since it was due. */
  | 'late slot'
  /** After the faults, an occurrence does not end, or a job does not run. */
  | 'stuck'
  /** A node or user received an error that no fault explains. */
  | 'failure'

export interface Violation {
  readonly rule: Rule
  readonly message: string
  readonly jobId: JobId | null
  readonly occurrence: OccurrenceId | null
  /** The index, in the history, of the event that showed the violation; `null` if the final state of the storage showed it. */
  readonly event: number | null
}
