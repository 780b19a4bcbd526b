import type { JobSettingsInput, TaskSettingsInput } from '@jobistemer/core'

/** A job as plain data. Nodes create definitions with handlers from it. */
export interface SimulatedJob {
  readonly name: string
  /** The tasks name a registered handler: the job is data, and users add and remove it at run time. */
  readonly isData: boolean
  /** Every version of the job allows overlapping occurrences. */
  readonly overlaps: boolean
  /** One definition for each build, oldest first. */
  readonly builds: readonly SimulatedDefinition[]
}

export interface SimulatedDefinition {
  readonly intervalMs: number
  readonly phaseMs: number
  /** `null`: the schedule never ends. */
  readonly endMs: number | null
  readonly settings: JobSettingsInput
  readonly tasks: readonly SimulatedTask[]
}

export interface SimulatedTask {
  readonly name: string
  /** Maximum duration of an attempt. */
  readonly longestMs: number
  /** The share of attempts that fail. */
  readonly failing: number
  /** Time that the task needs to stop after an abort; `null`: the task ignores the abort. */
  readonly stopsInMs: number | null
  readonly settings: TaskSettingsInput
}
