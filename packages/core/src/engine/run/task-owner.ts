import type { JobistemerError } from '../../errors.ts'
import type { TaskPlan } from '../jobs/job-plan.ts'
import type { Children } from '../isolation/children.ts'
import type { Completion } from './completion.ts'
import type { ExecutionVoice } from './execution-voice.ts'
import type { KeptLogs } from './kept-logs.ts'
import type { TaskContextSource } from './task-context.ts'
import type { TaskProgress } from './task-progress.ts'

/** The occurrence that a task is part of. */
export interface TaskOwner extends TaskContextSource {
  readonly voice: ExecutionVoice
  /** In which isolated tasks run. */
  readonly children: Children
  /** What is kept of what its handlers log. */
  readonly keptLogs: KeptLogs
  /** Nothing has ended it yet: attempts begin, and their ends count. */
  readonly isOpen: boolean
  /** It is to go on with another owner. */
  readonly isHandedBack: boolean
  /** A handler that is interrupted is never called again. */
  readonly failsInterrupted: boolean
  /** Its handler has held the event loop for so long. */
  heldLoop(forMs: number): void
  /** A handler was interrupted that is never called again: the occurrence fails. */
  interrupted(): void
  /** Whether a task of this plan may have a further attempt here. */
  mayRetry(plan: TaskPlan): boolean
  /** Why no handler of it is to be called: its data do not fit. */
  readonly misfit: JobistemerError | null
  /** An attempt has said so: the occurrence fails. */
  failMisfit(): void
  /** Its time is over, and its alarm is about to say so. */
  readonly isOverdue: boolean
  /** There is something to say to the storage. */
  say(): void
  /** There is something that the storage is to be told soon, with whatever else there is to say. */
  noted(): void
  /** A task has failed that the others must not outlive. */
  failFast(): void
  /** A task does nothing for the moment: others may start. */
  advance(): void
  /** The handler of an attempt completes its task in a transaction of its own. */
  complete(
    task: TaskProgress,
    attempt: number,
    completing: { readonly transaction: unknown; readonly result: unknown },
  ): Promise<void>
  /** The handler of this task has said something in a transaction, and what became of it is not known. */
  isCompleting(task: TaskProgress): boolean
  /** Its handler has ended. What the storage has of that; `null`: nothing. Call {@link decided} once that is heeded. */
  decide(): Promise<Completion | null>
  decided(): void
}
