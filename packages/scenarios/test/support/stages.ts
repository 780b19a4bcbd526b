import {
  createScheduler,
  defineJob,
  type Job,
  JobistemerError,
  jobId,
  occurrenceId,
  type Scheduler,
  type SchedulerOptions,
  systemClock,
  type TaskContext,
} from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { ClockWorld, hour } from './clock-world.ts'
import { everySeconds, everyType } from './every.ts'
import { InterceptedStorage } from './intercepted-storage.ts'
import { behaves } from './isolated-scene.ts'
import { LosingStorage } from './losing-storage.ts'
import { at, createWorld, onlyOccurrence, secondsOf, type World } from './world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

/** Observes the scheduler under test. */
export interface Watch {
  /** Additional options for the observed scheduler. */
  readonly options: Partial<SchedulerOptions>
  /** Called with the observed scheduler before it starts. */
  watch(scheduler: Scheduler): void
}

/**
 * Brings a scheduler into a test situation while the scheduler also runs ordinary jobs. Returns the duration of the
 * situation, in seconds of virtual time.
 */
export type Stage = (cast: Cast) => Promise<number>

/** Makes the schedulers of a test situation. */
export class Cast {
  readonly #watch: Watch
  /** The slots that each of the two ordinary jobs has run, in seconds since the start of the test. */
  readonly ran: { readonly a: number[]; readonly z: number[] } = { a: [], z: [] }
  /** Additional options for the job under test. */
  readonly settings: Partial<Parameters<typeof defineJob>[0]>

  constructor(watch: Watch, settings: Cast['settings'] = {}) {
    this.#watch = watch
    this.settings = settings
  }

  /**
   * Returns options of a scheduler that is not observed. Its jobs are one ordinary job, the given jobs, and another ordinary
   * job, in this order.
   */
  options({ jobs = [], ...others }: Partial<SchedulerOptions> = {}): Partial<SchedulerOptions> {
    return { ...others, jobs: [this.#neighbour('a'), ...jobs, this.#neighbour('z')] }
  }

  /** Makes and starts the observed scheduler. */
  async watched(make: (options: Partial<SchedulerOptions>) => Scheduler, options: Partial<SchedulerOptions> = {}) {
    const scheduler = make({ ...this.#watch.options, ...this.options(options) })
    this.#watch.watch(scheduler)
    await scheduler.start()
    return scheduler
  }

  #neighbour(name: 'a' | 'z'): Job {
    return defineJob({
      name,
      schedule: everySeconds(10),
      recoveryStrategy: 'execute_all',
      overlapPolicy: 'queue',
      tasks: [{ name: 'work', run: ({ scheduledAt }) => void this.ran[name].push(secondsOf(scheduledAt)) }],
    })
  }
}

/** Defines the job under test. */
function odd({ settings }: Cast, others: Cast['settings'] = {}): Job {
  return defineJob({
    name: 'odd',
    schedule: everySeconds(10),
    ...others,
    ...settings,
    tasks: others.tasks ?? [{ name: 'work', run: () => 1 }],
  })
}

/** Defines a job whose only run takes `seconds`. */
function slow(cast: Cast, world: World, seconds: number): Job {
  return odd(cast, {
    schedule: everySeconds(10, +at(10)),
    executionTimeout: { minutes: 1 },
    tasks: [{ name: 'work', taskTimeout: { hours: 1 }, run: ({ signal }) => world.clock.sleep({ seconds }, signal) }],
  })
}

/** Test situation: a job runs, is retried once, and logs a line on each level. */
export const runs: Stage = async (cast) => {
  const world = createWorld()
  const job = odd(cast, {
    retryPolicy: { maxRetries: 1, retryInterval: { seconds: 1 } },
    tasks: [
      {
        name: 'work',
        run({ logger, attempt }) {
          for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level]({}, 'said by a handler')
          if (attempt === 1) throw new Error('not yet')
        },
      },
    ],
  })
  await cast.watched(world.scheduler, { jobs: [job] })
  await world.clock.advanceTo(at(25))
  return 25
}

/** Test situation: a task fails without a retry. */
export const fails: Stage = async (cast) => {
  const world = createWorld()
  const run = () => Promise.reject(new Error('disk full'))
  await cast.watched(world.scheduler, { jobs: [odd(cast, { tasks: [{ name: 'work', run }] })] })
  await world.clock.advanceTo(at(25))
  return 25
}

/** Test situation: a task exceeds its timeout, and is retried once. */
export const takesTooLong: Stage = async (cast) => {
  const world = createWorld()
  const job = odd(cast, {
    schedule: everySeconds(10, +at(10)),
    retryPolicy: { maxRetries: 1, retryInterval: { seconds: 1 } },
    tasks: [
      { name: 'work', taskTimeout: { seconds: 2 }, run: ({ signal }) => world.clock.sleep({ hours: 1 }, signal) },
    ],
  })
  await cast.watched(world.scheduler, { jobs: [job] })
  await world.clock.advanceTo(at(25))
  return 25
}

/** Test situation: a user cancels a run, and pauses, resumes and removes its job. */
export const isIntervenedIn: Stage = async (cast) => {
  const world = createWorld()
  const scheduler = await cast.watched(world.scheduler, { jobs: [slow(cast, world, 100)] })
  await world.clock.advanceTo(at(15))
  await scheduler.cancel((await onlyOccurrence(scheduler, 'odd')).id, { force: true })
  await scheduler.pause('odd')
  await scheduler.resume('odd')
  await scheduler.remove('odd')
  await world.clock.advanceTo(at(25))
  return 25
}

/** Test situation: the scheduler shuts down, and hands its run back. */
export const stops: Stage = async (cast) => {
  const world = createWorld()
  const scheduler = await cast.watched(world.scheduler, { jobs: [slow(cast, world, 100)] })
  await world.clock.advanceTo(at(15))
  await world.shutdown(scheduler, 1000)
  await world.start(cast.options({ jobs: [slow(cast, world, 1)] }))
  await world.clock.advanceTo(at(25))
  return 25
}

/** Test situation: the scheduler starts after slots have been missed. */
export const comesLate: Stage = async (cast) => {
  const world = createWorld()
  const first = await world.start(cast.options({ jobs: [odd(cast)] }))
  await world.clock.advanceTo(at(15))
  await world.shutdown(first)
  await world.clock.advanceTo(at(105))
  await cast.watched(world.scheduler, { jobs: [odd(cast)] })
  await world.clock.advanceTo(at(125))
  return 125
}

/** Test situation: the process of the scheduler is frozen while another node reaps its run. */
export const losesItsRun: Stage = async (cast) => {
  const world = createWorld()
  const owner = await cast.watched(world.scheduler, { jobs: [slow(cast, world, 1000)], nodeId: 'owner' })
  await world.clock.advanceTo(at(15))
  world.freeze(owner)
  await world.start(cast.options({ jobs: [slow(cast, world, 1000)], nodeId: 'reaper' }))
  await world.clock.advanceTo(at(95))
  await world.thaw(owner)
  await world.clock.advanceTo(at(105))
  return 105
}

/** Test situation: another node has died, and the scheduler takes over its run. */
export const takesOver: Stage = async (cast) => {
  const world = createWorld()
  const owner = await world.start(cast.options({ ...life, jobs: [slow(cast, world, 1000)], nodeId: 'owner' }))
  await world.clock.advanceTo(at(15))
  world.crash(owner)
  await cast.watched(world.scheduler, { ...life, jobs: [slow(cast, world, 1000)], nodeId: 'reaper' })
  await world.clock.advanceTo(at(105))
  return 105
}

/** Test situation: an earlier run of the job is active when the next slot comes due. */
export const overlaps: Stage = async (cast) => {
  const world = createWorld()
  const tasks = [{ name: 'work', run: () => world.clock.sleep({ seconds: 15 }) }]
  await cast.watched(world.scheduler, { jobs: [odd(cast, { tasks })] })
  await world.clock.advanceTo(at(35))
  return 35
}

/** Test situation: a run exceeds its execution timeout. */
export const exceedsItsTime: Stage = async (cast) => {
  const world = createWorld()
  await cast.watched(world.scheduler, { jobs: [slow(cast, world, 1000)] })
  await world.clock.advanceTo(at(85))
  return 85
}

/** Test situation: new runs of a job displace runs that wait. */
export const displacesRuns: Stage = async (cast) => {
  const world = createWorld()
  const tasks = [{ name: 'work', run: () => world.clock.sleep({ seconds: 45 }) }]
  await cast.watched(world.scheduler, { jobs: [odd(cast, { overlapPolicy: 'queue_one', tasks })] })
  await world.clock.advanceTo(at(65))
  return 65
}

/** Test situation: the scheduler shuts down, its job forbids a second try of a run, and the other run does not stop. */
export const stopsForGood: Stage = async (cast) => {
  const world = createWorld()
  const deaf = defineJob({
    name: 'deaf',
    schedule: everySeconds(10, +at(10)),
    tasks: [{ name: 'work', run: () => new Promise(() => {}) }],
  })
  const stopping = odd(cast, {
    schedule: everySeconds(10, +at(10)),
    onInterrupted: 'fail',
    tasks: [{ name: 'work', run: ({ signal }) => world.clock.sleep({ seconds: 100 }, signal) }],
  })
  const scheduler = await cast.watched(world.scheduler, { jobs: [stopping, deaf] })
  await world.clock.advanceTo(at(15))
  await world.shutdown(scheduler, 1000)
  await world.start(cast.options({ jobs: [stopping] }))
  await world.clock.advanceTo(at(25))
  return 25
}

/** Test situation: another node is killed, and restarts under its `nodeId`. */
export const peerRestarts: Stage = async (cast) => {
  const world = createWorld()
  await cast.watched(world.scheduler, { ...life, jobs: [odd(cast)], nodeId: 'watching' })
  const first = await world.start(cast.options({ ...life, jobs: [odd(cast)], nodeId: 'restarted' }))
  await world.clock.advanceTo(at(15))
  world.crash(first)
  await world.start(cast.options({ ...life, jobs: [odd(cast)], nodeId: 'restarted' }))
  await world.clock.advanceTo(at(105))
  return 105
}

/** Test situation: the storage fails for ten seconds. */
export const storageIsAway: Stage = async (cast) => {
  const world = createWorld()
  const intercepted = new InterceptedStorage(world.connect())
  await cast.watched(world.scheduler, { jobs: [odd(cast)], storage: intercepted.storage })
  await world.clock.advanceTo(at(12))
  const through = intercepted.intercept
  intercepted.intercept = async ({ operation }) => {
    throw new JobistemerError('STORAGE_BUSY', { message: `${operation} failed.` })
  }
  await world.clock.advanceTo(at(22))
  intercepted.intercept = through
  await world.clock.advanceTo(at(45))
  return 45
}

/** Test situation: the storage is closed while the scheduler runs. */
export const storageIsClosed: Stage = async (cast) => {
  const world = createWorld()
  const storage = world.connect()
  await cast.watched(world.scheduler, { jobs: [odd(cast)], storage })
  await world.clock.advanceTo(at(12))
  await storage.close()
  await world.clock.advanceTo(at(35))
  return 12
}

/** Test situation: the storage loses all its data. */
export const storageIsEmptied: Stage = async (cast) => {
  const world = createWorld()
  const losing = new LosingStorage()
  await cast.watched(world.scheduler, { jobs: [odd(cast)], storage: losing.connect() })
  await world.clock.advanceTo(at(12))
  losing.loseAll()
  await world.clock.advanceTo(at(35))
  return 35
}

/** Test situation: the storage fails over to a replica that had fallen behind. */
export const storageForgets: Stage = async (cast) => {
  const world = createWorld()
  const losing = new LosingStorage()
  const scheduler = await cast.watched(world.scheduler, { jobs: [odd(cast)], storage: losing.connect() })
  await world.clock.advanceTo(at(12))
  losing.fallBehind()
  await scheduler.trigger('odd')
  await world.clock.advanceTo(at(22))
  losing.failOver()
  await world.clock.advanceTo(at(35))
  return 35
}

/** Test situation: the clock of the scheduler is wrong by 3 s for 30 s. */
export const clockIsWrong: Stage = async (cast) => {
  const world = new ClockWorld({ hasClock: true })
  await cast.watched(
    (options) => {
      const { scheduler, clock } = world.node('only', options)
      clock.offsetMs = 3000
      void world.clock.sleep({ seconds: 30 }).then(() => {
        clock.offsetMs = 0
      })
      return scheduler
    },
    { jobs: [odd(cast)] },
  )
  await world.clock.advance({ seconds: 95 })
  return 95
}

/** Test situation: the clock of the storage is an hour ahead for ten seconds. */
export const clockJumps: Stage = async (cast) => {
  const world = new ClockWorld({ hasClock: true })
  await cast.watched((options) => world.node('only', options).scheduler, { jobs: [odd(cast)] })
  await world.clock.advance({ seconds: 55 })
  world.storageClock.offsetMs = hour
  await world.clock.advance({ seconds: 10 })
  world.storageClock.offsetMs = 0
  await world.clock.advance({ seconds: 30 })
  return 95
}

/** Test situation: a node whose clock was an hour ahead has created the slots of the next hour of a job. */
export const isAhead: Stage = async (cast) => {
  const world = new ClockWorld({ hasClock: false })
  await world.decideAhead(hour, { jobs: [odd(cast)] })
  const scheduler = await cast.watched((options) => world.node('only', options).scheduler, { jobs: [odd(cast)] })
  await world.clock.advance({ seconds: 15 })
  await scheduler.update('odd', {}, { realign: true })
  await world.clock.advance({ seconds: 10 })
  return 25
}

/** A schedule throws. */
export const scheduleFails: Stage = async (cast) => {
  const world = createWorld()
  const schedule = everySeconds(10)
  const { nextMs } = schedule
  schedule.nextMs = (after) => {
    if (after >= Number(at(10))) throw new Error('out of paper')
    return nextMs.call(schedule, after)
  }
  await cast.watched(world.scheduler, { jobs: [odd(cast, { schedule })] })
  await world.clock.advanceTo(at(25))
  return 25
}

/** A hook throws. */
export const hookFails: Stage = async (cast) => {
  const world = createWorld()
  const onStart = (): never => {
    throw new Error('no paper')
  }
  await cast.watched(world.scheduler, { jobs: [odd(cast, { onStart })] })
  await world.clock.advanceTo(at(25))
  return 25
}

/** Test situation: the scheduler lacks the handler that a job names. */
export const lacksHandler: Stage = async (cast) => {
  const world = createWorld()
  const job = odd(cast, { tasks: [{ name: 'work', handler: 'sned' }] })
  await cast.watched(world.scheduler, { jobs: [job], handlers: { send: () => 1 } })
  await world.clock.advanceTo(at(25))
  return 25
}

/** Test situation: another node brings another definition of the job into force. */
export const isOlder: Stage = async (cast) => {
  const world = createWorld()
  await cast.watched(world.scheduler, { jobs: [odd(cast)] })
  await world.start(cast.options({ jobs: [odd(cast, { schedule: everySeconds(20) })] }))
  await world.clock.advanceTo(at(65))
  return 65
}

/** Test situation: the only node with the definition in force shuts down, so the scheduler restores its own definition. */
export const goesBack: Stage = async (cast) => {
  const world = createWorld()
  await cast.watched(world.scheduler, { jobs: [odd(cast)] })
  const other = await world.start(cast.options({ jobs: [odd(cast, { schedule: everySeconds(20) })] }))
  await world.clock.advanceTo(at(35))
  await world.shutdown(other)
  await world.clock.advanceTo(at(65))
  return 65
}

/** Test situation: another node has died, and its run has no rescue left. */
export const takesOverForGood: Stage = async (cast) => {
  const world = createWorld()
  const job = () =>
    odd(cast, {
      schedule: everySeconds(10, +at(10)),
      executionTimeout: { minutes: 1 },
      maxRescues: 0,
      ...sleeper(world),
    })
  const owner = await world.start(cast.options({ jobs: [job()], nodeId: 'owner' }))
  await world.clock.advanceTo(at(15))
  world.crash(owner)
  await cast.watched(world.scheduler, { jobs: [job()], nodeId: 'reaper' })
  await world.clock.advanceTo(at(105))
  return 105
}

/** Test situation: a slot comes due while `maxQueued` occurrences of its job are already queued. */
export const isFull: Stage = async (cast) => {
  const world = createWorld()
  const job = odd(cast, { overlapPolicy: 'queue', maxQueued: 1, ...sleeper(world) })
  await cast.watched(world.scheduler, { jobs: [job] })
  await world.clock.advanceTo(at(35))
  return 35
}

/** Test situation: a trigger is requested during an active run under the overlap policy `skip`. */
export const skipsARequest: Stage = async (cast) => {
  const world = createWorld()
  const scheduler = await cast.watched(world.scheduler, { jobs: [odd(cast, sleeper(world))] })
  await world.clock.advanceTo(at(11))
  await scheduler.trigger('odd')
  await world.clock.advanceTo(at(15))
  return 15
}

/** Test situation: the scheduler starts after slots of a paused job have been missed. */
export const comesLateToWhatIsPaused: Stage = async (cast) => {
  const world = createWorld()
  const first = await world.start(cast.options({ jobs: [odd(cast)] }))
  await first.pause('odd')
  await world.shutdown(first)
  await world.clock.advanceTo(at(105))
  await cast.watched(world.scheduler, { jobs: [odd(cast)] })
  await world.clock.advanceTo(at(125))
  return 125
}

/** Test situation: the clock of the scheduler is set ahead by 3 s, and the storage has no clock. */
export const clockIsSet: Stage = async (cast) => {
  const world = new ClockWorld({ hasClock: false })
  await cast.watched(
    (options) => {
      const { scheduler, clock } = world.node('only', options)
      void world.clock.sleep({ seconds: 12 }).then(() => {
        clock.offsetMs = 3000
      })
      return scheduler
    },
    { jobs: [odd(cast)], ...tuned({ reapInterval: { seconds: 5 } }) },
  )
  await world.clock.advance({ seconds: 35 })
  return 35
}

/** Test situation: the schedule of a job has ended before the job is stored. */
export const isOver: Stage = async (cast) => {
  const world = createWorld()
  await world.clock.advanceTo(at(5))
  await cast.watched(world.scheduler, { jobs: [odd(cast, { schedule: everySeconds(10, +at(0)) })] })
  await world.clock.advanceTo(at(25))
  return 25
}

/** Test situation: the scheduler cannot load the schedule type of another node's job. */
export const cannotRevive: Stage = async (cast) => {
  const world = new ClockWorld({ hasClock: false })
  // This job needs a schedule type that the scheduler does not know.
  const schedule = Object.defineProperties(everySeconds(10), {
    type: { value: { name: 'own', revive: () => everySeconds(10) } },
    toJSON: { value: () => ({ type: 'own' }) },
  })
  const isData = { schedule, tasks: [{ name: 'work', handler: 'send' }] }
  await world.decideAhead(hour, { jobs: [odd(cast, isData)], handlers: { send: () => 1 } })
  const handlers = { send: () => 1 }
  await cast.watched((options) => world.node('only', options).scheduler, { handlers })
  await world.clock.advance({ seconds: 15 })
  return 15
}

/** Test situation: the storage loses all its data while the scheduler follows a definition of another node. */
export const isOlderAndEmptied: Stage = async (cast) => {
  const world = createWorld()
  const losing = new LosingStorage()
  await cast.watched(world.scheduler, { jobs: [odd(cast)], storage: losing.connect() })
  const newer = odd(cast, { schedule: everySeconds(15) })
  await world.start(cast.options({ jobs: [newer], storage: losing.connect() }))
  await world.clock.advanceTo(at(5))
  losing.loseAll()
  await world.clock.advanceTo(at(35))
  return 35
}

/** Test situation: the storage loses a job, and the node that added the job has shut down. */
export const losesWhatOthersAdded: Stage = async (cast) => {
  const world = createWorld()
  const losing = new LosingStorage()
  const handlers = { send: () => 1 }
  await cast.watched(world.scheduler, { handlers, scheduleTypes: [everyType], storage: losing.connect() })
  const adder = await world.start({ storage: losing.connect() })
  await adder.add(odd(cast, { tasks: [{ name: 'work', handler: 'send' }] }))
  await world.clock.advanceTo(at(5))
  await world.shutdown(adder)
  losing.loseAll()
  await world.clock.advanceTo(at(25))
  return 25
}

/**
 * Test situation: the storage rejects the call that ends a run. The scheduler then tries to end this run as failed, and the
 * storage also rejects that call.
 */
export const isRefused: Stage = async (cast) => {
  const world = createWorld()
  const job = odd(cast, { schedule: everySeconds(10, +at(10)) })
  const storage = wrapStorage(world.connect(), {
    around(call) {
      const text = call.method === 'settle' ? JSON.stringify(call.request) : ''
      if (text.includes(job.id) && text.includes('"finish"')) throw new RangeError('too deep')
      return call.proceed()
    },
  })
  await cast.watched(world.scheduler, { jobs: [job], storage })
  await world.clock.advanceTo(at(125))
  return 125
}

/** Test situation: a handler reports progress and logs a line, and the storage rejects each settle with log lines. */
export const saysTooMuch: Stage = async (cast) => {
  const world = createWorld()
  const run = async ({ progress, logger }: TaskContext<undefined>) => {
    progress(0.5)
    logger.info({}, 'said by a handler')
    await world.clock.sleep(2000)
  }
  const job = odd(cast, { schedule: everySeconds(10, +at(10)), keepLogs: true, tasks: [{ name: 'work', run }] })
  const storage = wrapStorage(world.connect(), {
    around(call) {
      const hasLogs = call.method === 'settle' && JSON.stringify(call.request).includes('"lines":[{')
      if (hasLogs) throw new RangeError('too large')
      return call.proceed()
    },
  })
  await cast.watched(world.scheduler, { jobs: [job], storage })
  await world.clock.advanceTo(at(65))
  return 65
}

/** Test situation: a job has its first success long after its `alertAfter`. */
export const isSilent: Stage = async (cast) => {
  const world = createWorld()
  await cast.watched(world.scheduler, {
    jobs: [odd(cast, { schedule: everySeconds(150), alertAfter: { seconds: 70 } })],
  })
  await world.clock.advanceTo(at(225))
  return 225
}

function sleeper(world: World): Pick<NonNullable<Cast['settings']>, 'tasks'> {
  const run = ({ signal }: { readonly signal: AbortSignal }) => world.clock.sleep({ hours: 1 }, signal)
  return { tasks: [{ name: 'work', taskTimeout: { hours: 2 }, run }] }
}

const life = { deadAfter: { seconds: 30 } }

/** Test situation: one other node freezes and thaws, one dies during a run, and one shuts down. */
export const othersComeAndGo: Stage = async (cast) => {
  const world = createWorld()
  const start = (nodeId: string, jobs: Job[]) => world.start(cast.options({ ...life, nodeId, jobs }))
  const frozen = await start('frozen', [])
  const leaving = await start('leaving', [])
  await cast.watched(world.scheduler, { ...life, nodeId: 'watched', jobs: [slow(cast, world, 1000)] })
  await world.clock.advanceTo(at(12))
  const dying = await start('dying', [slow(cast, world, 1000)])
  await world.clock.advanceTo(at(21))
  world.crash(dying)
  world.freeze(frozen)
  await world.shutdown(leaving, 1000)
  await world.clock.advanceTo(at(81))
  await world.thaw(frozen)
  await world.clock.advanceTo(at(105))
  return 105
}

/** Test situation: the storage rejects the heartbeats of the scheduler for 50 seconds. */
export const isIsolated: Stage = async (cast) => {
  const world = createWorld()
  const intercepted = new InterceptedStorage(world.connect())
  await cast.watched(world.scheduler, { ...life, jobs: [odd(cast)], storage: intercepted.storage })
  await world.clock.advanceTo(at(12))
  intercepted.intercept = ({ operation, proceed }) =>
    operation === 'heartbeat' ? Promise.reject(new Error('refused')) : proceed()
  await world.clock.advanceTo(at(62))
  intercepted.intercept = ({ proceed }) => proceed()
  await world.clock.advanceTo(at(105))
  return 105
}

/** Test situation: the process of the scheduler is frozen for five seconds, like a process whose event loop is blocked. */
export const standsStill: Stage = async (cast) => {
  const world = createWorld()
  const scheduler = await cast.watched(world.scheduler, { jobs: [odd(cast)] })
  await world.clock.advanceTo(at(12))
  world.freeze(scheduler)
  await world.clock.advanceTo(at(17))
  await world.thaw(scheduler)
  await world.clock.advanceTo(at(35))
  return 35
}

/** Test situation: another living node has the same nodeId. */
export const sharesItsName: Stage = async (cast) => {
  const world = createWorld()
  await world.start(cast.options({ ...life, nodeId: 'same' }))
  await cast.watched(world.scheduler, { ...life, nodeId: 'same', jobs: [odd(cast)] })
  await world.clock.advanceTo(at(35))
  return 35
}

/** Test situation: a node with other time zone data sends heartbeats. */
export const meetsOtherTimeZones: Stage = async (cast) => {
  const world = createWorld()
  await cast.watched(world.scheduler, { ...life, jobs: [odd(cast)] })
  const storage = world.connect()
  const about = { versions: { timeZones: 'another' } }
  for (let counter = 1; counter <= 3; counter++) {
    const own = { node: 'other', incarnation: 'other 1', counter, startedAt: 0, leaving: false, about }
    await storage.heartbeat({ now: 0, own, remove: [], profilesOf: [] })
    await world.clock.advance({ seconds: 5 })
  }
  return 15
}

/** Test situation: an earlier node with the same nodeId has left a record, and may still be alive. */
export const followsANamesake: Stage = async (cast) => {
  const world = createWorld()
  const storage = world.connect()
  const earlier = { node: 'same', incarnation: 'earlier', counter: 3, startedAt: 0, leaving: false, about: {} }
  await storage.heartbeat({ now: 0, own: earlier, remove: [], profilesOf: [] })
  const timing = { deadAfter: 120, clock: systemClock }
  const make = (options: Partial<SchedulerOptions>) => createScheduler({ ...options, storage, ...timing })
  const scheduler = await cast.watched(make, { nodeId: 'same' })
  await scheduler.shutdown()
  return 0
}

/** Test situation: an isolated task ignores its abort signal, so its child is killed. */
export const killsATask: Stage = async (cast) => {
  const task = { name: 'work', module: behaves, isolation: 'thread', data: { kind: 'hangs' }, killAfter: 0 } as const
  const job = defineJob({ name: 'odd', taskTimeout: 100, ...cast.settings, tasks: [task] })
  const make = (options: Partial<SchedulerOptions>) => createScheduler({ ...options, storage: memoryStorage() })
  const scheduler = await cast.watched(make, { jobs: [job] })
  const { id } = await scheduler.trigger('odd')
  await scheduler.waitFor(id)
  await scheduler.shutdown()
  return 0
}

/** Test situation: the stored rows of two jobs and of a run are damaged when the scheduler starts. */
export const findsDamage: Stage = async (cast) => {
  const world = createWorld()
  const storage = world.connect()
  const first = await world.start(cast.options({ jobs: [odd(cast)], handlers: { note: () => 1 } }))
  await first.add(defineJob({ name: 'lost', tasks: [{ name: 'work', handler: 'note' }] }))
  await world.shutdown(first)
  const now = +at(0)
  for (const name of ['odd', 'lost']) {
    const [head] = (await storage.get({ jobs: [jobId(name)] })).jobs
    if (head == null) throw new Error(`no ${name}`)
    const { id, version: expectedVersion, watermark: expectedWatermark } = head
    const content = { ...head, definition: { unreadable: 'definition' } }
    const change = { kind: 'replace', id, content, expectedVersion, expectedWatermark, waiting: 'keep' } as const
    await storage.saveJobs({ now, changes: [change] })
  }
  const run = { kind: 'trigger', jobId: jobId('odd'), jobVersion: 2, scheduledAt: now, dueAt: now } as const
  await storage.createOccurrences({
    now,
    owner: { node: 'gone', incarnation: 'gone' },
    items: [
      {
        ...run,
        id: occurrenceId(jobId('odd/x'), now),
        executionTimeoutMs: 60_000,
        runs: null,
        details: damagedDetails,
      },
    ],
  })
  await cast.watched(world.scheduler, { jobs: [odd(cast)], handlers: { note: () => 1 } })
  await world.clock.advanceTo(at(25))
  return 25
}

const damagedDetails = { unreadable: 'details' }

/** Test situation: the storage fails for more than a minute. */
export const outageLasts: Stage = async (cast) => {
  const world = createWorld()
  const intercepted = new InterceptedStorage(world.connect())
  await cast.watched(world.scheduler, { jobs: [odd(cast)], storage: intercepted.storage })
  await world.clock.advanceTo(at(15))
  const through = intercepted.intercept
  intercepted.intercept = async () => {
    throw new JobistemerError('STORAGE_BUSY', { message: 'The server is away.' })
  }
  await world.clock.advanceTo(at(85))
  intercepted.intercept = through
  await world.clock.advanceTo(at(125))
  return 125
}
