import { type Client, jobId, type OccurrenceId, type Scheduler } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { cron } from '@jobistemer/ticker-cron'
import type { WorkloadJob } from '../workload/workload-job.ts'
import type { Command } from './messages.ts'
import type { Recorded } from './recording-storage.ts'

interface CommandTools {
  /** The scheduler or client that executes the command. */
  readonly scheduler: Scheduler | Client
  readonly shutdown: () => Promise<void>
  readonly storage: Storage
  readonly jobs: readonly WorkloadJob[]
  readonly setClock: (offsetMs: number) => void
  readonly stay: () => void
  readonly record: (event: Recorded) => void
}

/**
 * Executes a command of the driver. Returns the occurrence that the command created or changed; `null` if there is no such
 * occurrence.
 */
export async function runCommand(command: Command, tools: CommandTools): Promise<OccurrenceId | null> {
  const { scheduler } = tools
  switch (command.do) {
    case 'trigger': {
      const { key, priority } = command
      const { id } = await scheduler.trigger(command.job, { key, priority, reason: 'torture' })
      return id
    }
    case 'replay': {
      const ended = (
        await scheduler.occurrences({
          job: command.job,
          states: ['completed', 'failed'],
          order: 'descending',
          limit: 20,
        })
      ).items
      const original = ended[Math.floor(command.choice * ended.length)]
      if (original === undefined) throw new Error('there is no ended occurrence to replay yet')
      const { id } = await scheduler.replay(original.id, { key: command.key, reason: 'torture' })
      return id
    }
    case 'pause':
      await scheduler.pause(command.job, { reason: 'torture' })
      return null
    case 'resume':
      await scheduler.resume(command.job)
      return null
    case 'cancel':
      return await cancel(command, tools)
    case 'end-schedules':
      for (const job of tools.jobs) {
        await scheduler.update(job.name, { schedule: cron(job.cron, { end: command.at }) })
      }
      return null
    case 'stop':
      process.kill(process.pid, 'SIGSTOP')
      return null
    case 'set-clock':
      tools.setClock(command.offsetMs)
      return null
    case 'stay':
      tools.stay()
      return null
    case 'shutdown':
      await tools.shutdown()
      return null
  }
}

async function cancel(
  { job, choice, force }: Extract<Command, { do: 'cancel' }>,
  { scheduler, storage, record }: CommandTools,
): Promise<OccurrenceId | null> {
  const live = await storage.listOccurrences({
    kind: 'job',
    jobId: jobId(job),
    states: ['pending', 'queued', 'running'],
    order: 'descending',
    runs: false,
    limit: 20,
    cursor: null,
  })
  const chosen = live.items[Math.floor(choice * live.items.length)]
  if (chosen === undefined) return null
  if (force) record({ event: 'forcing', occurrence: chosen.id })
  await scheduler.cancel(chosen.id, { reason: 'torture', force })
  return chosen.id
}
