import type { JobSettingsInput, SerializedSchedule, TriggerItem } from '@jobistemer/core'
import type { OffsetChange } from './offset-changes.ts'

/** A job that an import source describes. */
export interface ImportedJob {
  readonly name: string
  /** Where the source keeps the job, as text for people: `line 7`, `queue mails, scheduler nightly`. */
  readonly origin: string
  /** The schedule in the stored form of the tickers. `null`: the job runs on request only. */
  readonly schedule: SerializedSchedule | null
  /** The name under which nodes register the handler of the job. */
  readonly handler: string
  /** The data that the job's task receives. */
  readonly data?: unknown
  /** Settings of the job that differ from the defaults. */
  readonly settings: JobSettingsInput
  /**
   * The next instant that the source has computed itself, in epoch milliseconds. The report names a job whose schedule has
   * another next instant. Absent if the source stores none.
   */
  readonly nextMs?: number
  /** The schedule in the source's own form, for {@link ImportSource.instantsAfter}. */
  readonly original?: unknown
}

/** A line of the import report about a job, setting or request that is not imported, or works differently. */
export interface ImportNote {
  readonly origin: string
  /**
   * `left_out`: the output lacks the job, setting or request that the note describes. `differs`: the output contains this job,
   * setting or request, but Jobistemer treats it differently.
   */
  readonly kind: 'left_out' | 'differs'
  /** The text of the note, one or two sentences. */
  readonly text: string
}

/** Collects the notes of an import for its report. */
export interface ImportNotes {
  /** Adds a note: the output lacks a job, setting or request of the source (`left_out`). */
  leftOut(origin: string, text: string): void
  /** Adds a note: Jobistemer treats a job, setting or request differently than the source (`differs`). */
  differs(origin: string, text: string): void
}

/** The settings with which an import source reads its jobs. */
export interface ImportContext {
  /** The present time in epoch milliseconds. */
  readonly now: number
  /** The working folder. The importer resolves packages and paths from it. */
  readonly cwd: string
  /** The time zone of schedules that name no time zone. */
  readonly timezone: string
  /** The instant in epoch milliseconds from which Jobistemer runs the jobs. `null` without `--cut-over`. */
  readonly cutOver: number | null
  /** Fires when the user interrupts the command. */
  readonly signal: AbortSignal
}

/** The settings of an import that has a cut-over. */
export type CutOverContext = ImportContext & { readonly cutOver: number }

/** An instant that only the source or only Jobistemer has. */
export interface Difference {
  /** The instant in epoch milliseconds. */
  readonly at: number
  /** The side whose schedule contains the instant. */
  readonly side: 'source' | 'jobistemer'
}

/** Sentences about the rules of a source that explain why its instants differ from those of Jobistemer. */
export interface ImportRules {
  /** How the source treats a local time that the clock jumps over. */
  readonly gap: string
  /** How the source treats a local time that the clock shows twice. */
  readonly fold: string
  /** Why the source may have no further instants. Absent if the source always has further instants. */
  readonly end?: string
}

/** A request to run a job, as one line of the file that `trigger-many` reads. */
export type ImportedRequest = Pick<TriggerItem, 'key' | 'data' | 'priority' | 'overrides'> & {
  readonly job: string
  /** The earliest start of the run, in ISO 8601. */
  readonly at?: string
}

/**
 * A system from which `jobistemer import` reads jobs. No method changes the system. The command also accepts the path of a
 * module whose default export is an `ImportSource`.
 */
export interface ImportSource {
  /** The name of the source for people, such as `BullMQ`. */
  readonly name: string
  /** Sentences about differences that apply to all jobs of the source. */
  readonly differences?: readonly string[]
  /** Reads the jobs of the source. */
  read(context: ImportContext, notes: ImportNotes): Promise<readonly ImportedJob[]>
  /** Sentences that explain why the source and Jobistemer have different instants. Required with `instantsAfter`. */
  readonly rules?: ImportRules
  /** Returns the instants of a job after `afterMs`, in order, as the source's library computes them. */
  instantsAfter?(job: ImportedJob, afterMs: number, context: ImportContext): Promise<Iterator<number>>
  /**
   * Returns a sentence that explains a difference. If the result is `null`, a sentence of `rules` explains the difference.
   * @param change the change of the zone's UTC offset that may have caused the difference; `null` without such a change
   */
  explain?(job: ImportedJob, difference: Difference, change: OffsetChange | null): string | null
  /**
   * Returns the shell commands that stop the source at the cut-over. Comments between the commands describe further
   * steps that the user must take.
   */
  stop?(jobs: readonly ImportedJob[], context: CutOverContext): readonly string[]
  /**
   * Yields the requests that wait in the source.
   * @param jobs the jobs that `apply` stored before the cut-over
   */
  requests?(context: CutOverContext, notes: ImportNotes, jobs: readonly ImportedJob[]): AsyncIterable<ImportedRequest>
  /** Closes the connections that this import source has opened. */
  close?(): Promise<void>
}
