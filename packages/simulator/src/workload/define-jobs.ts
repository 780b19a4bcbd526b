import { defineJob, type Job, JobistemerError, type TaskContext } from '@jobistemer/core'
import type { History } from '../history/history.ts'
import { SeededRandom } from '@jobistemer/test-kit'
import type { NodeClock } from '../world/node-clock.ts'
import { every } from './every.ts'
import type { SimulatedDefinition, SimulatedJob, SimulatedTask } from './simulated-job.ts'

/** Name of the registered handler that runs the tasks of all jobs that are data. */
export const dataHandler = 'simulated'

/** What the handlers of one node incarnation need from the simulation. */
export interface HandlerWorld {
  readonly seed: number
  readonly life: string
  readonly clock: NodeClock
  readonly history: History
}

/** Builds the definition that a job has in one code build. */
export function defineSimulatedJob(job: SimulatedJob, definition: SimulatedDefinition, world: HandlerWorld): Job {
  const { intervalMs, phaseMs, endMs, settings } = definition
  return defineJob({
    name: job.name,
    schedule: every(intervalMs, { phaseMs, ...(endMs !== null && { endMs }) }),
    ...settings,
    tasks: definition.tasks.map((task) => ({
      name: task.name,
      ...task.settings,
      keepLogs: task.failing > 0 && { lines: 2 },
      data: task as never,
      ...(job.isData
        ? { handler: dataHandler }
        : { run: (context: TaskContext<unknown>) => runSimulatedTask(context, task, world) }),
    })),
  })
}

/** Runs an attempt of a job that is data. Its task's `data` holds the simulated task. */
export function runDataTask(context: TaskContext<unknown>, world: HandlerWorld): Promise<number> {
  return runSimulatedTask(context, context.data as SimulatedTask, world)
}

/**
 * Returns the name of the request that created the occurrence; `null` for a slot. The simulated user sends this name as the
 * input of the request. Each run of a backfill has a name of its own: the input, followed by the slot.
 */
function requestOf({ input, backfill }: TaskContext<unknown>): string | null {
  if (typeof input !== 'string') return null
  return backfill === null ? input : `${input} ${backfill.slot.toISOString()}`
}

/** Runs one attempt, and records its start and its end in the history. */
async function runSimulatedTask(
  context: TaskContext<unknown>,
  task: SimulatedTask,
  world: HandlerWorld,
): Promise<number> {
  const { history, life, clock, seed } = world
  const { id, kind } = context.occurrence
  const { attempt, fencingToken: token } = context
  const names = { id, task: task.name, attempt, token }
  // The process has died, so its handler must not act or return.
  if (clock.dead) return await never
  history.add(life, {
    kind: 'handler.started',
    ...names,
    jobId: context.job.id,
    job: context.job.name,
    origin: kind,
    scheduledAt: context.scheduledAt.getTime(),
    jobVersion: context.job.version,
    request: requestOf(context),
  })
  const random = new SeededRandom(`${seed}:${id}:${task.name}:${attempt}`)
  const durationMs = Math.floor(random.next() ** 2 * task.longestMs)
  const fails = random.chance(task.failing)
  // If the attempt lasts longer than one second, the engine stores this progress before the attempt's end.
  if (random.chance(0.5)) context.progress(random.next(), 'begun')
  context.logger.debug({ attempt }, 'begun')
  const { signal } = context
  const tell = (): void => history.add(life, { kind: 'handler.told', ...names, reason: reasonOf(signal) })
  if (signal.aborted) tell()
  else signal.addEventListener('abort', tell, { once: true })
  const how = durationMs === 0 ? 'slept' : await clock.sleep(durationMs, task.stopsInMs === null ? null : signal)
  if (how === 'aborted') {
    if (task.stopsInMs !== null && task.stopsInMs > 0) await clock.sleep(task.stopsInMs, null)
    history.add(life, { kind: 'handler.ended', ...names, how: 'aborted' })
    throw signal.reason
  }
  history.add(life, { kind: 'handler.ended', ...names, how: fails ? 'failed' : 'succeeded' })
  if (fails) throw new Error(`attempt ${attempt} fails as planned`)
  return attempt
}

/** Returns the reason with which the engine aborted a handler. */
function reasonOf({ reason }: AbortSignal): string {
  if (!JobistemerError.isInstance(reason)) return String(reason)
  return reason.code === 'TASK_TIMEOUT' ? 'timeout' : String(reason.value)
}

const never = new Promise<never>(() => undefined)
