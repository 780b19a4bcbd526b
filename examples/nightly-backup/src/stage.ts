import type { LedgerWatch } from './ledger-watch.ts'
import type { Screen } from './screen.ts'
import type { Supervisor } from './supervisor.ts'
import type { WorkerMessage, WorkerSettings } from './worker-messages.ts'

/** The nodes, the ledger, the screen and the settings that the functions of the running demo share. */
export interface Stage {
  readonly screen: Screen
  readonly supervisor: Supervisor
  readonly watch: LedgerWatch
  /** Returns the settings with which a node's worker starts. */
  readonly settingsOf: (node: string) => WorkerSettings
  /** All slots of the demo. */
  readonly slots: readonly Date[]
  /** Waits for the promise. Rejects if a worker or a read of the ledger fails meanwhile, or if the demo is stopped. */
  readonly expect: <T>(promise: Promise<T>) => Promise<T>
}

/**
 * A worker's message that its handler stands still in the middle of a task. The demo then kills the node of this
 * worker.
 */
export type Interruption = Extract<WorkerMessage, { readonly kind: 'standing-still' }>

/** The killed node, and the node that continued its run: the restarted node or the other node. */
export interface Kill {
  readonly node: string
  readonly successor: string
}
