import type { OccurrenceId } from '@jobistemer/core'
import type { CrashPoint } from './crash-points.ts'

/** What a node process is told when it is started, as JSON on its command line. */
export interface Assignment {
  readonly life: string
  /** `null`: the scheduler makes up its own, as by default. */
  readonly nodeId: string | null
  readonly storage: string
  readonly location: string
  /** By how much its clock is ahead of the machine's. */
  readonly clockOffsetMs: number
  readonly witnessFile: string
  readonly historyFile: string
  readonly seed: string
  /** It calls `runDue` again and again, in place of starting its scheduler. */
  readonly isCaller: boolean
  /** Where to kill itself; `null`: nowhere. */
  readonly crashPoint: CrashPoint | null
  /** A way in which its storage is broken, to check that the checks find it; `null`: whole. */
  readonly sabotage: string | null
}

/** What a node can be asked to do. */
export type Command =
  | { readonly do: 'trigger'; readonly job: string; readonly key: string; readonly priority: number }
  /** Replays a random one of the job's occurrences that have ended. */
  | { readonly do: 'replay'; readonly job: string; readonly key: string; readonly choice: number }
  | { readonly do: 'pause'; readonly job: string }
  | { readonly do: 'resume'; readonly job: string }
  /** Cancels a random one of the job's live occurrences. */
  | { readonly do: 'cancel'; readonly job: string; readonly choice: number; readonly force: boolean }
  /** Ends the schedules of all jobs: nothing is due any more after `at`, in epoch milliseconds. */
  | { readonly do: 'end-schedules'; readonly at: number }
  /** Sends itself SIGSTOP: no call of the storage is under way in its thread then. Answered once it goes on. */
  | { readonly do: 'stop' }
  /** Sets its clock to so much ahead of the machine's. */
  | { readonly do: 'set-clock'; readonly offsetMs: number }
  /** Crashes no more by itself: whoever came after it would add its jobs as they were, when their schedules have ended. */
  | { readonly do: 'stay' }
  | { readonly do: 'shutdown' }

export type ToNode = { readonly number: number; readonly command: Command }

export type FromNode =
  | { readonly kind: 'ready'; readonly node: string }
  | { readonly kind: 'done'; readonly number: number; readonly occurrence: OccurrenceId | null }
  /** The command failed in a way that has to do with the run: nothing to replay, a storage that was busy. */
  | { readonly kind: 'failed'; readonly number: number; readonly error: string }
