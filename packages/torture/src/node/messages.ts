import type { OccurrenceId } from '@jobistemer/core'
import type { CrashPoint } from './crash-points.ts'

/** The assignment of a node process, as JSON on its command line. */
export interface Assignment {
  readonly life: string
  /** `null`: the scheduler generates its own, as by default. */
  readonly nodeId: string | null
  readonly storage: string
  readonly location: string
  /** Offset of its clock from the machine's clock. */
  readonly clockOffsetMs: number
  readonly witnessFile: string
  readonly historyFile: string
  readonly seed: string
  /** The process calls `runDue` repeatedly instead of starting its scheduler. */
  readonly isCaller: boolean
  /** The point at which the process kills itself; `null`: none. */
  readonly crashPoint: CrashPoint | null
  /** Name of the sabotage that breaks its storage; `null`: none. */
  readonly sabotage: string | null
}

/** A command of the driver to a node. */
export type Command =
  | { readonly do: 'trigger'; readonly job: string; readonly key: string; readonly priority: number }
  /** Replays a random one of the job's occurrences that have ended. */
  | { readonly do: 'replay'; readonly job: string; readonly key: string; readonly choice: number }
  | { readonly do: 'pause'; readonly job: string }
  | { readonly do: 'resume'; readonly job: string }
  /** Cancels a random one of the job's live occurrences. */
  | { readonly do: 'cancel'; readonly job: string; readonly choice: number; readonly force: boolean }
  /** Ends the schedules of all jobs: no slot is due after `at`, in epoch milliseconds. */
  | { readonly do: 'end-schedules'; readonly at: number }
  /** Sends itself SIGSTOP while no storage call is in progress in its thread. Answers after it has resumed. */
  | { readonly do: 'stop' }
  /** Sets its clock to `offsetMs` ahead of the machine's clock. */
  | { readonly do: 'set-clock'; readonly offsetMs: number }
  /** Stops crashing at its crash point. A successor would add its jobs as they were before the schedules ended. */
  | { readonly do: 'stay' }
  | { readonly do: 'shutdown' }

export type ToNode = { readonly number: number; readonly command: Command }

export type FromNode =
  | { readonly kind: 'ready'; readonly node: string }
  | { readonly kind: 'done'; readonly number: number; readonly occurrence: OccurrenceId | null }
  /** The command failed for a reason of the run, such as a busy storage or no occurrence to replay. */
  | { readonly kind: 'failed'; readonly number: number; readonly error: string }
