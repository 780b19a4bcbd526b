import { mkdtempSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CancelResult,
  createClient,
  defineJob,
  type ErrorCode,
  JobistemerError,
  type Job,
  type Logger,
  occurrenceId,
  silentLogger,
} from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage, type Operation } from '../support/intercepted-storage.ts'
import { everyStorage, everywhere, memory } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'
import { WrongClock } from '../support/wrong-clock.ts'

/** Defines a job that runs every ten seconds and records its calls. */
function noting(settings: { retries?: boolean; overlap?: 'queue' | 'allow' } = {}) {
  const called: string[] = []
  const job = defineJob({
    name: 'noting',
    schedule: everySeconds(10, +at(60)),
    ...(settings.overlap !== undefined && { overlapPolicy: settings.overlap }),
    ...(settings.retries === true && { retryPolicy: { maxRetries: 1, retryInterval: { seconds: 1 } } }),
    tasks: ['first', 'second'].map((name) => ({
      name,
      run: ({ scheduledAt, attempt }: { scheduledAt: Date; attempt: number }) => {
        called.push(`${secondsOf(scheduledAt)} ${name} ${attempt}`)
        if (settings.retries === true && attempt === 1) throw new Error('no')
      },
    })),
  })
  return { job, called }
}

const slots = [10, 20, 30, 40, 50, 60]

async function startOn(world: World, jobs: Job[], options: { maxConcurrentJobs?: number } = {}) {
  const intercepted = new InterceptedStorage(world.connect())
  const scheduler = await world.start({ jobs, storage: intercepted.storage, ...options })
  return { intercepted, scheduler }
}

/** The storages, and when a call fails. A call that fails before its effect never reaches the storage, so one storage is enough. */
const failures = [
  ...everywhere.map((place) => ({ name: place.name, place, when: 'before its effect' as const })),
  ...everyStorage.map((place) => ({ name: place.name, place, when: 'after its effect' as const })),
]

describe.each(failures)('on the storage $name, if a storage call fails $when', ({ place, when }) => {
  it.each([1, 3])('%i times during the creation of slots, no run is lost or duplicated', async (times) => {
    const world = createWorld(place)
    const { job, called } = noting()
    const { intercepted, scheduler } = await startOn(world, [job])
    intercepted.fail('createOccurrences', times, when)
    await world.clock.advance({ minutes: 3 })
    expect(called).toEqual(slots.flatMap((slot) => [`${slot} first 1`, `${slot} second 1`]))
    expect(await fates(scheduler, 'noting')).toEqual(slots.map((slot) => `${slot} completed`))
  })

  it.each([1, 3])('%i times during settle, no run is lost or duplicated', async (times) => {
    const world = createWorld(place)
    const { job, called } = noting({ retries: true })
    const { intercepted, scheduler } = await startOn(world, [job])
    intercepted.fail('settle', times, when)
    await world.clock.advance({ minutes: 3 })
    const attempts = (slot: number) => ['first 1', 'first 2', 'second 1', 'second 2'].map((one) => `${slot} ${one}`)
    expect(called).toEqual(slots.flatMap(attempts))
    expect(await fates(scheduler, 'noting')).toEqual(slots.map((slot) => `${slot} completed`))
  })

  it.each([1, 3])('%i times during claim, no run is lost or duplicated', async (times) => {
    const world = createWorld(place)
    const called: string[] = []
    const names = Array.from({ length: 12 }, (_, index) => `job ${index}`)
    const jobs = names.map((name) =>
      defineJob({
        name,
        schedule: once(at(10)),
        tasks: [
          {
            name: 'work',
            run: async ({ attempt }) => {
              called.push(`${name} ${attempt}`)
              await world.clock.sleep({ seconds: 2 })
            },
          },
        ],
      }),
    )
    const { intercepted, scheduler } = await startOn(world, jobs, { maxConcurrentJobs: 4 })
    await world.clock.advance({ seconds: 10 })
    intercepted.fail('claim', times, when, ({ limit }: { limit: number }) => limit > 0)
    await world.clock.advance({ minutes: 3 })
    expect(called.sort()).toEqual(names.map((name) => `${name} 1`).sort())
    for (const name of names) expect(await fates(scheduler, name)).toEqual(['10 completed'])
  })

  it('during the start of a node, the node repeats the call until the call succeeds', async () => {
    const world = createWorld(place)
    const { job, called } = noting()
    const intercepted = new InterceptedStorage(world.connect())
    for (const operation of ['get', 'saveJobs', 'listOccurrences', 'listJobs'] as const) {
      intercepted.fail(operation, 2, when)
    }
    const scheduler = world.scheduler({ jobs: [job], storage: intercepted.storage })
    const starting = scheduler.start()
    await world.clock.advance({ seconds: 5 })
    await starting
    await world.clock.advance({ minutes: 3 })
    expect(called).toHaveLength(12)
  })

  it('while a run ends, the next queued run of the same job still starts', async () => {
    const world = createWorld(place)
    const startedAt: number[] = []
    const job = defineJob({
      name: 'queued',
      schedule: everySeconds(10, +at(30)),
      overlapPolicy: 'queue',
      tasks: [
        {
          name: 'work',
          run: () => {
            startedAt.push(secondsOf(world.clock.now()))
            return world.clock.sleep({ seconds: 25 })
          },
        },
      ],
    })
    const { intercepted, scheduler } = await startOn(world, [job])
    intercepted.fail('settle', 2, when)
    await world.clock.advance({ minutes: 5 })
    expect(startedAt).toHaveLength(3)
    expect(await fates(scheduler, 'queued')).toEqual(['10 completed', '20 completed', '30 completed'])
  })

  it('during a trigger, the trigger causes only one run', async () => {
    const world = createWorld(place)
    const called: number[] = []
    const job = defineJob({
      name: 'asked',
      schedule: everySeconds(3600),
      tasks: [{ name: 'work', run: () => called.push(secondsOf(world.clock.now())) }],
    })
    const { intercepted, scheduler } = await startOn(world, [job])
    intercepted.fail('createOccurrences', 2, when)
    const asked = scheduler.trigger('asked')
    await world.clock.advance({ seconds: 5 })
    const { id } = await asked
    await world.clock.advance({ minutes: 3 })
    expect(called).toHaveLength(1)
    expect((await scheduler.occurrences({ job: 'asked' })).items.map((one) => [one.id, one.state])).toEqual([
      [id, 'completed'],
    ])
  })

  it('during the recovery of missed slots, the node recovers these slots only once', async () => {
    const world = createWorld(place)
    const { job, called } = noting()
    await world.shutdown(await world.start({ jobs: [job] }))
    await world.clock.advance({ minutes: 5 })
    const intercepted = new InterceptedStorage(world.connect())
    intercepted.fail('createOccurrences', 2, when)
    const scheduler = await world.start({ jobs: [job], storage: intercepted.storage })
    await world.clock.advance({ minutes: 3 })
    expect(called).toEqual(['60 first 1', '60 second 1'])
    expect(await fates(scheduler, 'noting')).toEqual(['10-50 (5) missed execute_last', '60 completed'])
  })

  it('during a shutdown, the node repeats the call, and so hands back its unfinished run', async () => {
    const world = createWorld(place)
    const job = defineJob({
      name: 'long',
      schedule: once(at(10)),
      tasks: [{ name: 'work', run: ({ signal }) => world.clock.sleep({ minutes: 30 }, signal) }],
    })
    const { intercepted, scheduler } = await startOn(world, [job])
    await world.clock.advance({ seconds: 15 })
    intercepted.fail('settle', 2, when)
    await world.shutdown(scheduler, 30_000)
    const { occurrences } = await world.connect().get({ occurrences: [(await idOf(world)) as never] })
    expect(occurrences[0]).toMatchObject({ state: 'pending', reason: 'shutdown' })
  })
})

describe.each(everywhere)('on the storage $name', (place) => {
  it('a run that becomes pending while a claim is in progress is claimed right after that claim', async () => {
    const world = createWorld(place)
    const called: number[] = []
    const job = defineJob({
      name: 'asked',
      schedule: everySeconds(3600),
      tasks: [{ name: 'work', run: () => called.push(secondsOf(world.clock.now())) }],
    })
    const { intercepted, scheduler } = await startOn(world, [job])
    let release: () => void = () => undefined
    const asked = new Promise((resolve) => {
      intercepted.intercept = async (call) => {
        if (call.operation !== 'claim') return call.proceed()
        intercepted.intercept = (other) => other.proceed()
        const answer = await call.proceed()
        // The storage has evaluated the claim, and the test holds back its answer. The test triggers the job only now, so this
        // answer cannot contain the new run.
        resolve(scheduler.trigger('asked'))
        await new Promise<void>((go) => {
          release = go
        })
        return answer
      }
    })
    const advancing = world.clock.advance({ seconds: 61 })
    expect(await asked).toMatchObject({ state: 'pending', created: true })
    // During these turns of the event loop, the scheduler tries to start the new run, and finds no free permit.
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    release()
    await advancing
    expect(called).toHaveLength(1)
    expect(called[0]).toBeLessThanOrEqual(60)
  })

  it('a slot does not run if the answer to its creation is lost and a forced cancel precedes the node’s next read', async () => {
    const world = createWorld(place)
    const { job, called } = noting()
    const { intercepted, scheduler } = await startOn(world, [job])
    const other = await world.start()
    const id = occurrenceId(job.id, at(10))
    intercepted.fail('createOccurrences', 1, 'after its effect')
    const through = intercepted.intercept
    let canceled: Promise<CancelResult> | undefined
    intercepted.intercept = async (call) => {
      const { occurrences } = call.request as { occurrences?: readonly string[] }
      // The call that creates the slot has failed. So the node reads the occurrence, to learn whether the call took effect. The
      // test cancels the run just before this read.
      if (call.operation === 'get' && occurrences?.includes(id)) canceled ??= other.cancel(id, { force: true })
      await canceled
      return through(call)
    }
    await world.clock.advanceTo(at(15))
    expect(await canceled).toMatchObject({ outcome: 'canceled' })
    expect(called).toEqual([])
    expect(await fates(scheduler, 'noting')).toEqual(['10 canceled canceled'])
  })

  it('`storage.failed` states growing retry intervals, and `storage.recovered` is emitted once the storage answers again', async () => {
    const world = createWorld(place)
    const { job } = noting()
    const { intercepted, scheduler } = await startOn(world, [job])
    const heard = listen(scheduler, 'storage.failed', 'storage.recovered')
    intercepted.fail('createOccurrences', 8, 'before its effect')
    await world.clock.advance({ minutes: 3 })
    expect(
      heard.map(({ event }) => ('retryInMs' in event ? [event.operation, event.attempt, event.retryInMs] : event)),
    ).toEqual([
      ...[100, 200, 400, 800, 1600, 3200, 5000, 5000].map((pause, index) => ['createOccurrences', index + 1, pause]),
      { operation: 'createOccurrences', attempts: 9 },
    ])
  })

  it('after a storage failure of minutes, the recovery strategy of a job decides which of the delayed slots run', async () => {
    const world = createWorld(place)
    const called: number[] = []
    const job = defineJob({
      name: 'noting',
      schedule: everySeconds(10, +at(300)),
      tasks: [{ name: 'work', run: ({ scheduledAt }) => called.push(secondsOf(scheduledAt)) }],
    })
    const { intercepted, scheduler } = await startOn(world, [job])
    await world.clock.advance({ seconds: 15 })
    const through = intercepted.intercept
    intercepted.intercept = async () => {
      throw new Error('down')
    }
    await world.clock.advance({ seconds: 200 })
    intercepted.intercept = through
    await world.clock.advance({ minutes: 3 })
    const all = await fates(scheduler, 'noting')
    expect(all.filter((fate) => fate.includes('missed'))).toHaveLength(1)
    expect(called[0]).toBe(10)
    // Every slot has run or lies in the missed range, and no slot has run twice.
    expect(new Set(called).size).toBe(called.length)
    expect(called.at(-1)).toBe(300)
  })
})

const refusals: ErrorCode[] = ['STORAGE_UNREADABLE', 'STORAGE_FOREIGN', 'STORAGE_SCHEMA_NEWER']

describe.each(refusals)('a storage that rejects calls with %s', (code) => {
  const refuse = () => Promise.reject(new JobistemerError(code, { message: 'No.' }))

  it('causes `start` to reject without a retry', async () => {
    const world = createWorld(memory)
    const intercepted = new InterceptedStorage(world.connect())
    intercepted.intercept = refuse
    const scheduler = world.scheduler({ jobs: [noting().job], storage: intercepted.storage })
    await expect(scheduler.start()).rejects.toMatchObject({ code })
  })

  it('causes a trigger to reject without a retry', async () => {
    const world = createWorld(memory)
    const { intercepted, scheduler } = await startOn(world, [noting().job])
    intercepted.intercept = refuse
    await expect(scheduler.trigger('noting')).rejects.toMatchObject({ code })
  })

  it('makes a running node repeat its calls until the storage is repaired', async () => {
    const world = createWorld(memory)
    const { job, called } = noting()
    const { intercepted, scheduler } = await startOn(world, [job])
    const heard = listen(scheduler, 'storage.failed', 'engine.failed')
    const through = intercepted.intercept
    await world.clock.advance({ seconds: 5 })
    intercepted.intercept = refuse
    await world.clock.advance({ seconds: 40 })
    expect(called).toEqual([])
    intercepted.intercept = through
    await world.clock.advance({ minutes: 2 })
    expect(called.slice(-2)).toEqual(['60 first 1', '60 second 1'])
    expect(new Set(heard.map(({ name }) => name))).toEqual(new Set(['storage.failed']))
  })
})

/** Returns the id of the only occurrence of the job `long`. */
async function idOf(world: World): Promise<unknown> {
  const reader = world.scheduler()
  const [occurrence] = (await reader.occurrences({ job: 'long' })).items
  return occurrence?.id
}

describe('a storage that is closed', () => {
  it('stops the scheduler, with an error in the log', async () => {
    const world = createWorld(memory)
    const { job } = noting()
    const storage = world.connect()
    const errors: string[] = []
    const logger: Logger = { ...silentLogger, error: (_: object, message: string) => errors.push(message) }
    const scheduler = await world.start({ jobs: [job], storage, logger })
    const heard = listen(scheduler, 'engine.failed', 'scheduler.stopped')
    await storage.close()
    await world.clock.advance({ minutes: 2 })
    expect(errors).toEqual(['the scheduler shuts down: its storage is closed or was replaced'])
    expect(heard.map(({ name }) => name)).toContain('scheduler.stopped')
    const failed = heard.find(({ name }) => name === 'engine.failed')?.event as { error: unknown }
    expect(JobistemerError.isInstance(failed.error, 'STORAGE_CLOSED')).toBe(true)
    await expect(scheduler.trigger('noting')).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
  })

  it('during a shutdown causes an error in the log, because the end of a run cannot be stored', async () => {
    const world = createWorld(memory)
    const storage = world.connect()
    const errors: string[] = []
    const logger: Logger = { ...silentLogger, error: (_: object, message: string) => errors.push(message) }
    const long = defineJob({
      name: 'long',
      tasks: [{ name: 'work', run: () => world.clock.sleep({ seconds: 5 }) }],
    })
    const scheduler = await world.start({ jobs: [long], storage, logger })
    await scheduler.trigger('long')
    await world.clock.advance({ seconds: 1 })
    const ended = scheduler.shutdown({ gracePeriod: { seconds: 10 } })
    await storage.close()
    await world.clock.advance({ minutes: 1 })
    await ended
    expect(errors).toEqual(['the scheduler shuts down: its storage is closed or was replaced'])
  })

  it('while a client is open causes one log line, which does not mention a scheduler', async () => {
    const { clock } = createWorld(memory)
    const storage = memoryStorage()
    const gone = new JobistemerError('STORAGE_CLOSED', { message: 'The storage is closed.' })
    let isGone = false
    const serverTime = async () => {
      if (isGone) throw gone
      return clock.now()
    }
    const said: (readonly [object, string])[] = []
    const logger: Logger = { ...silentLogger, error: (...line: [object, string]) => said.push(line) }
    const client = createClient({
      storage: wrapStorage(storage, { serverTime }),
      clock: new WrongClock(clock, 0),
      logger,
    })
    await client.jobs({ limit: 1 })
    isGone = true
    await clock.advance({ minutes: 2 })
    expect(said).toEqual([[{ where: expect.any(String), err: gone }, 'unexpected error in the engine']])
    await expect(client.jobs({ limit: 1 })).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
    await client.close()
  })
})

describe('a database file that is replaced while a scheduler has it open', () => {
  it('stops the scheduler, which starts no further run and logs the reason', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-scenario-'))
    const file = join(folder, 'jobs.db')
    const dispose = () => rmSync(folder, { recursive: true, force: true })
    const world = createWorld({ name: 'SQLite', open: () => ({ connect: () => sqliteStorage({ file }), dispose }) })
    const { job, called } = noting()
    const lines: string[] = []
    const error = (fields: object, message: string) => {
      lines.push(`${message}: ${(fields as { err: Error }).err}`)
    }
    const logger: Logger = { ...silentLogger, error }
    const scheduler = await world.start({ jobs: [job], logger })
    const heard = listen(scheduler, 'scheduler.stopped')
    await world.clock.advance({ seconds: 15 })
    const before = [...called]
    expect(before).toEqual(['10 first 1', '10 second 1'])
    renameSync(file, `${file}.old`)
    await world.clock.advance({ minutes: 2 })
    expect(called).toEqual(before)
    expect(heard).toHaveLength(1)
    expect(lines).toEqual([expect.stringContaining('was deleted while it was open')])
    expect(lines[0]).toMatch(/^the scheduler shuts down: its storage is closed or was replaced: /)
    const other = await world.start({ jobs: [noting().job] })
    expect(await fates(other, 'noting')).toEqual([])
    await world.shutdown(other)
  })
})

it.each<Operation>(['get', 'saveJobs'])(
  '`start` rejects when its scheduler is shut down while the storage call %s fails',
  async (operation) => {
    const world = createWorld(memory)
    const { job, called } = noting()
    const intercepted = new InterceptedStorage(world.connect())
    intercepted.fail(operation, 1_000_000, 'before its effect')
    const scheduler = world.scheduler({ jobs: [job], storage: intercepted.storage })
    const starting = scheduler.start().catch((error: unknown) => error)
    await world.clock.advance({ seconds: 30 })
    await world.shutdown(scheduler)
    expect(JobistemerError.isInstance(await starting, 'SCHEDULER_STATE')).toBe(true)
    await world.clock.advance({ minutes: 2 })
    expect(called).toEqual([])
  },
)
