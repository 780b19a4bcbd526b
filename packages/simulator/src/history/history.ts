import type { JobId, OccurrenceId } from '@jobistemer/core'
import type {
  CreateItem,
  FinalState,
  JobRecord,
  OccurrenceState,
  RecoveryEntry,
  TaskRunRecord,
} from '@jobistemer/core/storage'

/** The outcome of a call for its caller. `unknown`: no answer arrived, so the call may have taken effect. */
export type Outcome = 'ok' | 'fail' | 'unknown'

/** An event of the simulation. A history lists its events in the order in which they happened. */
export type HistoryEvent = {
  /** Virtual time in ms since the beginning of the simulation, the same for all nodes. */
  readonly mono: number
  /** The incarnation of a node: `b.2` is the second incarnation of node `b`. `null` for events outside of nodes. */
  readonly life: string | null
  readonly outcome: Outcome
} & (StorageEvent | NodeEvent)

export type StorageEvent =
  /** An answer of the storage contained the head of a job. */
  | {
      readonly kind: 'head'
      readonly jobId: JobId
      readonly watermark: number
      readonly nextAt: number | null
      /** The job's prune floor; `null` if the job has no prune floor, or if the answer does not contain the prune floor. */
      readonly pruneFloor: number | null
    }
  | {
      readonly kind: 'job.saved'
      readonly change: 'create' | 'replace' | 'pause' | 'resume' | 'delete'
      readonly head: JobRecord
      /** Occurrences that were canceled by the change of the job. */
      readonly canceled: readonly OccurrenceId[]
      /** Whether a starting node made the change. The change then comes from the build of this node, and not from a user. */
      readonly starting: boolean
      /** The new watermark if the change realigned the job; otherwise `null`. */
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
  /** A node scanned for running occurrences whose deadline had passed by the node's clock. */
  | { readonly kind: 'overdue.sought'; readonly deadlineBefore: number }
  /** The storage has stored a new heartbeat counter in the node's record. */
  | {
      readonly kind: 'heartbeat'
      readonly incarnation: string
      readonly counter: number
      /** The end of the budget of a `runDue` call, by the clock of the call's process; `null` for other nodes. */
      readonly callEndsAt: number | null
      readonly leaving: boolean
      /** Whether this heartbeat is the last one of its node incarnation. */
      readonly ended: boolean
    }
  /**
   * A claim took the pending occurrences in `claimed`. It could also have taken the occurrences in `left`, which stay pending.
   */
  | {
      readonly kind: 'order.claimed'
      readonly claimed: readonly OccurrenceId[]
      readonly left: readonly OccurrenceId[]
    }
  /** A call woke queued occurrences of a job, and left other occurrences queued. */
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
  /** The node has begun to shut down. */
  | { readonly kind: 'node.stopping' }
  /** The process of the node crashed. */
  | { readonly kind: 'node.crashed'; readonly where: string }
  | { readonly kind: 'node.frozen'; readonly forMs: number; readonly where: string }
  | { readonly kind: 'node.thawed' }
  /** From now on the wall clock of the node is `offsetMs` ahead of the true time. */
  | { readonly kind: 'node.clock-stepped'; readonly offsetMs: number }
  /** Only the next reading of the node's wall clock is wrong, by `byMs`. */
  | { readonly kind: 'node.clock-misread'; readonly byMs: number }
  /** A call of `runDue` has ended. `isHindered`: its process was frozen during the call. */
  | {
      readonly kind: 'call.ended'
      readonly tookMs: number
      readonly budgetMs: number
      readonly isHindered: boolean
      readonly timersLeft: number
    }
  /** The shutdown of the node has ended. */
  | { readonly kind: 'node.down' }
  /** Some storage calls of the node do not reach the storage: they fail at once, or hang. */
  | { readonly kind: 'node.cut-off'; readonly calls: 'all' | 'heartbeats' | 'others'; readonly hangs: boolean }
  | { readonly kind: 'node.connected' }
  /** The node declared a peer dead after the peer's counter had stood still for `silentForMs`. */
  | { readonly kind: 'peer.lost'; readonly incarnation: string; readonly silentForMs: number }
  /** The node asks the storage for work: it claims pending occurrences, or creates occurrences that start at once. */
  | { readonly kind: 'work.asked'; readonly operation: 'claim' | 'create'; readonly ids: readonly OccurrenceId[] }
  /** The storage is unavailable to all nodes until `storage.back`. */
  | { readonly kind: 'storage.away'; readonly hangs: boolean }
  | { readonly kind: 'storage.back' }
  /** The storage has lost all node records. */
  | { readonly kind: 'storage.forgot-nodes' }
  /** The simulation injected the fault `fault` into a storage call of the node. `operation` names the call. */
  | { readonly kind: 'fault'; readonly fault: string; readonly operation: string }
  | { readonly kind: 'operation'; readonly operation: string; readonly detail: string }
  /** A user received the occurrence of a trigger or a replay. */
  | {
      readonly kind: 'request.answered'
      readonly request: string
      readonly jobId: JobId
      readonly id: OccurrenceId
    }
  /** After its shutdown, a node made a call that only a running scheduler makes. */
  | { readonly kind: 'late call'; readonly operation: string }
  /** A node or user received an error that no fault explains. */
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
      /** The request that created the occurrence; `null` for a slot. */
      readonly request: string | null
    }
  /** The abort signal of the handler has fired. */
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
  /** The clocks of this simulation. A reading of the storage's clock is uncertain by up to `uncertaintyMs`. */
  | { readonly kind: 'clocks'; readonly startMs: number; readonly hasClock: boolean; readonly uncertaintyMs: number }
  /** From now on the clock of the storage is `offsetMs` ahead of the true time. */
  | { readonly kind: 'storage.clock-stepped'; readonly offsetMs: number }
  | { readonly kind: 'phase'; readonly phase: 'faults' | 'calm' | 'shutdown' | 'end' }

type Told = StorageEvent | NodeEvent

/** The ordered events of one simulation. */
export class History {
  readonly events: HistoryEvent[] = []
  readonly #heads = new Map<JobId, string>()
  readonly #monotonic: () => number

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  add(life: string | null, event: Told, outcome: Outcome = 'ok'): void {
    if (event.kind === 'head') {
      // Calls often read unchanged heads. So the history records a head only if the head has changed since its last record.
      const course = `${event.watermark} ${event.nextAt} ${event.pruneFloor}`
      if (this.#heads.get(event.jobId) === course) return
      this.#heads.set(event.jobId, course)
    }
    const added: HistoryEvent = { mono: this.#monotonic(), life, outcome, ...event }
    this.events.push(added)
  }
}
