import { defineJob, type Job, systemClock, type TaskContext, type TaskHandler } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import type { WitnessEnd } from '../record/witness.ts'
import type { UserRows } from '../rows/user-rows.ts'
import { behaviourOf } from './behaviour.ts'
import type { WorkloadJob, WorkloadTask } from './workload-job.ts'

/** Records the starts and ends of handlers. */
export interface Witness {
  start(context: TaskContext): void
  end(context: TaskContext, outcome: WitnessEnd['outcome']): void
}

/** The settings that the handlers of the workload need, such as the {@link Witness} and the user's table. */
export interface WorkloadOptions {
  readonly seed: string
  readonly witness: Witness
  /** The user's table; `null` if the storage cannot write in a user's transaction. */
  readonly rows: UserRows | null
}

/** The workload as job definitions. The handlers report their starts and ends to a {@link Witness}. */
interface DefinedWorkload {
  /** The jobs that are defined in code. */
  readonly jobs: readonly Job[]
  /** Every second job is data. Nodes add these jobs, hold none of them, and load each job when it comes due. */
  readonly dataJobs: readonly Job[]
  readonly handlers: Readonly<Record<string, TaskHandler>>
}

export function defineWorkload(jobs: readonly WorkloadJob[], options: WorkloadOptions): DefinedWorkload {
  const handlers: Record<string, TaskHandler> = {}
  const defined = jobs.map((job, index) => {
    const tasks = job.tasks.map((task) => {
      const run = (context: TaskContext) => runTask(task, context, options)
      const handler = `${job.name}/${task.name}`
      handlers[handler] = (context) => run(context as TaskContext)
      return { name: task.name, ...task.settings, ...(isData(index) ? { handler } : { run }) }
    })
    return defineJob({ name: job.name, schedule: cron(job.cron), ...job.settings, tasks })
  })
  return {
    jobs: defined.filter((_, index) => !isData(index)),
    dataJobs: defined.filter((_, index) => isData(index)),
    handlers,
  }
}

function isData(index: number): boolean {
  return index % 2 === 1
}

/** Runs one attempt and returns its result, which the ledger must contain. */
async function runTask(
  task: WorkloadTask,
  context: TaskContext,
  { seed, witness, rows }: WorkloadOptions,
): Promise<number> {
  witness.start(context)
  const { id: occurrence } = context.occurrence
  const { durationMs, fails } = behaviourOf(task, { seed, occurrence, number: context.attempt })
  const isWhole = await spend(durationMs, task.deaf === true ? null : context.signal)
  if (!isWhole) {
    witness.end(context, 'aborted')
    throw context.signal.reason
  }
  if (task.moves === true && rows !== null && !fails) return await move(context, witness, rows)
  witness.end(context, fails ? 'failed' : 'succeeded')
  if (fails) throw new Error(`attempt ${context.attempt} fails as planned`)
  return context.attempt
}

/** Writes a row of the user's table and completes the task in the same transaction. */
async function move(context: TaskContext, witness: Witness, rows: UserRows): Promise<number> {
  const { task, attempt, fencingToken: token } = context
  const row = { occurrence: context.occurrence.id, task: task.name, attempt, token }
  let isMoved = false
  const complete = async (transaction: unknown) => {
    await context.complete(transaction, attempt)
    witness.end(context, 'moved')
    isMoved = true
  }
  try {
    await rows.move(row, complete, context.signal)
  } catch (error) {
    if (!isMoved) witness.end(context, context.signal.aborted ? 'aborted' : 'failed')
    throw error
  }
  return attempt
}

/** Waits for `durationMs`; returns false if the signal fires first. */
function spend(durationMs: number | null, signal: AbortSignal | null): Promise<boolean> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve(false)
    const timer = durationMs === null ? null : systemClock.setTimer(durationMs, () => finish(true))
    const onAbort = () => finish(false)
    const finish = (isWhole: boolean) => {
      timer?.cancel()
      signal?.removeEventListener('abort', onAbort)
      resolve(isWhole)
    }
    signal?.addEventListener('abort', onAbort)
  })
}
