import type { JobSettingsInput, TaskSettingsInput } from '@jobistemer/core'

/** A job as plain data; nodes make definitions with handlers of it. */
export interface SimulatedJob {
  readonly name: string
  /** Its tasks name a registered handler: the job is data, and comes and goes at run time. */
  readonly isData: boolean
  /** Occurrences may overlap, in whatever version. */
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
  /** How long an attempt takes, at most. */
  readonly longestMs: number
  /** The share of attempts that fail. */
  readonly failing: number
  /** How long it takes to stop when it is told to; `null`: it takes no notice. */
  readonly stopsInMs: number | null
  readonly settings: TaskSettingsInput
}
