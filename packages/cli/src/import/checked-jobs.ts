import { defineJob, JobistemerError } from '@jobistemer/core'
import type { Schedule, SerializedSchedule, UnboundSchedule } from '@jobistemer/core/schedule'
import type { ImportContext, ImportedJob, ImportNotes } from './import-source.ts'
import { scheduleOf } from './schedule-of.ts'

/** An imported job whose definition `plan` and `apply` accept. */
export interface CheckedJob extends ImportedJob {
  /**
   * The schedule whose instants `--compare` compares. Unlike `schedule`, it does not begin at the cut-over. `null`: the job
   * runs on request only.
   */
  readonly checked: Schedule | null
}

/**
 * Checks imported jobs as `plan` does. Returns the accepted jobs, with schedules that begin at the cut-over. Adds a
 * note for each job that Jobistemer rejects.
 */
export async function checkJobs(
  jobs: readonly ImportedJob[],
  { cutOver, cwd, now }: ImportContext,
  notes: ImportNotes,
): Promise<readonly CheckedJob[]> {
  const names = new Set<string>()
  const checked: CheckedJob[] = []
  for (const job of jobs) {
    const leaveOut = (text: string): void => notes.leftOut(job.origin, text)
    if (names.has(job.name)) {
      leaveOut(`Another job has the name ${job.name} already.`)
      continue
    }
    try {
      const schedule = job.schedule === null ? null : bound(await scheduleOf(job.schedule, cwd, 'SOURCE'), job.name)
      if (schedule !== null && schedule.nextMs(Math.max(now, (cutOver ?? now) - 1)) === null) {
        leaveOut(`It has no instant after ${new Date(cutOver ?? now).toISOString()}.`)
        continue
      }
      const { nextMs = null } = job
      const first = nextMs === null ? null : (schedule?.nextMs(nextMs - 1) ?? null)
      if (nextMs !== null && first !== null && first !== nextMs) {
        const [theirs, ours] = [nextMs, first].map((at) => new Date(at).toISOString())
        notes.differs(
          job.origin,
          `Its next instant in the source is ${theirs}, and in Jobistemer ${ours}. Check it with --compare.`,
        )
      }
      const started = job.schedule === null || cutOver === null ? job.schedule : startedAt(job.schedule, cutOver)
      const task = { name: 'run', handler: job.handler, ...(job.data !== undefined && { data: job.data }) }
      const definition = { name: job.name, ...job.settings, tasks: [task] }
      if (started === null) defineJob(definition)
      else defineJob({ ...definition, schedule: await scheduleOf(started, cwd, 'SOURCE') })
      names.add(job.name)
      checked.push({ ...job, schedule: started, checked: schedule })
    } catch (error) {
      if (!JobistemerError.isInstance(error)) throw error
      leaveOut(`Jobistemer refuses it: ${error.message}`)
    }
  }
  return checked
}

/** Binds the schedule to the name of the job, as `defineJob` does: `H` in an expression depends on the name. */
function bound(schedule: Schedule, jobName: string): Schedule {
  return 'bind' in schedule ? (schedule as UnboundSchedule).bind({ jobName }) : schedule
}

/**
 * Returns the schedule, with its start set to `cutOver`: the instant from which Jobistemer runs the job instead of the other
 * scheduler. A `once` schedule and a schedule with a later start stay unchanged.
 */
function startedAt(schedule: SerializedSchedule, cutOver: number): SerializedSchedule {
  const { start } = schedule
  const startMs = typeof start === 'string' ? Date.parse(start) : Number.NEGATIVE_INFINITY
  return schedule.type === 'once' || startMs >= cutOver
    ? schedule
    : { ...schedule, start: new Date(cutOver).toISOString() }
}
