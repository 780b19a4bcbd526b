import type { JobSettingsInput, TaskSettingsInput } from '@jobistemer/core'

/** A job as plain data. Nodes create definitions with handlers from these data. */
export interface SimulatedJob {
  readonly name: string
  /** Whether the job is data: its tasks name a registered handler, and users add and remove the job at run time. */
  readonly isData: boolean
  /** Whether every version of the job allows overlapping occurrences. */
  readonly overlaps: boolean
  /** The job's definition in each code build, oldest first. */
  readonly builds: readonly SimulatedDefinition[]
}

export interface SimulatedDefinition {
  readonly intervalMs: number
  readonly phaseMs: number
  /** The end of the schedule; `null` if the schedule never ends. */
  readonly endMs: number | null
  readonly settings: JobSettingsInput
  readonly tasks: readonly SimulatedTask[]
}

export interface SimulatedTask {
  readonly name: string
  /** Maximum duration of an attempt, in ms. */
  readonly longestMs: number
  /** Share of attempts that fail, 0 to 1. */
  readonly failing: number
  /** Time that the task needs to stop after an abort, in ms; `null` if the task ignores the abort. */
  readonly stopsInMs: number | null
  readonly settings: TaskSettingsInput
}
