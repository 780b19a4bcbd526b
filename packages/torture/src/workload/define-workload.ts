import { defineJob, type Job, systemClock, type TaskContext, type TaskHandler } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import { behaviourOf } from './behaviour.ts'
import type { WorkloadJob, WorkloadTask } from './workload-job.ts'

/** Where handlers tell that they start and how they end. */
export interface Witness {
  start(context: TaskContext): void
  end(context: TaskContext, outcome: 'succeeded' | 'failed' | 'aborted'): void
}

/** The workload as definitions whose handlers tell a witness. */
interface DefinedWorkload {
  /** Those with code of their own. */
  readonly jobs: readonly Job[]
  /** Every second job is data alone: nodes add it, hold none of them, and look up which come due. */
  readonly dataJobs: readonly Job[]
  readonly handlers: Readonly<Record<string, TaskHandler>>
}

export function defineWorkload(
  jobs: readonly WorkloadJob[],
  options: { readonly seed: string; readonly witness: Witness },
): DefinedWorkload {
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

/** One attempt: what it returns is what the ledger is to hold. */
async function runTask(
  task: WorkloadTask,
  context: TaskContext,
  { seed, witness }: { readonly seed: string; readonly witness: Witness },
): Promise<number> {
  witness.start(context)
  const { id: occurrence } = context.occurrence
  const { durationMs, fails } = behaviourOf(task, { seed, occurrence, number: context.attempt })
  const isWhole = await spend(durationMs, task.deaf === true ? null : context.signal)
  if (!isWhole) {
    witness.end(context, 'aborted')
    throw context.signal.reason
  }
  witness.end(context, fails ? 'failed' : 'succeeded')
  if (fails) throw new Error(`attempt ${context.attempt} fails as planned`)
  return context.attempt
}

/** Waits; false when the signal fired first. */
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
