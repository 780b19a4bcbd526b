/** How bad a finding is. `error`: something does not happen that should. `warning`: it may come to that. `info`: to know. */
export type Severity = 'error' | 'warning' | 'info'

/** Something that a check has found. */
export interface Finding {
  /** Stable, in capitals. */
  readonly code: string
  readonly severity: Severity
  /** What is so, in a sentence. */
  readonly message: string
  /** What to do about it. */
  readonly remedy: string
  /** The job that it is about. */
  readonly job?: string
  /** The node that it is about. */
  readonly node?: string
  /** The run that it is about. */
  readonly run?: string
}
