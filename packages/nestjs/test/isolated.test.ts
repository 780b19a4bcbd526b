import { defineJob, type IsolationOptions, type JobOperations } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { Handler, InjectJobs, Job, jobsToken, Task } from '../src/index.ts'
import { startApp } from './world.ts'

const module = new URL('./fixtures/isolated/render.mjs', import.meta.url)

async function resultOf(jobs: JobOperations, name: string): Promise<unknown> {
  const { id } = await jobs.trigger(name)
  return (await jobs.waitFor(id, { timeout: { minutes: 1 } })).tasks.map(({ result }) => result)
}

describe.each(['thread', 'process'] as const)(
  'a NestJS application with an isolated task that runs in a %s',
  (isolation) => {
    it('runs three tasks in order: a method, a property whose module has the isolated task, and a second method', async () => {
      @Job({ name: 'rendering' })
      class Rendering {
        @Task()
        before() {
          return 'before'
        }
        @Task({ module, isolation, data: { pages: 7 } })
        readonly render!: unknown
        @Task()
        after() {
          return 'after'
        }
      }
      const app = await startApp({ providers: [Rendering] })
      const [before, render, after] = (await resultOf(app.get(jobsToken), 'rendering')) as [
        string,
        { pid: number; pages: number },
        string,
      ]
      expect([before, render.pages, after]).toEqual(['before', 7, 'after'])
      expect(render.pid === process.pid).toBe(isolation === 'thread')
      const { tasks } = await app.get<JobOperations>(jobsToken).job('rendering')
      expect(tasks.map((task) => task.isolation)).toEqual([null, isolation, null])
    })

    it('runs jobs that are data with a handler that a property with a module declares', async () => {
      class Handlers {
        @Handler('render', { module, isolation })
        readonly render!: unknown
      }
      const app = await startApp({ providers: [Handlers] })
      const jobs = app.get<JobOperations>(jobsToken)
      await jobs.add(defineJob({ name: 'data', tasks: [{ name: 'draw', handler: 'render', data: { pages: 2 } }] }))
      expect(await resultOf(jobs, 'data')).toEqual([expect.objectContaining({ pages: 2 })])
    })
  },
)

describe('a NestJS application with contradictory declarations of a task’s code', () => {
  const options: IsolationOptions = { module }

  it('refuses a task that is a method and has a module', async () => {
    @Job({ name: 'both' })
    class Both {
      @Task(options)
      work() {}
    }
    await expect(startApp({ providers: [Both] })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      field: 'module',
      value: 'Both.work',
    })
  })

  it('refuses a handler that is a method and has a module', async () => {
    class Both {
      @Handler('work', options)
      work() {}
    }
    await expect(startApp({ providers: [Both] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', field: 'module' })
  })

  it('refuses a task that is a method and has an isolation', async () => {
    @Job({ name: 'neither' })
    class Neither {
      @Task({ isolation: 'process' })
      work() {}
    }
    await expect(startApp({ providers: [Neither] })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      field: 'tasks[0].isolation',
    })
  })
})

it('InjectJobs injects the scheduler into a NestJS application that has a scheduler', async () => {
  class Service {
    constructor(@InjectJobs() readonly jobs: JobOperations) {}
  }
  @Job({ name: 'asked' })
  class Asked {
    @Task()
    work() {
      return 5
    }
  }
  const app = await startApp({ providers: [Service, Asked] })
  expect(await resultOf(app.get(Service).jobs, 'asked')).toEqual([5])
})
