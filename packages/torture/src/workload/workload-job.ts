import type { JobSettingsInput, TaskSettingsInput } from '@jobistemer/core'

/** A job of the workload as plain data. Nodes create handlers for it, and the checks read its rules. */
export interface WorkloadJob {
  readonly name: string
  /** Six fields, UTC. */
  readonly cron: string
  readonly settings: JobSettingsInput & { readonly overlapPolicy: NonNullable<JobSettingsInput['overlapPolicy']> }
  readonly tasks: readonly WorkloadTask[]
}

export interface WorkloadTask {
  readonly name: string
  /** Minimum and maximum duration of an attempt, in milliseconds. */
  readonly durationMs: readonly [number, number]
  /** Share of attempts that fail. Default 0. */
  readonly failing?: number
  /** Share of attempts that run until they are aborted. Default 0. */
  readonly endless?: number
  /** Ignores its signal. Only for jobs whose occurrences may overlap. */
  readonly deaf?: boolean
  /** Writes a row and completes in one transaction, if the storage can do that. */
  readonly moves?: boolean
  readonly settings?: TaskSettingsInput
}
