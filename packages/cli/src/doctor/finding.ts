/**
 * Severity of a finding. `error`: nodes fail to do some work. `warning`: nodes may fail to do work later. `info`: no
 * problem.
 */
export type Severity = 'error' | 'warning' | 'info'

/** One fact that a check of `doctor` reports, with the advice for the user. */
export interface Finding {
  /** The stable code of the finding, in capital letters. */
  readonly code: string
  readonly severity: Severity
  /** One sentence that states the finding. */
  readonly message: string
  /** One sentence that tells the user how to resolve the finding. */
  readonly remedy: string
  /** The name of the job that the finding concerns. */
  readonly job?: string
  /** The id of the node that the finding concerns. */
  readonly node?: string
  /** The id of the run that the finding concerns. */
  readonly run?: string
}
