import { readChoice } from './configuration/read-value.ts'
import type { RecoveryStrategy } from './configuration/settings.ts'
import type { JobId, OccurrenceId } from './ids.ts'
import type { Logger } from './logger.ts'
import type { OccurrenceReason } from './occurrence-reason.ts'
import { catchRejection } from './rejection.ts'
import type { ExecutionReport } from './report.ts'
import type { AttemptState, OccurrenceKind, OccurrenceState } from './storage/occurrence-record.ts'

/** Fields of each event about a job. */
export interface JobEvent {
  /** The id of the job. */
  readonly jobId: JobId
  /** The job's name; the job's id if this node does not know the job. */
  readonly jobName: string
}

/** Fields of each event about an occurrence. */
export interface OccurrenceEvent extends JobEvent {
  /** The id of the occurrence. */
  readonly occurrenceId: OccurrenceId
  /**
   * The instant of the occurrence, as in `Occurrence`. For a replay or a run of a backfill, this is not the slot that it works
   * for. It is the instant of the request, or of the planned start.
   */
  readonly scheduledAt: Date
}

/** Fields of each event about a node other than the emitting node. */
export interface NodeEvent {
  /** The name of the node. */
  readonly node: string
  /** Identifies one life of the node. */
  readonly incarnation: string
}

/** Fields of each event about an attempt. */
export interface AttemptEvent extends OccurrenceEvent {
  /** The name of the task. */
  readonly task: string
  /** Number of the attempt, counted from 1. */
  readonly attempt: number
}

/** The events of a scheduler, by name. */
export interface SchedulerEvents {
  /** This node has registered its jobs and starts runs. */
  'scheduler.started': { readonly node: string; readonly jobs: number }
  /** This node has shut down. `abandoned`: the number of its runs whose handlers have not ended. */
  'scheduler.stopped': { readonly node: string; readonly abandoned: number }
  /** This node has stored the definition of a job, or has found it in the storage. */
  'job.registered': JobEvent & {
    readonly version: number
    /** `followed`: the storage has another definition of the job, and this node runs the job by that definition. */
    readonly change: 'created' | 'updated' | 'unchanged' | 'followed'
    readonly nextAt: Date | null
  }
  /**
   * This node runs a job by a stored definition that differs from the node's own definition. Emitted once for each version.
   * `lower_release`: a build of a higher release has stored the definition. `updated`: `update` or `apply` has changed this
   * node's definition. `newer_build`: the stored definition has replaced this node's own definition, and a living node has
   * the stored definition.
   */
  'job.followed': JobEvent & {
    readonly version: number
    readonly reason: 'lower_release' | 'updated' | 'newer_build'
  }
  /**
   * This node paused the job. `until`: when the pause ends by itself, without an event. `null`: the pause lasts until
   * `resume`.
   */
  'job.paused': JobEvent & {
    readonly reason: string | null
    readonly until: Date | null
  }
  /** This node ended the pause of the job. */
  'job.resumed': JobEvent
  /**
   * A node removed the job; active runs continue to their end. This node emits the event if it removed the job itself. It also
   * emits the event if another node removed the job and this node holds the job.
   */
  'job.removed': JobEvent
  /**
   * The storage has lost the job: the storage has neither the job's head nor a tombstone. Values of `becomes`:
   * - `stored_again`: this node, or another node shortly before, has stored the job again. The job's schedule continues from
   *   now.
   * - `forgotten`: this node does not define the job.
   */
  'job.vanished': JobEvent & {
    readonly becomes: 'stored_again' | 'forgotten'
  }
  /**
   * No run of the job was `completed` for the job's `alertAfter`. One living node watches all jobs. That node emits the event
   * within about 1 min, and again after each further `alertAfter`. `since`: the last success, or the instant at which the job
   * was stored, changed or resumed.
   */
  'job.silent': JobEvent & {
    readonly alertAfterMs: number
    readonly since: Date
    /** When a run of the job was last `completed`; `null` if no success is recorded. */
    readonly lastSuccessAt: Date | null
  }
  /** A run of a silent job was `completed`. The node that emitted `job.silent` emits this event at most 1 min later. */
  'job.heard': JobEvent & { readonly succeededAt: Date }
  /** This node created the occurrence, which may be running, waiting or final. */
  'occurrence.created': OccurrenceEvent & {
    readonly kind: OccurrenceKind
    readonly state: OccurrenceState
    readonly reason: OccurrenceReason | null
  }
  /** This node claimed the occurrence and starts its tasks. */
  'occurrence.started': OccurrenceEvent & {
    readonly kind: OccurrenceKind
    readonly fencingToken: number
    readonly latenessMs: number
    /** Time from the occurrence's due instant to the claim, in ms; 0 if the occurrence did not wait. */
    readonly waitedMs: number
    readonly recovered: boolean
  }
  /** An occurrence that this node ran has ended, with any outcome. */
  'occurrence.finished': OccurrenceEvent & {
    readonly report: ExecutionReport
    /**
     * True if a node other than the owner canceled the occurrence, usually by force, and has emitted `occurrence.canceled`. A
     * listener that counts ended occurrences by both events must leave out this `occurrence.finished`. Absent if a client
     * canceled the occurrence, because clients emit no events.
     */
    readonly isToldBefore?: true
  }
  /** This node stopped an occurrence that it ran, and handed the occurrence back to the storage. */
  'occurrence.released': OccurrenceEvent & { readonly reason: OccurrenceReason | null }
  /**
   * This node has lost the occurrence: another node owns it now, or a cancel by force ended it. The storage has rejected a
   * later write of this node. After a cancel by force, this node also emits `occurrence.finished`.
   */
  'occurrence.lost': OccurrenceEvent & { readonly fencingToken: number }
  /** This node took the occurrence from an owner that had died, had restarted, or had passed the deadline. */
  'occurrence.reaped': OccurrenceEvent & {
    readonly action: 'fail' | 'retry'
    readonly reason: OccurrenceReason
    /** The tasks whose attempts were in progress; the attempts are now `lost`. */
    readonly lostTasks: readonly string[]
  }
  /**
   * This node canceled a waiting occurrence, or a running occurrence by force. An update or removal of the job by this node
   * also causes this event for each waiting occurrence that it cancels.
   *
   * If a running occurrence stops after a request to cancel it, its owner emits `occurrence.finished` instead. After a cancel
   * by force, a living owner emits `occurrence.finished` too.
   */
  'occurrence.canceled': OccurrenceEvent & { readonly reason: OccurrenceReason }
  /** The storage has acknowledged the attempt, and this node calls the handler. */
  'attempt.started': AttemptEvent
  /** The handler has reported progress. Emitted at most about once per second, with the latest report. */
  'attempt.progressed': AttemptEvent & { readonly fraction: number; readonly message: string | null }
  /**
   * The attempt has ended on this node. If the storage rejects the end, `occurrence.lost` follows. Handlers that end
   * after `occurrence.lost` emit no event.
   */
  'attempt.ended': AttemptEvent & {
    readonly state: AttemptState
    readonly durationMs: number
    readonly error: unknown
    /** Milliseconds until the next attempt; `null` if no attempt follows. */
    readonly retryInMs: number | null
  }
  /** This node has applied the recovery strategy of a job to its missed slots. */
  'recovery.decided': JobEvent & {
    readonly strategy: RecoveryStrategy['type']
    readonly from: Date
    readonly to: Date
    /** Number of missed slots. */
    readonly missed: number
    /** Number of missed slots that the recovery strategy runs. */
    readonly toRun: number
  }
  /** A storage call of the engine failed. The engine repeats the call. */
  'storage.failed': {
    readonly operation: string
    readonly error: unknown
    readonly attempt: number
    readonly retryInMs: number
  }
  /** A storage call succeeded after one or more failures. */
  'storage.recovered': { readonly operation: string; readonly attempts: number }
  /**
   * This node's clock differs from the storage's by more than 1 s. This node's clock is ahead by `skewMs`, or behind if
   * `skewMs` is negative. The engine follows the storage's clock.
   */
  'clock.skewed': { readonly skewMs: number; readonly limitMs: number }
  /**
   * The clock that the engine follows has jumped ahead by `byMs`, or back if `byMs` is negative. `clock`: whether this is the
   * node's or the storage's clock. At the start of this node, `byMs` says how far the storage's clock is ahead of this node's
   * clock. Until `clock.confirmed` this node starts no runs and takes over no runs. Its active runs continue.
   */
  'clock.unconfirmed': { readonly clock: 'node' | 'storage'; readonly byMs: number }
  /**
   * The time is confirmed after a clock jump. The time has moved by `byMs`, which is about 0 if the clock that jumped was
   * wrong.
   */
  'clock.confirmed': { readonly byMs: number }
  /**
   * The job is ahead: because of a wrong clock, the job's watermark lies in the future. No slot runs before `nextAt`, unless
   * `update` with `realign` sets the job back.
   */
  'job.ahead': JobEvent & {
    readonly decidedUpTo: Date
    readonly nextAt: Date | null
  }
  /** Another node has started, or sends heartbeats again after this node had declared it dead. */
  'node.joined': NodeEvent
  /** Another node has begun its shutdown. */
  'node.left': NodeEvent
  /** This node has seen no heartbeat of another node for `deadAfter`. The living nodes take over the runs of that node. */
  'node.lost': NodeEvent & { readonly silentForMs: number }
  /**
   * The storage has accepted no heartbeat of this node for 80 % of `deadAfter`. This node takes no new work. `whileIsolated`
   * decides whether the runs of this node continue or are aborted. Peers may take over these runs.
   */
  'node.isolated': { readonly node: string; readonly unheardForMs: number }
  /** The storage accepts the heartbeats of this node again. */
  'node.rejoined': { readonly node: string }
  /**
   * Code blocked the event loop of this node for `blockedMs`; the node ran nothing else and sent no heartbeat. `jobs`: up to
   * ten jobs that ran then. The code that blocked the event loop may be a handler of one of them.
   */
  'engine.blocked': { readonly blockedMs: number; readonly jobs: readonly string[] }
  /** An unexpected failure inside the engine, such as a schedule that throws or a storage that was closed too early. */
  'engine.failed': { readonly where: string; readonly error: unknown }
  /** A hook or a listener of the program threw an error or rejected. */
  'hook.failed': { readonly hook: string; readonly error: unknown; readonly jobName: string | null }
}

/** The name of an event of a scheduler. */
export type SchedulerEventName = keyof SchedulerEvents
const eventNames: { readonly [Name in SchedulerEventName]: true } = {
  'scheduler.started': true,
  'scheduler.stopped': true,
  'job.registered': true,
  'job.followed': true,
  'job.paused': true,
  'job.resumed': true,
  'job.removed': true,
  'job.vanished': true,
  'job.ahead': true,
  'job.silent': true,
  'job.heard': true,
  'occurrence.created': true,
  'occurrence.started': true,
  'occurrence.finished': true,
  'occurrence.released': true,
  'occurrence.lost': true,
  'occurrence.reaped': true,
  'occurrence.canceled': true,
  'attempt.started': true,
  'attempt.progressed': true,
  'attempt.ended': true,
  'recovery.decided': true,
  'storage.failed': true,
  'storage.recovered': true,
  'clock.skewed': true,
  'clock.unconfirmed': true,
  'clock.confirmed': true,
  'node.joined': true,
  'node.left': true,
  'node.lost': true,
  'node.isolated': true,
  'node.rejoined': true,
  'engine.blocked': true,
  'engine.failed': true,
  'hook.failed': true,
}

/** Checks that a value is the name of a scheduler event. @throws JobistemerError `INVALID_ARGUMENT` */
export function readEventName<Name extends SchedulerEventName>(name: Name): Name {
  return readChoice(name, Object.keys(eventNames) as Name[], 'event')
}

/**
 * A listener of an event. If a listener throws or rejects, the scheduler emits `hook.failed` and continues. For each event
 * name, the scheduler logs only the first failure of a listener.
 */
export type SchedulerListener<Name extends SchedulerEventName> = (event: SchedulerEvents[Name]) => void

/** A listener. Each call of `on` adds a separate entry, even for the same listener. */
interface Entry {
  readonly listener: SchedulerListener<SchedulerEventName>
}

/** Keeps the listeners of each event, and calls them. Errors of listeners never reach the engine. */
export class EventHub {
  readonly #logger: Logger
  readonly #listeners = new Map<SchedulerEventName, Set<Entry>>()
  readonly #failed = new Set<SchedulerEventName>()
  readonly #above: EventHub | null

  /** `above`: a hub whose listeners also receive all events of this hub. */
  constructor(logger: Logger, above: EventHub | null = null) {
    this.#logger = logger
    this.#above = above
  }

  /**
   * Adds a listener. The returned function removes the listener. Adding and removing cost the same for any number of
   * listeners.
   */
  on<Name extends SchedulerEventName>(name: Name, listener: SchedulerListener<Name>): () => void {
    const entries = this.#listeners.get(name) ?? new Set()
    const entry = { listener: listener as SchedulerListener<SchedulerEventName> }
    this.#listeners.set(name, entries.add(entry))
    return () => void entries.delete(entry)
  }

  /**
   * Returns whether the event has listeners. Callers call `hears` before they build an event, so that events without
   * listeners cost nothing.
   */
  hears(name: SchedulerEventName): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0 || this.#above?.hears(name) === true
  }

  emit<Name extends SchedulerEventName>(name: Name, event: SchedulerEvents[Name]): void {
    // Iterate over a copy, because a listener may add or remove listeners.
    for (const { listener } of [...(this.#listeners.get(name) ?? [])]) {
      try {
        catchRejection(listener(event), (error) => this.#listenerFailed(name, error))
      } catch (error) {
        this.#listenerFailed(name, error)
      }
    }
    this.#above?.emit(name, event)
  }

  #listenerFailed(name: SchedulerEventName, error: unknown): void {
    if (!this.#failed.has(name)) {
      this.#failed.add(name)
      const fields = { event: name, err: error }
      this.#logger.error(fields, 'a listener failed; further failures of listeners of this event are not logged')
    }
    // If a listener of `hook.failed` fails, do not emit `hook.failed` again: the listener would call itself for ever.
    if (name !== 'hook.failed') this.emit('hook.failed', { hook: `listener of ${name}`, error, jobName: null })
  }
}
