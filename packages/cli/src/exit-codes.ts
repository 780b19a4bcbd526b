/** The exit codes of the program. They are stable, because scripts depend on them. */
export const exitCodes = {
  /** Done, or the answer is yes. */
  fine: 0,
  /**
   * The answer is no: `doctor` has found an error, `plan` a difference, or `conformance` a failed case. Or a trigger was
   * skipped, a run to cancel had ended before, or a run with `--wait` was not completed.
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
  /** The time to wait for a run is over; the run continues. */
  waitTimeout: 6,
  /** A fault of this program. */
  internal: 70,
  /** The command has done its work, but could not write the output, for example on a full disk. */
  unwritten: 74,
  /** Ended by Ctrl-C. */
  interrupted: 130,
} as const

/** The meanings of the exit codes, for the help and the README. */
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
  [exitCodes.waitTimeout, 'the time to wait for a run is over; the run continues'],
  [exitCodes.internal, 'a fault of this program'],
  [exitCodes.unwritten, 'done, but the output could not be written'],
  [exitCodes.interrupted, 'ended by Ctrl-C'],
]
