import type { JobSettingsInput, TaskSettingsInput } from '@jobistemer/core'

/** A job of the workload as plain data. Nodes build its definition, and the checks derive its expected properties. */
export interface WorkloadJob {
  readonly name: string
  /** Cron expression with six fields, in UTC. */
  readonly cron: string
  readonly settings: JobSettingsInput & { readonly overlapPolicy: NonNullable<JobSettingsInput['overlapPolicy']> }
  readonly tasks: readonly WorkloadTask[]
}

export interface WorkloadTask {
  readonly name: string
  /** Minimum and maximum duration of an attempt, in ms. */
  readonly durationMs: readonly [number, number]
  /** Share of attempts that fail, 0 to 1. Default 0. */
  readonly failing?: number
  /** Share of attempts that run until they are aborted, 0 to 1. Default 0. */
  readonly endless?: number
  /** Whether the handler ignores its abort signal. Only for jobs whose occurrences may overlap. */
  readonly deaf?: boolean
  /** Whether the handler writes a row and completes in one transaction, if the storage supports that. */
  readonly moves?: boolean
  readonly settings?: TaskSettingsInput
}
