import { JobistemerError, printValue } from '../../errors.ts'
import type { OccurrenceDetails } from '../../storage/occurrence-record.ts'
import { type JobPlan, overridePlan } from '../definitions/job-plan.ts'
import type { JobRegistry } from '../definitions/job-registry.ts'
import type { RegisteredJob } from '../definitions/registered-job.ts'

/**
 * Returns the plan of a job for one request, with the request's overrides and tasks. `path` is the prefix of field names.
 * @throws JobistemerError `HANDLER_NOT_FOUND`, `TASK_NOT_FOUND`
 */
export function planOfRequest(
  registry: JobRegistry,
  job: RegisteredJob,
  details: OccurrenceDetails,
  path = '',
): JobPlan {
  const plan = planWithHandlers(registry, job, path)
  const { tasks, overrides } = details
  for (const name of tasks ?? []) {
    if (!plan.tasks.some((task) => task.name === name)) throw noTask(job, plan, name, `${path}tasks`)
  }
  return tasks === undefined && overrides === undefined ? plan : overridePlan(plan, overrides ?? {}, tasks ?? null)
}

/** Returns the names of a task and of the tasks after it. @throws JobistemerError `HANDLER_NOT_FOUND`, `TASK_NOT_FOUND` */
export function tasksFrom(registry: JobRegistry, job: RegisteredJob, first: string): readonly string[] {
  const plan = planWithHandlers(registry, job, '')
  const index = plan.tasks.findIndex((task) => task.name === first)
  if (index < 0) throw noTask(job, plan, first, 'from')
  return plan.tasks.slice(index).map((task) => task.name)
}

function planWithHandlers(registry: JobRegistry, job: RegisteredJob, path: string): JobPlan {
  const plan = registry.plans.planOf(job)
  if (plan === null) throw noHandlers(job, registry.plans.missingOf(job), path)
  return plan
}

function noTask(job: RegisteredJob, plan: JobPlan, name: string, field: string): JobistemerError {
  return new JobistemerError('TASK_NOT_FOUND', {
    message: `Job ${printValue(job.job.name)} has no task of the name ${printValue(name)}.`,
    field,
    value: name,
    remedy: `Its tasks are ${plan.tasks.map((task) => printValue(task.name)).join(', ')}.`,
  })
}

function noHandlers({ job }: RegisteredJob, missing: readonly string[], path: string): JobistemerError {
  return new JobistemerError('HANDLER_NOT_FOUND', {
    message: `Job ${printValue(job.name)} needs handlers that this node lacks: ${missing.map(printValue).join(', ')}.`,
    field: path === '' ? 'handlers' : `${path}job`,
    value: missing,
    remedy:
      'Pass them to createScheduler({ handlers }), correct the names, or send the request to a node that has them.',
  })
}
