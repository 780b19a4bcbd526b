import type { JobId, OccurrenceId } from '@jobistemer/core'
import type {
  CreateItem,
  FinalState,
  JobRecord,
  OccurrenceState,
  RecoveryEntry,
  TaskRunRecord,
} from '@jobistemer/core/storage'

/**
 * What the asker knows of how something ended: `unknown` when it took effect, or may have, and the answer never came.
 */
export type Outcome = 'ok' | 'fail' | 'unknown'

/** Something that happened, in the order in which it did. */
export type HistoryEvent = {
  /** Virtual milliseconds since the beginning; the same for all nodes, and never jumps. */
  readonly mono: number
  /** The life of a node, `b.2` is the second of node `b`; `null` for the world around them. */
  readonly life: string | null
  readonly outcome: Outcome
} & (StorageEvent | NodeEvent)

export type StorageEvent =
  /** A head that the storage showed to somebody, by whatever call. */
  | {
      readonly kind: 'head'
      readonly jobId: JobId
      readonly watermark: number
      readonly nextAt: number | null
      /** `null` when there is none, or the answer does not tell. */
      readonly pruneFloor: number | null
    }
  | {
      readonly kind: 'job.saved'
      readonly change: 'create' | 'replace' | 'pause' | 'resume' | 'delete'
      readonly head: JobRecord
      /** What the change canceled. */
      readonly canceled: readonly OccurrenceId[]
      /** Said by a node that is starting, and so by its build and not by a user. */
      readonly starting: boolean
      /** Of a replacement that sets the watermark back. */
      readonly setBackTo: number | null
    }
  | {
      readonly kind: 'created'
      readonly item: Exclude<CreateItem, { readonly kind: 'recovery' }>
      readonly state: OccurrenceState
      readonly reason: string | null
      readonly token: number
      readonly now: number
      readonly displaced: readonly OccurrenceId[]
    }
  | {
      readonly kind: 'recovered'
      readonly jobId: JobId
      readonly jobVersion: number
      readonly expectedWatermark: number
      readonly watermark: number
      readonly nextAt: number | null
      readonly entries: readonly RecoveryEntry[]
      readonly now: number
    }
  | {
      readonly kind: 'claimed'
      readonly id: OccurrenceId
      readonly jobId: JobId
      readonly token: number
      readonly jobVersion: number
      readonly dueAt: number
      readonly executionTimeoutMs: number
      readonly runs: readonly TaskRunRecord[]
      readonly now: number
    }
  | {
      readonly kind: 'settled'
      readonly id: OccurrenceId
      readonly jobId: JobId
      readonly token: number
      readonly sequence: number
      readonly change: 'progress' | 'finish' | 'release'
      readonly state: FinalState | null
      readonly runs: readonly TaskRunRecord[]
      readonly now: number
    }
  | {
      readonly kind: 'reaped'
      readonly id: OccurrenceId
      readonly jobId: JobId
      readonly token: number
      readonly action: 'fail' | 'retry'
      readonly reason: string
      readonly runs: readonly TaskRunRecord[]
      readonly now: number
    }
  /** Somebody looked for what is beyond its deadline, by the clock that it had then. */
  | { readonly kind: 'overdue.sought'; readonly deadlineBefore: number }
  /** The storage has the record of this node, with this counter. */
  | {
      readonly kind: 'heartbeat'
      readonly incarnation: string
      readonly counter: number
      /** When the time of a call of `runDue` is over, by its own clock; `null` for other nodes. */
      readonly callEndsAt: number | null
      readonly leaving: boolean
      /** It is the last one: the node has nothing left to say. */
      readonly ended: boolean
    }
  /** Of what was pending, what a claim has taken, and what it has left there although it could have taken it. */
  | {
      readonly kind: 'order.claimed'
      readonly claimed: readonly OccurrenceId[]
      readonly left: readonly OccurrenceId[]
    }
  /** Of what was queued in a job, what a call has woken, and what it has left there. */
  | {
      readonly kind: 'order.woken'
      readonly jobId: JobId
      readonly woken: readonly OccurrenceId[]
      readonly left: readonly OccurrenceId[]
    }
  | { readonly kind: 'canceled'; readonly id: OccurrenceId; readonly jobId: JobId }
  | { readonly kind: 'pruned'; readonly jobId: JobId | null; readonly before: number; readonly removed: number }

export type NodeEvent =
  | {
      readonly kind: 'node.starting'
      readonly node: string
      readonly build: number
      readonly heartbeatMs: number
      readonly deadAfterMs: number
    }
  | { readonly kind: 'node.up' }
  /** It was asked to shut down. */
  | { readonly kind: 'node.stopping' }
  /** Its process is gone: nothing of it happens any more. */
  | { readonly kind: 'node.crashed'; readonly where: string }
  | { readonly kind: 'node.frozen'; readonly forMs: number; readonly where: string }
  | { readonly kind: 'node.thawed' }
  /** Its wall clock is ahead of the truth by so much from now on. */
  | { readonly kind: 'node.clock-stepped'; readonly offsetMs: number }
  /** Its wall clock is wrong by so much the next time that it is read, and only then. */
  | { readonly kind: 'node.clock-misread'; readonly byMs: number }
  /** A call of `runDue` has ended; `isHindered`: its process stood still meanwhile. */
  | {
      readonly kind: 'call.ended'
      readonly tookMs: number
      readonly budgetMs: number
      readonly isHindered: boolean
      readonly timersLeft: number
    }
  /** `shutdown()` has resolved. */
  | { readonly kind: 'node.down' }
  /** Some of its calls do not get through: they fail at once, or hang. */
  | { readonly kind: 'node.cut-off'; readonly calls: 'all' | 'heartbeats' | 'others'; readonly hangs: boolean }
  | { readonly kind: 'node.connected' }
  /** It takes another one, whose counter has stood still for so long, for dead. */
  | { readonly kind: 'peer.lost'; readonly incarnation: string; readonly silentForMs: number }
  /** It asks for work: what waits, or occurrences that are to run at once. */
  | { readonly kind: 'work.asked'; readonly operation: 'claim' | 'create'; readonly ids: readonly OccurrenceId[] }
  /** The storage is there for nobody, and for everybody again. */
  | { readonly kind: 'storage.away'; readonly hangs: boolean }
  | { readonly kind: 'storage.back' }
  /** The storage has lost the records of all nodes. */
  | { readonly kind: 'storage.forgot-nodes' }
  /** What a call to the storage looked like to the node that made it, when that was not as it should be. */
  | { readonly kind: 'fault'; readonly fault: string; readonly operation: string }
  | { readonly kind: 'operation'; readonly operation: string; readonly detail: string }
  /** A user was told of the occurrence of a trigger or a replay. */
  | {
      readonly kind: 'request.answered'
      readonly request: string
      readonly jobId: JobId
      readonly id: OccurrenceId
    }
  /** A node that was shut down went on with what only schedulers do. */
  | { readonly kind: 'late call'; readonly operation: string }
  /** An error that nobody is prepared for. */
  | { readonly kind: 'failure'; readonly where: string; readonly message: string }
  | {
      readonly kind: 'handler.started'
      readonly id: OccurrenceId
      readonly jobId: JobId
      readonly job: string
      readonly origin: 'slot' | 'trigger' | 'replay'
      readonly scheduledAt: number
      readonly task: string
      readonly attempt: number
      readonly token: number
      readonly jobVersion: number
      /** The request that it belongs to; `null` for a slot. */
      readonly request: string | null
    }
  /** Its signal has fired. */
  | {
      readonly kind: 'handler.told'
      readonly id: OccurrenceId
      readonly task: string
      readonly attempt: number
      readonly token: number
      readonly reason: string
    }
  | {
      readonly kind: 'handler.ended'
      readonly id: OccurrenceId
      readonly task: string
      readonly attempt: number
      readonly token: number
      readonly how: 'succeeded' | 'failed' | 'aborted'
    }
  /** How it is about clocks in this world. A reading of the storage's may be uncertain by so much. */
  | { readonly kind: 'clocks'; readonly startMs: number; readonly hasClock: boolean; readonly uncertaintyMs: number }
  /** The clock of the storage is ahead of the truth by so much from now on. */
  | { readonly kind: 'storage.clock-stepped'; readonly offsetMs: number }
  | { readonly kind: 'phase'; readonly phase: 'faults' | 'calm' | 'shutdown' | 'end' }

type Told = StorageEvent | NodeEvent

/** The record of one simulation. */
export class History {
  readonly events: HistoryEvent[] = []
  readonly #heads = new Map<JobId, string>()
  readonly #monotonic: () => number

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  add(life: string | null, event: Told, outcome: Outcome = 'ok'): void {
    if (event.kind === 'head') {
      // Heads are read all the time, and nearly always show what they showed before.
      const course = `${event.watermark} ${event.nextAt} ${event.pruneFloor}`
      if (this.#heads.get(event.jobId) === course) return
      this.#heads.set(event.jobId, course)
    }
    const added: HistoryEvent = { mono: this.#monotonic(), life, outcome, ...event }
    this.events.push(added)
  }
}
