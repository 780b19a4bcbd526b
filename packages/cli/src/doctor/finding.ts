/** Severity of a finding. `error`: work is not done. `warning`: work may not be done later. `info`: no problem. */
export type Severity = 'error' | 'warning' | 'info'

/** A finding of a check. */
export interface Finding {
  /** Stable, in capitals. */
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
