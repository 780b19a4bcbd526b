/** What the program's exit codes mean. They are stable: scripts decide by them. */
export const exitCodes = {
  /** Done, or the answer is yes. */
  fine: 0,
  /**
   * The answer is no: `doctor` has found an error, `plan` a difference, `conformance` a case that fails; a trigger was skipped, a run had ended before, or was
   * waited for and not completed.
   */
  no: 1,
  /** A wrong command line, configuration or definition; a package that is not installed. */
  usage: 2,
  /** The storage cannot be reached or used, or did not answer in time. */
  storage: 3,
  /** No such job or run. */
  notFound: 4,
  /** Another client was faster, or the storage rejects the call. */
  conflict: 5,
  /** The time to wait for a run is over; the run goes on. */
  waitTimeout: 6,
  /** A fault of this program. */
  internal: 70,
  /** What was to be done is done, but the output could not be written, as on a full disk. */
  unwritten: 74,
  /** Ended by Ctrl-C. */
  interrupted: 130,
} as const

/** For the help, and for the README. */
export const exitCodeMeanings: readonly (readonly [number, string])[] = [
  [exitCodes.fine, 'done, or the answer is yes'],
  [
    exitCodes.no,
    'the answer is no: an error found, a difference, a case that failed, a run that was skipped, had ended, or was not completed',
  ],
  [exitCodes.usage, 'a wrong command line, configuration or definition; a package that is missing'],
  [exitCodes.storage, 'the storage cannot be reached or used, or did not answer in time'],
  [exitCodes.notFound, 'no such job or run'],
  [exitCodes.conflict, 'another client was faster, or the storage rejects the call'],
  [exitCodes.waitTimeout, 'the time to wait for a run is over; the run goes on'],
  [exitCodes.internal, 'a fault of this program'],
  [exitCodes.unwritten, 'done, but the output could not be written'],
  [exitCodes.interrupted, 'ended by Ctrl-C'],
]
