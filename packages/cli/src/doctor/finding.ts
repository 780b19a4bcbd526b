/** Severity of a finding. `error`: work is not done. `warning`: work may not be done later. `info`: no problem. */
export type Severity = 'error' | 'warning' | 'info'

/** A finding of a check. */
export interface Finding {
  /** Stable, in capitals. */
  readonly code: string
  readonly severity: Severity
  /** The finding in a sentence. */
  readonly message: string
  /** What the user can do. */
  readonly remedy: string
  /** The job of the finding. */
  readonly job?: string
  /** The node of the finding. */
  readonly node?: string
  /** The run of the finding. */
  readonly run?: string
}
