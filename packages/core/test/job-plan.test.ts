import { describe, expect, it } from 'vitest'
import type { JobOverrides } from '../src/configuration/settings.ts'
import { defaultSettings } from '../src/configuration/read-settings.ts'
import {
  type Handlers,
  type JobPlan,
  overridePlan,
  planFromDocument,
  planFromJob,
} from '../src/engine/definitions/job-plan.ts'
import { defineJob } from '../src/job/define-job.ts'
import { readJobDocument, toJobDocument } from '../src/job/job-document.ts'
import { every } from './support/every.ts'

const job = defineJob({
  name: 'nightly',
  schedule: every(1000),
  executionTimeout: 10,
  tasks: [
    { name: 'work', data: { rows: 3 }, run: () => 1 },
    { name: 'tell', handler: 'mail' },
    { name: 'clean-up', failureStrategy: 'continue', taskTimeout: 99, run: () => 2 },
  ],
})
const mail = () => 3
const handlers: Handlers = new Map([['mail', mail]])

function planOf(defaults: JobOverrides = {}): JobPlan {
  const plan = planFromJob(job, defaults, 3, handlers)
  if (plan === null) throw new Error('No plan')
  return plan
}

const stored = (defaults: JobOverrides) => readJobDocument(JSON.parse(JSON.stringify(toJobDocument(job, defaults))))

describe('the plan by which a node runs a job', () => {
  it('takes each setting from the task, or else from the job, or else from the scheduler, or else from the defaults', () => {
    const plan = planOf({ taskTimeoutMs: 5, executionTimeoutMs: 6 })
    expect(plan.version).toBe(3)
    expect(plan.settings).toEqual({ ...defaultSettings, taskTimeoutMs: 5, executionTimeoutMs: 10 })
    expect(plan.tasks).toMatchObject([
      {
        name: 'work',
        data: { rows: 3 },
        alwaysRuns: false,
        settings: { failureStrategy: 'fail_fast', taskTimeoutMs: 5 },
      },
      { name: 'tell', run: mail, alwaysRuns: false },
      { name: 'clean-up', alwaysRuns: true, settings: { failureStrategy: 'continue', taskTimeoutMs: 99 } },
    ])
  })

  it('is the same whether it is made from code or from the stored JSON definition', () => {
    const defaults = { taskTimeoutMs: 5 }
    expect(planFromDocument(stored(defaults), 3, { tasks: job.tasks, handlers })).toEqual(planOf(defaults))
  })

  it('is null if the node lacks the function of a task', () => {
    const tasks = job.tasks.slice(1)
    expect(planFromDocument(stored({}), 1, { tasks, handlers })).toBeNull()
  })

  it('is null if the node lacks a named handler', () => {
    expect(planFromDocument(stored({}), 1, { tasks: job.tasks, handlers: new Map() })).toBeNull()
    expect(planFromJob(job, {}, 1, new Map())).toBeNull()
  })

  it('contains, for a trigger of chosen tasks, only these tasks and the settings of the trigger', () => {
    const plan = planOf()
    const overridden = overridePlan(plan, {
      overrides: { taskTimeoutMs: 1, executionTimeoutMs: 2 },
      tasks: ['clean-up'],
    })
    expect(overridden.settings).toEqual({ ...plan.settings, taskTimeoutMs: 1, executionTimeoutMs: 2 })
    expect(overridden.tasks).toEqual([
      {
        ...plan.tasks[2],
        settings: { failureStrategy: 'continue', retryPolicy: null, taskTimeoutMs: 1, keepLogs: null },
      },
    ])
    expect(plan.tasks[2]?.settings.taskTimeoutMs).toBe(99)
  })

  it('lets each task run although another task has failed, if a trigger sets the failure strategy continue', () => {
    const overridden = overridePlan(planOf(), { overrides: { failureStrategy: 'continue' } })
    expect(overridden.tasks.map(({ alwaysRuns }) => alwaysRuns)).toEqual([true, true, true])
  })
})
