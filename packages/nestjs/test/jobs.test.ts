import { defineJob, type Scheduler, type TaskContext } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import { Controller, Inject, Injectable, Module, Scope } from '@nestjs/common'
import { REQUEST } from '@nestjs/core'
import { describe, expect, it } from 'vitest'
import { Handler, InjectScheduler, Job, schedulerToken, Task } from '../src/index.ts'
import { createApp, startApp } from './world.ts'

@Injectable()
class Mailer {
  readonly sent: string[] = []
  send(text: string): void {
    this.sent.push(text)
  }
}

@Job({ name: 'report', schedule: cron('0 2 * * *'), tags: ['nightly'] })
class Report {
  constructor(private readonly mailer: Mailer) {}

  @Task({ data: { rows: 3 }, taskTimeout: { minutes: 1 } })
  async count({ data }: TaskContext<{ rows: number }>): Promise<{ rows: number }> {
    return { rows: data.rows }
  }

  @Task({ name: 'send mail' })
  mail({ results }: TaskContext): void {
    this.mailer.send(JSON.stringify(results.count))
  }
}

async function run(scheduler: Scheduler, name: string, data?: unknown) {
  const { id } = await scheduler.trigger(name, data === undefined ? {} : { data })
  return scheduler.waitFor(id)
}

describe('a class with @Job', () => {
  it('is a job whose tasks are the methods with @Task, and may use injected providers', async () => {
    const app = await startApp({ providers: [Report, Mailer] })
    const scheduler = app.get<Scheduler>(schedulerToken)
    const occurrence = await run(scheduler, 'report')
    expect(occurrence.state).toBe('completed')
    expect(occurrence.tasks.map(({ name, result }) => [name, result])).toEqual([
      ['count', { rows: 3 }],
      ['send mail', undefined],
    ])
    expect(app.get(Mailer).sent).toEqual(['{"rows":3}'])
    expect((await scheduler.job('report')).tags).toEqual(['nightly'])
    expect((await scheduler.nextRuns('report', 1))[0]?.getUTCHours()).toBe(2)
  })

  it('keeps the scope that @Injectable below @Job, or a base class, has given', async () => {
    let made = 0
    @Job({ name: 'below' })
    @Injectable({ scope: Scope.REQUEST })
    class Below {
      readonly number = ++made
      @Task()
      work() {
        return this.number
      }
    }
    @Injectable({ scope: Scope.REQUEST })
    class Base {
      readonly number = ++made
    }
    @Job({ name: 'derived' })
    class Derived extends Base {
      @Task()
      work() {
        return this.number
      }
    }
    const app = await startApp({ providers: [Below, Derived] })
    const scheduler = app.get<Scheduler>(schedulerToken)
    const numbers: unknown[] = []
    for (const name of ['below', 'below', 'derived', 'derived']) {
      numbers.push((await run(scheduler, name)).tasks[0]?.result)
    }
    expect(new Set(numbers).size).toBe(4)
  })

  it('may be a provider of any module, or a controller', async () => {
    @Module({ providers: [Report, Mailer] })
    class Feature {}
    @Job({ name: 'of a controller' })
    @Controller()
    class Web {
      @Task()
      work() {
        return 'done'
      }
    }
    const app = await startApp({ imports: [Feature], controllers: [Web] })
    const scheduler = app.get<Scheduler>(schedulerToken)
    expect((await run(scheduler, 'report')).state).toBe('completed')
    expect((await run(scheduler, 'of a controller')).tasks[0]?.result).toBe('done')
  })

  it('inherits the tasks of another job class that it extends, but not the name and schedule', async () => {
    @Job({ name: 'short report' })
    class ShortReport extends Report {
      @Task({ data: { rows: 1 } })
      override async count(context: TaskContext<{ rows: number }>) {
        return super.count(context)
      }
    }
    const app = await startApp({ providers: [ShortReport, Mailer] })
    const scheduler = app.get<Scheduler>(schedulerToken)
    const { tasks } = await run(scheduler, 'short report')
    expect(tasks.map(({ name }) => name)).toEqual(['send mail', 'count'])
    await expect(scheduler.job('report')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  })

  it('may be created by a factory', async () => {
    const app = await startApp({ providers: [{ provide: Report, useFactory: () => new Report(new Mailer()) }] })
    expect((await run(app.get<Scheduler>(schedulerToken), 'report')).state).toBe('completed')
  })

  it.each([Scope.REQUEST, Scope.TRANSIENT])('has a new instance for each attempt if its scope is %s', async (scope) => {
    const seen: unknown[] = []
    @Injectable({ scope })
    class Counter {
      count = 0
    }
    @Job({ name: 'scoped', retryPolicy: { maxRetries: 1, retryInterval: 0 } })
    class Scoped {
      constructor(
        private readonly counter: Counter,
        @Inject(REQUEST) private readonly context: TaskContext,
      ) {}
      @Task()
      work({ attempt, occurrence }: TaskContext) {
        seen.push([attempt, ++this.counter.count, this.context.occurrence.id === occurrence.id])
        if (attempt === 1) throw new Error('once more')
      }
    }
    const app = await startApp({ providers: [Scoped, Counter] })
    expect((await run(app.get<Scheduler>(schedulerToken), 'scoped')).state).toBe('completed')
    expect(seen).toEqual([
      [1, 1, true],
      [2, 1, true],
    ])
  })

  it.each([Scope.REQUEST, Scope.TRANSIENT])(
    'runs its own code with the scope %s although another module has a class with the same name',
    async (scope) => {
      const jobClass = (name: string) => {
        @Job({ name })
        class Named {
          @Task()
          work() {
            return name
          }
        }
        @Module({ providers: [{ provide: 'job', useClass: Named, scope }] })
        class Feature {}
        return Feature
      }
      const app = await startApp({ imports: [jobClass('one'), jobClass('two'), jobClass('three')] })
      const scheduler = app.get<Scheduler>(schedulerToken)
      const done: unknown[] = []
      for (const name of ['one', 'two', 'three']) done.push((await run(scheduler, name)).tasks[0]?.result)
      expect(done).toEqual(['one', 'two', 'three'])
    },
  )

  it.each<[string, () => object[], string]>([
    [
      'without a task',
      () => {
        @Job({ name: 'empty' })
        class Empty {}
        return [Empty]
      },
      'INVALID_ARGUMENT',
    ],
    [
      'that is missing around a task',
      () => {
        @Injectable()
        class NoJob {
          @Task()
          work() {}
        }
        return [NoJob]
      },
      'INVALID_ARGUMENT',
    ],
    [
      'with the name of another one',
      () => {
        @Job({ name: 'report' })
        class Other {
          @Task()
          work() {}
        }
        return [Report, Other]
      },
      'DUPLICATE_JOB',
    ],
    [
      'whose settings are wrong',
      () => {
        @Job({ name: 'wrong', taskTimeout: 'soon' as never })
        class Wrong {
          @Task()
          work() {}
        }
        return [Wrong]
      },
      'INVALID_DURATION',
    ],
  ])(
    'with an invalid declaration is refused when the application is created: a @Job %s',
    async (_, providers, code) => {
      await expect(createApp({ providers: [...providers(), Mailer] as never[] })).rejects.toMatchObject({ code })
    },
  )

  it('is refused if two modules provide it, because each module would have its own instance', async () => {
    @Module({ providers: [Report, Mailer] })
    class One {}
    @Module({ providers: [Report, Mailer] })
    class Two {}
    await expect(createApp({ imports: [One, Two] })).rejects.toMatchObject({
      code: 'DUPLICATE_JOB',
      message: expect.stringContaining('One and by Two'),
    })
  })
})

describe('a method with @Handler in a NestJS application', () => {
  it('runs jobs that are data and name that handler', async () => {
    @Injectable()
    class Images {
      constructor(private readonly mailer: Mailer) {}
      @Handler('resize')
      resize({ input }: TaskContext) {
        this.mailer.send(String(input))
        return 'resized'
      }
    }
    const app = await startApp({ providers: [Images, Mailer] })
    const scheduler = app.get<Scheduler>(schedulerToken)
    await scheduler.add(defineJob({ name: 'resizing', tasks: [{ name: 'work', handler: 'resize' }] }))
    expect((await run(scheduler, 'resizing', 'cat.png')).tasks[0]?.result).toBe('resized')
    expect(app.get(Mailer).sent).toEqual(['cat.png'])
  })

  it('is refused if another method has the same handler name', async () => {
    @Injectable()
    class Twice {
      @Handler('same')
      one() {}
      @Handler('same')
      two() {}
    }
    await expect(createApp({ providers: [Twice] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

it('InjectScheduler injects the scheduler into each kind of provider, even into a job class', async () => {
  @Job({ name: 'chain' })
  class Chain {
    constructor(@InjectScheduler() private readonly scheduler: Scheduler) {}
    @Task()
    async next() {
      const { id } = await this.scheduler.trigger('report')
      return (await this.scheduler.waitFor(id)).state
    }
  }
  const app = await startApp({ providers: [Chain, Report, Mailer] })
  expect((await run(app.get<Scheduler>(schedulerToken), 'chain')).tasks[0]?.result).toBe('completed')
})
