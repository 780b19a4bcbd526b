import { readChoice } from './configuration/read-value.ts'
import type { RecoveryStrategy } from './configuration/settings.ts'
import type { JobId, OccurrenceId } from './ids.ts'
import type { Logger } from './logger.ts'
import type { OccurrenceReason } from './occurrence-reason.ts'
import { catchRejection } from './rejection.ts'
import type { ExecutionReport } from './report.ts'
import type { AttemptState, OccurrenceKind, OccurrenceState } from './storage/occurrence-record.ts'

/** What every event about an occurrence says. */
export interface OccurrenceEvent {
  readonly jobId: JobId
  /** The job's name as this node knows it; the id, where it does not know the job. */
  readonly jobName: string
  readonly occurrenceId: OccurrenceId
  /** As in `Occurrence`: for a replay or a backfill's run not the slot, but when it was asked for, or is to start. */
  readonly scheduledAt: Date
}

/** What every event about another node says. */
export interface NodeEvent {
  /** Its name. */
  readonly node: string
  /** Which of its lives it is. */
  readonly incarnation: string
}

/** What every event about an attempt says. */
export interface AttemptEvent extends OccurrenceEvent {
  /** The task's name. */
  readonly task: string
  /** Counts from 1. */
  readonly attempt: number
}

/** What a scheduler tells its listeners, by the name of the event. */
export interface SchedulerEvents {
  'scheduler.started': { readonly node: string; readonly jobs: number }
  'scheduler.stopped': { readonly node: string; readonly abandoned: number }
  'job.registered': {
    readonly jobId: JobId
    readonly jobName: string
    readonly version: number
    /** `followed`: the storage has a newer definition, which this node obeys. */
    readonly change: 'created' | 'updated' | 'unchanged' | 'followed'
    readonly nextAt: Date | null
  }
  /**
   * This node goes by another definition of the job than its own, said once for each version. `lower_release`: a build of
   * a higher release has stored it. `updated`: `update` or `apply` has changed what this node has. `newer_build`: it has
   * replaced this node's own one, and a living node has it.
   */
  'job.followed': {
    readonly jobId: JobId
    readonly jobName: string
    readonly version: number
    readonly reason: 'lower_release' | 'updated' | 'newer_build'
  }
  /** By this node. `until`: when the pause ends by itself, which is no event; `null`: not before somebody resumes the job. */
  'job.paused': {
    readonly jobId: JobId
    readonly jobName: string
    readonly reason: string | null
    readonly until: Date | null
  }
  /** By this node. */
  'job.resumed': { readonly jobId: JobId; readonly jobName: string }
  /**
   * This node, or another, removed it; what runs of it may end. Of jobs that others remove it is told by nodes that hold
   * them: not of data beyond `heldJobs`.
   */
  'job.removed': { readonly jobId: JobId; readonly jobName: string }
  /**
   * The job is gone from the storage, and nobody has removed it: the storage has lost its data. `stored_again`: this node,
   * or another just before, has stored it again, and its schedule goes on from now. `awaited`: this node has followed
   * another definition, and stores its own only if nobody else does. `forgotten`: it is none of this node's definitions.
   */
  'job.vanished': {
    readonly jobId: JobId
    readonly jobName: string
    readonly becomes: 'stored_again' | 'awaited' | 'forgotten'
  }
  /**
   * No run of the job was `completed` for its `alertAfter`. Told by one of the living nodes for all jobs, within about a
   * minute, and again each time that `alertAfter` has passed. `since`: from when on that is counted: the last success, or
   * when the job was stored, changed or resumed.
   */
  'job.silent': {
    readonly jobId: JobId
    readonly jobName: string
    readonly alertAfterMs: number
    readonly since: Date
    /** `null` when none was found. */
    readonly lastSuccessAt: Date | null
  }
  /** A run of a job that was silent was `completed`. Told by the node that has said `job.silent`, a minute later at most. */
  'job.heard': { readonly jobId: JobId; readonly jobName: string; readonly succeededAt: Date }
  /** This node created the record; it may be running, waiting or already decided. */
  'occurrence.created': OccurrenceEvent & {
    readonly kind: OccurrenceKind
    readonly state: OccurrenceState
    readonly reason: OccurrenceReason | null
  }
  /** This node took it and starts its tasks. */
  'occurrence.started': OccurrenceEvent & {
    readonly kind: OccurrenceKind
    readonly fencingToken: number
    readonly latenessMs: number
    /** Between becoming due and being taken; 0 when it never waited. */
    readonly waitedMs: number
    readonly recovered: boolean
  }
  'occurrence.finished': OccurrenceEvent & {
    readonly report: ExecutionReport
    /**
     * Only where somebody has canceled it in its owner's place, mostly by force: the node that did so has told it by
     * `occurrence.canceled` before, so whoever counts ends counts it there. Of what was canceled through a client nobody is
     * told that.
     */
    readonly isToldBefore?: true
  }
  /** This node stopped working on it and handed it back. */
  'occurrence.released': OccurrenceEvent & { readonly reason: OccurrenceReason | null }
  /**
   * Another node has it now, or it was canceled by force, which `occurrence.finished` tells then; what this one did after
   * that was refused.
   */
  'occurrence.lost': OccurrenceEvent & { readonly fencingToken: number }
  /** This node took it from an owner that did not settle it. */
  'occurrence.reaped': OccurrenceEvent & {
    readonly action: 'fail' | 'retry'
    readonly reason: OccurrenceReason
    /** The tasks whose attempts were under way, and are `lost` now. */
    readonly lostTasks: readonly string[]
  }
  /**
   * It was canceled through this node while it waited, also as its job was updated or removed, or by force. What runs tells
   * `occurrence.finished`, when it has stopped; of what was canceled by force its owner does, if it lives.
   */
  'occurrence.canceled': OccurrenceEvent & { readonly reason: OccurrenceReason }
  'attempt.started': AttemptEvent
  /** Its handler has said how far it has come. At most about once a second, with the last that it has said. */
  'attempt.progressed': AttemptEvent & { readonly fraction: number; readonly message: string | null }
  /**
   * As this node sees it: the storage may refuse it, which `occurrence.lost` says then. Not told of handlers that end after
   * that.
   */
  'attempt.ended': AttemptEvent & {
    readonly state: AttemptState
    readonly durationMs: number
    readonly error: unknown
    /** Milliseconds until the next attempt; `null` when there is none. */
    readonly retryInMs: number | null
  }
  'recovery.decided': {
    readonly jobId: JobId
    readonly jobName: string
    readonly strategy: RecoveryStrategy['type']
    readonly from: Date
    readonly to: Date
    /** Missed slots in all. */
    readonly missed: number
    /** How many of them are to run. */
    readonly toRun: number
  }
  /** A call of the engine's to the storage failed; it is repeated. */
  'storage.failed': {
    readonly operation: string
    readonly error: unknown
    readonly attempt: number
    readonly retryInMs: number
  }
  'storage.recovered': { readonly operation: string; readonly attempts: number }
  /**
   * This node's clock is farther off the storage's than `maxClockSkew`: ahead of it by `skewMs`, behind it when that is
   * negative. The engine follows the storage's.
   */
  'clock.skewed': { readonly skewMs: number; readonly limitMs: number }
  /**
   * A clock that the engine follows, this node's own or the storage's, has jumped: ahead by `byMs`, back when that is
   * negative. At a start: the storage's clock is ahead of this node's by so much. Until `clock.confirmed` this node
   * begins nothing and takes nothing from others; what it runs goes on.
   */
  'clock.unconfirmed': { readonly clock: 'node' | 'storage'; readonly byMs: number }
  /** The time is in no doubt any more. It has moved by `byMs`: about 0 when the clock that had jumped was wrong. */
  'clock.confirmed': { readonly byMs: number }
  /**
   * The slots of the job are decided up to an instant that lies ahead: a clock was wrong. None of them runs before
   * `nextAt`, unless `realign` sets the job back.
   */
  'job.ahead': {
    readonly jobId: JobId
    readonly jobName: string
    readonly decidedUpTo: Date
    readonly nextAt: Date | null
  }
  /** Another node has started, or a node that was declared dead is alive: this node has seen its heartbeats. */
  'node.joined': NodeEvent
  /** Another node shuts down. */
  'node.left': NodeEvent
  /** Another node has said nothing for `deadAfter`: what it ran is taken over. */
  'node.lost': NodeEvent & { readonly silentForMs: number }
  /**
   * None of this node's own heartbeats was accepted for 80 % of `deadAfter`. It takes no new work, what it runs goes on or
   * is aborted, as `whileIsolated` says, and others may take it over.
   */
  'node.isolated': { readonly node: string; readonly unheardForMs: number }
  /** The storage accepts the heartbeats of this node again. */
  'node.rejoined': { readonly node: string }
  /**
   * Something held the event loop of this node for `blockedMs`: nothing else ran meanwhile, and no heartbeat was sent.
   * `jobs`: the name of the one whose handler did it, or whose schedule, when it was asked for missed slots, where that is
   * known; otherwise of those that ran then, at most ten.
   */
  'engine.blocked': { readonly blockedMs: number; readonly jobs: readonly string[] }
  /** Something that should not happen did: a schedule that throws, a storage that was closed too early. */
  'engine.failed': { readonly where: string; readonly error: unknown }
  /** A hook or a listener threw. */
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

/** Checks that a value is the name of an event. @throws JobistemerError `INVALID_ARGUMENT` */
export function readEventName<Name extends SchedulerEventName>(name: Name): Name {
  return readChoice(name, Object.keys(eventNames) as Name[], 'event')
}

/**
 * What `on` takes. What it throws, and what a promise of it rejects with, never reaches the engine: it is told as
 * `hook.failed`, and the first failure of each event's listeners is logged.
 */
export type SchedulerListener<Name extends SchedulerEventName> = (event: SchedulerEvents[Name]) => void

/** The listeners of one event. Each `on` is an entry of its own, also for a listener that was added before. */
class Listeners {
  readonly #entries = new Set<{ readonly listener: SchedulerListener<SchedulerEventName> }>()
  /** The listeners as an emission calls them; `null` after a change. Only an emission copies them. */
  #list: readonly SchedulerListener<SchedulerEventName>[] | null = null

  get size(): number {
    return this.#entries.size
  }

  /** The returned function removes the listener. */
  add(listener: SchedulerListener<SchedulerEventName>): () => void {
    const entry = { listener }
    this.#entries.add(entry)
    this.#list = null
    return () => {
      this.#entries.delete(entry)
      this.#list = null
    }
  }

  /** Later changes leave the returned list as it is. */
  list(): readonly SchedulerListener<SchedulerEventName>[] {
    this.#list ??= Array.from(this.#entries, ({ listener }) => listener)
    return this.#list
  }
}

/** Listeners by event. What a listener throws never reaches the engine. */
export class EventHub {
  readonly #logger: Logger
  readonly #listeners = new Map<SchedulerEventName, Listeners>()
  readonly #failed = new Set<SchedulerEventName>()
  readonly #above: EventHub | null

  /** With `above`, the listeners there hear everything too. */
  constructor(logger: Logger, above: EventHub | null = null) {
    this.#logger = logger
    this.#above = above
  }

  /** Adds a listener; the returned function removes it. Neither costs more with the number of listeners. */
  on<Name extends SchedulerEventName>(name: Name, listener: SchedulerListener<Name>): () => void {
    const listeners = this.#listeners.get(name) ?? new Listeners()
    this.#listeners.set(name, listeners)
    return listeners.add(listener as SchedulerListener<SchedulerEventName>)
  }

  /** Asked before an event is put together, so that events nobody hears cost nothing. */
  hears(name: SchedulerEventName): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0 || this.#above?.hears(name) === true
  }

  emit<Name extends SchedulerEventName>(name: Name, event: SchedulerEvents[Name]): void {
    for (const listener of this.#listeners.get(name)?.list() ?? []) {
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
    // A failing listener of this very event must not call itself for ever.
    if (name !== 'hook.failed') this.emit('hook.failed', { hook: `listener of ${name}`, error, jobName: null })
  }
}
