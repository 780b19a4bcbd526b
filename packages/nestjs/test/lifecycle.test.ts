import { once } from 'node:events'
import { get } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Scheduler, TaskContext } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import {
  Controller,
  Get,
  Global,
  Injectable,
  Module,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common'
import { Test } from '@nestjs/testing'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  InjectScheduler,
  Job,
  JobistemerModule,
  type JobistemerOptionsFactory,
  schedulerToken,
  Task,
} from '../src/index.ts'
import { createApp, startApp } from './world.ts'

/** What happened, in its order. */
let course: string[] = []

@Injectable()
class Database implements OnModuleDestroy {
  isOpen = true
  onModuleDestroy() {
    this.isOpen = false
    course.push('database closed')
  }
}

let begun: () => void = () => undefined
let finish: Promise<void> = Promise.resolve()

@Job({ name: 'long' })
class Long {
  constructor(private readonly database: Database) {}
  @Task()
  async work() {
    begun()
    await finish
    course.push(this.database.isOpen ? 'task wrote' : 'task found no database')
  }
}

/** Begins the job, closes the application while it runs, and lets it end only then. */
async function closeWhileItRuns(metadata: Parameters<typeof startApp>[0]): Promise<string[]> {
  course = []
  let release = () => {}
  finish = new Promise((resolve) => {
    release = resolve
  })
  const hasBegun = new Promise<void>((resolve) => {
    begun = resolve
  })
  const database = memoryDatabase()
  const app = await startApp(metadata, { storage: memoryStorage({ database }) })
  const scheduler = app.get<Scheduler>(schedulerToken)
  const { id } = await scheduler.trigger('long')
  await hasBegun
  const closing = app.close()
  await new Promise((resolve) => setImmediate(resolve))
  release()
  await closing
  const reader = memoryStorage({ database })
  const { occurrences } = await reader.get({ occurrences: [id] })
  course.push(`run ${occurrences[0]?.state}`)
  return course
}

describe('app.close()', () => {
  it('lets running tasks end before what they need is closed, in the same module', async () => {
    expect(await closeWhileItRuns({ providers: [Long, Database] })).toEqual([
      'task wrote',
      'database closed',
      'run completed',
    ])
  })

  it('does so too when that is in a module of its own, or in a global one', async () => {
    @Global()
    @Module({ providers: [Database], exports: [Database] })
    class DatabaseModule {}
    @Module({ imports: [DatabaseModule], providers: [Long] })
    class Feature {}
    expect(await closeWhileItRuns({ imports: [Feature, DatabaseModule] })).toEqual([
      'task wrote',
      'database closed',
      'run completed',
    ])
  })

  it('closes the storage, unless it is to stay open', async () => {
    let closed = 0
    const counting = () =>
      wrapStorage(memoryStorage(), {
        close: async () => {
          closed++
        },
      })
    const app = await startApp({}, { storage: counting() })
    await app.close()
    expect(closed).toBe(1)
    const open = await startApp({}, { storage: counting(), closeStorage: false })
    await open.close()
    expect(closed).toBe(1)
  })
})

it('jobs begin when the whole application is there', async () => {
  course = []
  @Injectable()
  class Late implements OnApplicationBootstrap {
    constructor(@InjectScheduler() private readonly scheduler: Scheduler) {}
    async onApplicationBootstrap() {
      course.push(
        await this.scheduler.trigger('long').then(
          () => 'started',
          ({ code }) => code,
        ),
      )
    }
  }
  await startApp({ providers: [Long, Database, Late] })
  expect(course).toEqual(['SCHEDULER_STATE'])
})

it('with start: false no job runs, and what there is can be looked at', async () => {
  const app = await startApp({ providers: [Long, Database] }, { start: false })
  await expect(app.get<Scheduler>(schedulerToken).trigger('long')).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
})

it('a server that is asked to trigger a job answers, and the job runs', async () => {
  @Job({ name: 'asked' })
  class Asked {
    @Task()
    work({ input }: TaskContext) {
      return input
    }
  }
  @Controller()
  class Web {
    constructor(@InjectScheduler() private readonly scheduler: Scheduler) {}
    @Get('run')
    async run() {
      const { id } = await this.scheduler.trigger('asked', { data: 5 })
      const { tasks } = await this.scheduler.waitFor(id)
      return { result: tasks[0]?.result }
    }
  }
  const app = await createApp({ providers: [Asked], controllers: [Web] })
  await app.listen(0, '127.0.0.1')
  const { port } = app.getHttpServer().address() as AddressInfo
  const [response] = await once(get({ port, host: '127.0.0.1', path: '/run' }), 'response')
  const [body] = await once(response, 'data')
  expect(String(body)).toBe('{"result":5}')
})

describe('forRootAsync', () => {
  const settings = { storage: memoryStorage(), nodeId: 'from settings' }
  const settingsToken = Symbol('settings')
  @Module({ providers: [{ provide: settingsToken, useValue: settings }], exports: [settingsToken] })
  class SettingsModule {}

  @Injectable()
  class Options implements JobistemerOptionsFactory {
    createJobistemerOptions() {
      return { storage: memoryStorage(), nodeId: 'from a class' }
    }
  }
  @Module({ providers: [Options], exports: [Options] })
  class OptionsModule {}

  it.each([
    [
      'a factory',
      { imports: [SettingsModule], inject: [settingsToken], useFactory: async (given: typeof settings) => given },
      'from settings',
    ],
    ['a class', { useClass: Options }, 'from a class'],
    ['a provider that is there', { imports: [OptionsModule], useExisting: Options }, 'from a class'],
  ])('takes its options from %s', async (_, options, nodeId) => {
    const module = await Test.createTestingModule({
      imports: [JobistemerModule.forRootAsync(options as never)],
    }).compile()
    const app = module.createNestApplication({ logger: false })
    onTestFinished(() => app.close())
    await app.init()
    expect(app.get<Scheduler>(schedulerToken).nodeId).toBe(nodeId)
  })

  it('refuses to guess', () => {
    expect(() => JobistemerModule.forRootAsync({})).toThrow('useFactory')
  })
})
