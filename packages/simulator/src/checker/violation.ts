import type { JobId, OccurrenceId } from '@jobistemer/core'

/** The promises that a history can break. */
export type Rule =
  /** An occurrence was created a second time, although its record was there, or below the prune floor. */
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
  /** What waited was claimed or woken before something that comes first in the order of what waits. */
  | 'order'
  /** A token was given out twice, or tokens did not grow. */
  | 'token'
  /** What somebody said under a dead token was accepted. */
  | 'stale write'
  /** Something ended twice. */
  | 'ended twice'
  /** It was taken from its owner before its deadline, by the clock of who took it. */
  | 'reaped early'
  /** Started before its time, by the clock of who started it. */
  | 'early start'
  /** Created, taken or decided by a time that no clock has shown for long enough to be believed. */
  | 'clock'
  /** Claimed or started inside a pause. */
  | 'pause'
  /** Created under a version that had been superseded, or run under an older one than it was created under. */
  | 'version'
  /** An older build put back a definition that had been replaced, although a node lived that had the newer one. */
  | 'flip back'
  /** Only nodes of one build live, and the definition of another one is in force. */
  | 'in force'
  /** An attempt of a task had two starts. */
  | 'started twice'
  /** A handler started that had no right to: not granted, not written ahead, its node dead or shut down. */
  | 'unfounded start'
  /** A request ran as two occurrences, however often it was sent, or was answered with one that does not exist. */
  | 'request'
  /** Under `onInterrupted: 'fail'` a handler was called after one of its occurrence was interrupted. */
  | 'interrupted'
  /** Numbers of attempts have a gap or went back. */
  | 'attempts'
  /** A call of `runDue` took longer than it may. */
  | 'budget'
  /** A node that was shut down went on. */
  | 'shutdown'
  /** A record is gone that nobody asked to remove. */
  | 'lost record'
  /** The stored ledger contradicts itself. */
  | 'ledger'
  /** Somebody was taken for dead who lived, and could be heard whenever the storage was there. */
  | 'false death'
  /** What a dead node ran was not taken over in time. */
  | 'takeover'
  /** A node that nobody had heard for long asked for work. */
  | 'isolated'
  /** A slot was launched long after its time, and nothing had gone wrong since. */
  | 'late slot'
  /** After the faults have stopped, something does not come to its end or does not happen again. */
  | 'stuck'
  /** An error that nobody is prepared for. */
  | 'failure'

export interface Violation {
  readonly rule: Rule
  readonly message: string
  readonly jobId: JobId | null
  readonly occurrence: OccurrenceId | null
  /** Index of the event at which it showed; `null` when it showed in the end. */
  readonly event: number | null
}
