import type { OccurrenceId } from '@jobistemer/core'
import type { CrashPoint } from './crash-points.ts'

/** The settings of a node process, passed as JSON on its command line. */
export interface Assignment {
  readonly life: string
  /** The name of the node; `null`: the scheduler generates its name, as by default. */
  readonly nodeId: string | null
  readonly storage: string
  readonly location: string
  /** Offset of the process's clock from the machine's clock, in ms. */
  readonly clockOffsetMs: number
  readonly witnessFile: string
  readonly historyFile: string
  readonly seed: string
  /** Whether the process calls `runDue` in a loop instead of starting its scheduler. */
  readonly isCaller: boolean
  /** The point at which the process kills itself; `null`: none. */
  readonly crashPoint: CrashPoint | null
  /** Name of the sabotage that breaks the process's storage; `null`: none. */
  readonly sabotage: string | null
}

/** A command of the driver to a node process. */
export type Command =
  | { readonly do: 'trigger'; readonly job: string; readonly key: string; readonly priority: number }
  /** Replays an ended occurrence of the job. `choice`, a number in `[0, 1)`, selects the occurrence. */
  | { readonly do: 'replay'; readonly job: string; readonly key: string; readonly choice: number }
  | { readonly do: 'pause'; readonly job: string }
  | { readonly do: 'resume'; readonly job: string }
  /** Cancels a live occurrence of the job. `choice`, a number in `[0, 1)`, selects the occurrence. */
  | { readonly do: 'cancel'; readonly job: string; readonly choice: number; readonly force: boolean }
  /** Ends the schedules of all jobs: no slot is due after `at`, in epoch milliseconds. */
  | { readonly do: 'end-schedules'; readonly at: number }
  /**
   * Makes the process stop itself with SIGSTOP while no storage call is in progress in its thread. The process answers
   * after it has resumed.
   */
  | { readonly do: 'stop' }
  /** Sets the process's clock to `offsetMs` ahead of the machine's clock. */
  | { readonly do: 'set-clock'; readonly offsetMs: number }
  /**
   * Disables the crash point of the process. The driver sends this command before it ends the schedules. If the process
   * crashed later, its successor would add the data jobs again, with their old schedules.
   */
  | { readonly do: 'stay' }
  | { readonly do: 'shutdown' }

export type ToNode = { readonly number: number; readonly command: Command }

export type FromNode =
  | { readonly kind: 'ready'; readonly node: string }
  | { readonly kind: 'done'; readonly number: number; readonly occurrence: OccurrenceId | null }
  /** The command failed for an expected reason, such as a busy storage or no occurrence to replay. */
  | { readonly kind: 'failed'; readonly number: number; readonly error: string }
