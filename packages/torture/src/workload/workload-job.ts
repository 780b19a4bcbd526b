import type { JobSettingsInput, TaskSettingsInput } from '@jobistemer/core'

/** A job of the workload as plain data: the nodes make handlers for it, the checks look its rules up. */
export interface WorkloadJob {
  readonly name: string
  /** Six fields, UTC. */
  readonly cron: string
  readonly settings: JobSettingsInput & { readonly overlapPolicy: NonNullable<JobSettingsInput['overlapPolicy']> }
  readonly tasks: readonly WorkloadTask[]
}

export interface WorkloadTask {
  readonly name: string
  /** How long an attempt takes: at least, at most, in milliseconds. */
  readonly durationMs: readonly [number, number]
  /** Share of attempts that fail. Default 0. */
  readonly failing?: number
  /** Share of attempts that go on until they are told to stop. Default 0. */
  readonly endless?: number
  /** Takes no notice of its signal. Only for jobs whose occurrences may overlap. */
  readonly deaf?: boolean
  /** Writes a row and its end in one transaction, on a storage that can do that. */
  readonly moves?: boolean
  readonly settings?: TaskSettingsInput
}
