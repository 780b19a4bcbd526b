import type { JobSettingsInput, SerializedSchedule, TriggerItem } from '@jobistemer/core'
import type { OffsetChange } from './offset-changes.ts'

/** A job that a source describes. */
export interface ImportedJob {
  readonly name: string
  /** Where the source keeps it, for people: `line 7`, `queue mails, scheduler nightly`. */
  readonly origin: string
  /** As the tickers store it; `null`: the job runs on request only. */
  readonly schedule: SerializedSchedule | null
  /** The name under which nodes register the handler. */
  readonly handler: string
  /** Data of the task. */
  readonly data?: unknown
  /** Settings that differ from the defaults. */
  readonly settings: JobSettingsInput
  /** The schedule as the source has it, for {@link ImportSource.instantsAfter}. */
  readonly original?: unknown
}

/** A line of the report: something that is not carried over, or that works differently. */
export interface ImportNote {
  readonly origin: string
  /** `left_out`: the output does not contain it. `differs`: the output contains it, and it works differently. */
  readonly kind: 'left_out' | 'differs'
  /** One or two sentences. */
  readonly text: string
}

/** Collects the notes of an import. */
export interface ImportNotes {
  /** Adds a note of the kind `left_out`. */
  leftOut(origin: string, text: string): void
  /** Adds a note of the kind `differs`. */
  differs(origin: string, text: string): void
}

/** The state in which an import reads a source. */
export interface ImportContext {
  /** Epoch milliseconds. */
  readonly now: number
  /** The working folder, from which packages and paths are resolved. */
  readonly cwd: string
  /** The time zone of schedules that name none. */
  readonly timezone: string
  /** From this instant on, Jobistemer runs the jobs; epoch milliseconds. `null` without `--cut-over`. */
  readonly cutOver: number | null
  /** Fires when the command is interrupted. */
  readonly signal: AbortSignal
}

/** The state with a cut-over. */
export type CutOverContext = ImportContext & { readonly cutOver: number }

/** An instant that only one side has. */
export interface Difference {
  /** Epoch milliseconds. */
  readonly at: number
  /** The side that has the instant. */
  readonly side: 'source' | 'jobistemer'
}

/** The sentences that explain differences between the schedules of a source and those of Jobistemer. */
export interface ImportRules {
  /** How the source treats a local time that the clock jumps over. */
  readonly gap: string
  /** How the source treats a local time that the clock shows twice. */
  readonly fold: string
  /** Why the source may have no further instants. Absent: the source always has. */
  readonly end?: string
}

/** A request to run a job: a line of the file that `trigger-many` takes. */
export type ImportedRequest = Pick<TriggerItem, 'key' | 'data' | 'priority' | 'overrides'> & {
  readonly job: string
  /** ISO 8601. */
  readonly at?: string
}

/**
 * A system that jobs are imported from. All methods only read. A module with an `ImportSource` as its default export is a
 * source of `jobistemer import`.
 */
export interface ImportSource {
  /** For people: `BullMQ`. */
  readonly name: string
  /** Sentences on what works differently for all its jobs. */
  readonly differences?: readonly string[]
  /** Reads the jobs. */
  read(context: ImportContext, notes: ImportNotes): Promise<readonly ImportedJob[]>
  /** Explains differences between the instants. Required with `instantsAfter`. */
  readonly rules?: ImportRules
  /** Returns the instants of a job after `afterMs`, in order, from the library of the source. */
  instantsAfter?(job: ImportedJob, afterMs: number, context: ImportContext): Promise<Iterator<number>>
  /** Explains a difference that `rules` do not cover. `change` is the offset change around the instant. */
  explain?(job: ImportedJob, difference: Difference, change: OffsetChange | null): string | null
  /** Returns the shell commands that stop the source at the cut-over, and what the user does besides. */
  stop?(jobs: readonly ImportedJob[], context: CutOverContext): readonly string[]
  /** Returns the requests that wait in the source. */
  requests?(context: CutOverContext, notes: ImportNotes): AsyncIterable<ImportedRequest>
  /** Closes connections. */
  close?(): Promise<void>
}
