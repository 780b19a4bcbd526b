import type { LedgerWatch } from './ledger-watch.ts'
import type { Screen } from './screen.ts'
import type { Supervisor } from './supervisor.ts'
import type { WorkerMessage, WorkerSettings } from './worker-messages.ts'

/** All that the parts of the demo's course work with. */
export interface Stage {
  readonly screen: Screen
  readonly supervisor: Supervisor
  readonly watch: LedgerWatch
  /** What a node is started with. */
  readonly settingsOf: (node: string) => WorkerSettings
  /** Every slot that there will be. */
  readonly slots: readonly Date[]
  /** Resolves with the promise. Rejects if a worker or a read of the ledger fails meanwhile, or if the demo is stopped. */
  readonly expect: <T>(promise: Promise<T>) => Promise<T>
}

/** Where a node was killed. */
export type Interruption = Extract<WorkerMessage, { readonly kind: 'standing-still' }>

/** The node that was killed in the middle of a task, and the node that continued: the restarted one, or the other one. */
export interface Kill {
  readonly node: string
  readonly successor: string
}
