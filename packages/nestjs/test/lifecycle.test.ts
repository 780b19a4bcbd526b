import { once } from 'node:events'
import { get } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JobOperations, OccurrenceId, Scheduler, TaskContext } from '@jobistemer/core'
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
  InjectJobs,
  InjectScheduler,
  Job,
  JobistemerModule,
  type JobistemerOptionsFactory,
  jobsToken,
  schedulerToken,
  Task,
} from '../src/index.ts'
import { createApp, startApp } from './world.ts'

/** The events of a test, in their order. */
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

/** Returns a promise, and a function that resolves the promise. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { open, opened }
}

/** Starts the job, closes the application while the job runs, and only then lets the job end. Returns the events. */
async function closeWhileItRuns(metadata: Parameters<typeof startApp>[0]): Promise<string[]> {
  course = []
  const working = gate()
  const release = gate()
  begun = working.open
  finish = release.opened
  const database = memoryDatabase()
  const app = await startApp(metadata, { storage: memoryStorage({ database }) })
  const scheduler = app.get<Scheduler>(schedulerToken)
  const { id } = await scheduler.trigger('long')
  await working.opened
  const closing = app.close()
  await new Promise((resolve) => setImmediate(resolve))
  release.open()
  await closing
  const reader = memoryStorage({ database })
  const { occurrences } = await reader.get({ occurrences: [id] })
  course.push(`run ${occurrences[0]?.state}`)
  return course
}

describe('while a NestJS application shuts down and a task still runs', () => {
  /**
   * Starts an application whose routes trigger runs, and begins to close it. The scheduler waits for a running task
   * until `release` is called.
   */
  async function closingServer() {
    @Controller()
    class Web {
      constructor(
        @InjectJobs() private readonly jobs: JobOperations,
        @InjectScheduler() private readonly scheduler: Scheduler,
      ) {}
      @Get('ask')
      async ask() {
        return this.jobs.trigger('asked')
      }
      @Get('wait')
      async wait() {
        const { id } = await this.jobs.trigger('asked')
        return this.jobs.waitFor(id).catch(({ code }) => ({ id, code }))
      }
      @Get('scheduler')
      async directly() {
        return this.scheduler.trigger('asked').catch(({ code }) => ({ code }))
      }
    }
    @Job({ name: 'asked', overlapPolicy: 'allow' })
    class Asked {
      @Task()
      work() {}
    }
    course = []
    const database = memoryDatabase()
    const working = gate()
    const release = gate()
    begun = working.open
    finish = release.opened
    const app = await createApp(
      { providers: [Long, Database, Asked], controllers: [Web] },
      { storage: memoryStorage({ database }) },
    )
    await app.listen(0, '127.0.0.1')
    const { port } = app.getHttpServer().address() as AddressInfo
    await app.get<Scheduler>(schedulerToken).trigger('long')
    await working.opened
    const closed = app.close()
    const headers = { connection: 'close' }
    const ask = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}/${path}`, { headers })
      return (await response.json()) as { readonly id: OccurrenceId; readonly code?: string }
    }
    // Waits until the scheduler has begun its shutdown and rejects calls.
    while ((await ask('scheduler')).code === undefined);
    return { app, database, ask, release: release.open, closed }
  }

  it('its requests can still trigger jobs, and other processes run them', async () => {
    const { app, database, ask, release, closed } = await closingServer()
    const { id, code } = await ask('ask')
    expect(code).toBeUndefined()
    release()
    await closed
    const { occurrences } = await memoryStorage({ database }).get({ occurrences: [id] })
    expect(occurrences[0]?.state).toBe('pending')
    await expect(app.get<JobOperations>(jobsToken).trigger('asked')).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
  })

  it('`waitFor` throws SCHEDULER_STATE, so that no request delays the shutdown', async () => {
    const { ask, release, closed } = await closingServer()
    expect((await ask('wait')).code).toBe('SCHEDULER_STATE')
    release()
    await closed
  })
})

describe('the job operations of a NestJS application whose scheduler does not run', () => {
  @Job({ name: 'asked' })
  class Asked {
    @Task()
    work() {}
  }
  /** Returns a database that contains the job `asked`. */
  async function databaseWithJob() {
    const database = memoryDatabase()
    const app = await startApp({ providers: [Asked] }, { storage: memoryStorage({ database }) })
    await app.close()
    return database
  }

  it.each(['onModuleInit', 'onApplicationBootstrap'])(
    'trigger a run in the hook %s, and the run then starts',
    async (hook) => {
      let id: OccurrenceId | null = null
      @Injectable()
      class Warm {
        constructor(@InjectJobs() private readonly jobs: JobOperations) {}
        async warm() {
          id = (await this.jobs.trigger('asked')).id
        }
      }
      Object.defineProperty(Warm.prototype, hook, { value: Warm.prototype.warm })
      const storage = memoryStorage({ database: await databaseWithJob() })
      const app = await startApp({ providers: [Asked, Warm] }, { storage })
      const run = await app.get<JobOperations>(jobsToken).waitFor(id as unknown as OccurrenceId)
      expect(run.state).toBe('completed')
    },
  )

  it('trigger a run with start: false, and waitFor throws SCHEDULER_STATE', async () => {
    const storage = memoryStorage({ database: await databaseWithJob() })
    const app = await startApp({ providers: [Asked] }, { storage, start: false })
    const jobs = app.get<JobOperations>(jobsToken)
    const { id, state } = await jobs.trigger('asked')
    expect([state, (await jobs.occurrence(id)).state]).toEqual(['pending', 'pending'])
    await expect(jobs.waitFor(id)).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
    await app.close()
    await expect(jobs.trigger('asked')).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
  })
})

describe('app.close() of a NestJS application', () => {
  it('waits for running tasks before it closes the database of the same module', async () => {
    expect(await closeWhileItRuns({ providers: [Long, Database] })).toEqual([
      'task wrote',
      'database closed',
      'run completed',
    ])
  })

  it('waits for running tasks before it closes the database of another or a global module', async () => {
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

  it('closes the storage, unless closeStorage is false', async () => {
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

it('jobs start after the whole NestJS application has started', async () => {
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

it('a NestJS application with start: false runs no jobs, and calls of its scheduler reject with SCHEDULER_STATE', async () => {
  const app = await startApp({ providers: [Long, Database] }, { start: false })
  await expect(app.get<Scheduler>(schedulerToken).trigger('long')).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
})

it('a route of a NestJS application triggers a job and answers with the job’s result', async () => {
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

describe('JobistemerModule.forRootAsync', () => {
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
  ])('reads its options from %s', async (_, options, nodeId) => {
    const module = await Test.createTestingModule({
      imports: [JobistemerModule.forRootAsync(options as never)],
    }).compile()
    const app = module.createNestApplication({ logger: false })
    onTestFinished(() => app.close())
    await app.init()
    expect(app.get<Scheduler>(schedulerToken).nodeId).toBe(nodeId)
  })

  it('throws if neither useFactory, useClass nor useExisting is given', () => {
    expect(() => JobistemerModule.forRootAsync({})).toThrow('useFactory')
  })
})

describe('a second JobistemerModule in a NestJS application', () => {
  const storage = () => memoryStorage({ database: memoryDatabase() })

  it.each([
    ['forRoot', () => JobistemerModule.forRoot({ storage: storage() })],
    ['forClient', () => JobistemerModule.forClient({ storage: storage() })],
  ])('made with %s is refused, because two schedulers or storages would be ambiguous', async (_, second) => {
    @Module({ imports: [second()] })
    class Feature {}
    await expect(createApp({ imports: [Feature] })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/Feature and by RootTestModule|RootTestModule and by Feature/),
    })
  })

  it('is accepted if it is the dynamic module of the first import, or the class JobistemerModule without options', async () => {
    const jobs = JobistemerModule.forRoot({ storage: storage() })
    @Module({ imports: [jobs] })
    class One {}
    @Module({ imports: [jobs, JobistemerModule] })
    class Two {}
    const module = await Test.createTestingModule({ imports: [One, Two] }).compile()
    const app = module.createNestApplication({ logger: false })
    onTestFinished(() => app.close())
    await app.init()
    expect(await app.get<Scheduler>(schedulerToken).nodes()).toHaveLength(1)
  })
})
