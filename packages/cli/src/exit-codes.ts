/** The exit codes of the program. Their values never change, because scripts depend on them. */
export const exitCodes = {
  /** The command succeeded, or its answer is yes. */
  fine: 0,
  /**
   * The command ran, but its answer is no:
   * - `doctor` found an error, `plan` found a difference, or a case of `conformance` failed.
   * - The job skipped a trigger.
   * - The run that the user wanted to cancel had already ended.
   * - With `--wait`, the run ended in a state other than `completed`.
   */
  no: 1,
  /** The command line, configuration or definition is invalid, or a required package is not installed. */
  usage: 2,
  /** The storage is unreachable or unusable, or did not answer before its timeout. */
  storage: 3,
  /** The job or run does not exist, or the backfill to stop is not under way. */
  notFound: 4,
  /** Another client made a conflicting change first, or the storage rejects the call. */
  conflict: 5,
  /** The run did not end within the `--timeout` of a command that waits. The run continues. */
  waitTimeout: 6,
  /** A bug in this program. */
  internal: 70,
  /** The command has done its work, but could not write the output, for example on a full disk. */
  unwritten: 74,
  /** Ctrl-C ended the command. */
  interrupted: 130,
} as const

/** The exit codes and their meanings, for the help and the README. */
export const exitCodeMeanings: readonly (readonly [number, string])[] = [
  [exitCodes.fine, 'done, or the answer is yes'],
  [
    exitCodes.no,
    'the answer is no: an error found, a difference, a case that failed, a run that was skipped, had ended, or was not completed',
  ],
  [exitCodes.usage, 'a wrong command line, configuration or definition; a package that is missing'],
  [exitCodes.storage, 'the storage cannot be reached or used, or did not answer in time'],
  [exitCodes.notFound, 'no such job or run, or no such backfill under way'],
  [exitCodes.conflict, 'another client was faster, or the storage rejects the call'],
  [exitCodes.waitTimeout, 'the time to wait for a run is over; the run continues'],
  [exitCodes.internal, 'a fault of this program'],
  [exitCodes.unwritten, 'done, but the output could not be written'],
  [exitCodes.interrupted, 'ended by Ctrl-C'],
]
