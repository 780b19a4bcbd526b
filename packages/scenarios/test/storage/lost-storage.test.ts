import { defineJob, type Job, JobistemerError } from '@jobistemer/core'
import type { JobChange } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { collectingLogger } from '../support/collecting-logger.ts'
import { everySeconds, everyType } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { LosingStorage } from '../support/losing-storage.ts'
import { everywhere, memory } from '../support/places.ts'
import { at, createWorld, fates, listen, onlyOccurrence, secondsOf, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

/** Defines a job that records the seconds at which it runs. */
function noting(world: World, name = 'tick', settings: Partial<Parameters<typeof defineJob>[0]> = {}) {
  const ran: number[] = []
  const run = () => void ran.push(secondsOf(world.clock.now()))
  const job: Job = defineJob({ name, schedule: everySeconds(10), ...settings, tasks: [{ name: 'work', run }] })
  return { job, ran }
}

function lossyWorld() {
  const world = createWorld(memory)
  const losing = new LosingStorage()
  const { lines, logger, loud } = collectingLogger()
  const start = (options: Parameters<World['start']>[0] = {}) =>
    world.start({ storage: losing.connect(), logger, ...options })
  return { world, losing, lines, loud, start }
}

const forgotten =
  'the storage has lost acknowledged writes: slots after the stored watermark run again, and later requests may be lost'

describe('a storage that loses its last writes', () => {
  it('causes the lost slots to run again, and one error in the log', async () => {
    const { world, losing, start, loud } = lossyWorld()
    const { job, ran } = noting(world)
    const other = noting(world, 'other')
    const scheduler = await start({ jobs: [job, other.job] })
    await world.clock.advanceTo(at(15))
    losing.fallBehind()
    await world.clock.advanceTo(at(35))
    losing.failOver()
    await world.clock.advanceTo(at(65))
    expect(ran.slice(0, 3)).toEqual([10, 20, 30])
    // At 40 s the node detects that the storage has lost writes. So three runs start at 40 s: the lost slots 20 and 30 run
    // again, and slot 40 runs.
    expect(ran.slice(3)).toEqual([40, 40, 40, 50, 60])
    const slots = [10, 20, 30, 40, 50, 60].map((slot) => `${slot} completed`)
    for (const name of ['tick', 'other']) expect(await fates(scheduler, name)).toEqual(slots)
    expect(loud()).toEqual([
      { level: 'error', message: forgotten, jobs: ['tick', 'other'], count: 2, since: new Date(at(10)) },
    ])
  })
})

describe('a run that two nodes have started with the same fencing token, because the storage lost the first start', () => {
  it('ends when the second node settles the run, and the first node emits `occurrence.lost`', async () => {
    const { world, losing, start } = lossyWorld()
    const begun: string[] = []
    const nodeOf = (name: string, seconds: number) => {
      const run = async ({ fencingToken }: { readonly fencingToken: number }) => {
        begun.push(`${name} token ${fencingToken}`)
        await world.clock.sleep({ seconds })
        return name
      }
      const job = defineJob({ name: 'launch', schedule: once(at(10)), tasks: [{ name: 'work', run }] })
      return start({ jobs: [job], nodeId: name })
    }
    const former = await nodeOf('former', 20)
    const lost = listen(former, 'occurrence.lost')
    losing.fallBehind()
    await world.clock.advanceTo(at(12))
    world.freeze(former)
    losing.failOver()
    const present = await nodeOf('present', 60)
    await world.clock.advanceTo(at(20))
    expect(begun).toEqual(['former token 1', 'present token 1'])
    await world.thaw(former)
    await world.clock.advanceTo(at(40))
    expect([await fates(present, 'launch'), lost.length]).toEqual([['10 running'], 1])
    await world.clock.advanceTo(at(90))
    const { state, tasks } = await onlyOccurrence(present, 'launch')
    expect([state, tasks[0]?.result]).toEqual(['completed', 'present'])
  })
})

/** Defines a job without a schedule. */
function onRequest(name: string): Job {
  return defineJob({ name, overlapPolicy: 'allow', tasks: [{ name: 'work', run: () => undefined }] })
}

describe('requests that a storage acknowledged and lost', () => {
  it('are missing without a name, and the line about the lost slots says that they may be', async () => {
    const { world, losing, start, loud } = lossyWorld()
    const mails = Array.from({ length: 3 }, (_, index) => ({ job: 'mail', key: `mail ${index}` }))
    const requested = ['mail', 'pay'].map(onRequest)
    const scheduler = await start({ jobs: [noting(world).job, ...requested] })
    await scheduler.trigger('mail', { key: 'kept' })
    await world.clock.advanceTo(at(15))
    losing.fallBehind()
    await world.clock.advanceTo(at(21))
    await scheduler.triggerMany(mails)
    await scheduler.trigger('pay')
    await world.clock.advanceTo(at(25))
    losing.failOver()
    await world.clock.advanceTo(at(45))
    expect(loud()).toEqual([{ level: 'error', message: forgotten, jobs: ['tick'], count: 1, since: new Date(at(10)) }])
    const { items } = await scheduler.occurrences({ job: 'mail' })
    expect([items.length, (await scheduler.occurrences({ job: 'pay' })).items]).toEqual([1, []])
  })

  it('are not detected if the storage has lost no slot, even after an outage', async () => {
    const { world, losing, start, loud } = lossyWorld()
    let isAway = false
    const storage = wrapStorage(losing.connect(), {
      around: (call) => (isAway ? Promise.reject(new Error('away')) : call.proceed()),
    })
    const scheduler = await start({ jobs: [onRequest('mail')], storage, ...tuned({ heartbeat: { seconds: 5 } }) })
    losing.fallBehind()
    await scheduler.trigger('mail')
    await scheduler.trigger('mail')
    await world.clock.advance({ seconds: 10 })
    isAway = true
    await world.clock.advance({ seconds: 10 })
    losing.failOver()
    isAway = false
    await world.clock.advance({ seconds: 20 })
    expect((await scheduler.occurrences({ job: 'mail' })).items).toEqual([])
    expect(loud().map(({ message }) => message)).not.toContain(forgotten)
  })
})

describe('a storage that loses all its data', () => {
  it('receives all jobs again from a node, including a job that has no further slots', async () => {
    const { world, losing, start } = lossyWorld()
    const { job, ran } = noting(world)
    const launch = noting(world, 'launch', { schedule: once(at(5)) })
    const scheduler = await start({ jobs: [launch.job, job] })
    await world.clock.advanceTo(at(12))
    losing.loseAll()
    await world.clock.advanceTo(at(25))
    expect([launch.ran, ran]).toEqual([[5], [10, 20]])
    const { items } = await scheduler.jobs({ limit: 10 })
    expect(items.map(({ name }) => name).toSorted()).toEqual(['launch', 'tick'])
  })

  it('receives the jobs of a node again within a definition interval, and these jobs run their slots from then on', async () => {
    const { world, losing, start, loud } = lossyWorld()
    const { job, ran } = noting(world)
    const rare = noting(world, 'rare', { schedule: everySeconds(3600) })
    const scheduler = await start({ jobs: [job, rare.job] })
    const heard = listen(scheduler, 'job.vanished')
    await world.clock.advance({ seconds: 12 })
    losing.loseAll()
    await world.clock.advance({ seconds: 4 })
    expect(heard.map(({ event }) => event)).toEqual([
      { jobId: job.id, jobName: 'tick', becomes: 'stored_again' },
      { jobId: rare.job.id, jobName: 'rare', becomes: 'stored_again' },
    ])
    expect(loud()).toEqual([
      {
        level: 'error',
        message:
          'the storage has lost jobs: nodes have stored them again; they continue from now, without their history',
        jobs: ['tick', 'rare'],
        count: 2,
      },
    ])
    await world.clock.advanceTo(at(45))
    expect(ran).toEqual([10, 20, 30, 40])
    expect(await fates(scheduler, 'tick')).toEqual(['20 completed', '30 completed', '40 completed'])
  })

  it('receives all jobs again as soon as a node that launches a slot detects the loss', async () => {
    const { world, losing, start, loud } = lossyWorld()
    const { job, ran } = noting(world)
    const rare = noting(world, 'rare', { schedule: everySeconds(60) })
    const scheduler = await start({ jobs: [rare.job, job], ...tuned({ definitionInterval: { hours: 1 } }) })
    const heard = listen(scheduler, 'job.vanished')
    await world.clock.advance({ seconds: 12 })
    losing.loseAll()
    await world.clock.advanceTo(at(20))
    expect(heard.map(({ event }) => event.jobName).sort()).toEqual(['rare', 'tick'])
    await world.clock.advanceTo(at(65))
    // The launch of slot 20 shows the node that the storage has lost its data. The node then stores the jobs again, and the
    // jobs continue with their next slots. So slot 20 does not run.
    expect(ran).toEqual([10, 30, 40, 50, 60])
    expect(rare.ran).toEqual([60])
    expect(loud()).toHaveLength(1)
  })

  it('receives a job again when a node that triggers the job detects the loss, and the trigger runs', async () => {
    const { world, losing, start } = lossyWorld()
    const { job, ran } = noting(world, 'asked', { schedule: everySeconds(3600) })
    const scheduler = await start({ jobs: [job], ...tuned({ definitionInterval: { hours: 1 } }) })
    losing.loseAll()
    await expect(scheduler.trigger('asked')).resolves.toMatchObject({ created: true })
    await world.clock.advance({ seconds: 1 })
    expect(ran).toEqual([0])
  })

  it('receives the jobs with code from the nodes again, but not the jobs that are data', async () => {
    const { world, losing, start, lines } = lossyWorld()
    const greeted: string[] = []
    const greeter = (node: string) => ({ greet: ({ data }: { data: unknown }) => void greeted.push(`${node} ${data}`) })
    const dataJob = (name: string) =>
      defineJob({ name, schedule: everySeconds(10), tasks: [{ name: 'hello', handler: 'greet', data: name }] })
    const worker = await start({ handlers: greeter('worker'), scheduleTypes: [everyType] })
    const adder = await start({ handlers: greeter('adder') })
    const gone = await start({ handlers: {} })
    const { job, ran } = noting(world, 'code')
    await adder.add(job)
    await adder.add(dataJob('ann'))
    await gone.add(dataJob('bob'))
    await world.clock.advance({ seconds: 5 })
    await world.shutdown(gone)
    const heard = listen(worker, 'job.vanished')
    losing.loseAll()
    await world.clock.advanceTo(at(25))
    expect(ran).toEqual([10, 20])
    expect(greeted.map((line) => line.split(' ')[1])).toEqual(['ann', 'ann'])
    expect(heard.map(({ event }) => [event.jobName, event.becomes])).toEqual([
      ['ann', 'forgotten'],
      ['bob', 'forgotten'],
    ])
    expect(lines).toContainEqual({
      level: 'error',
      message: 'the storage has lost jobs that this node does not define: they do not run until you add them again',
      jobs: ['ann', 'bob'],
      count: 2,
    })
  })

  it('receives each job once from several nodes, and each slot runs once', async () => {
    const { world, losing, start } = lossyWorld()
    const ran: string[] = []
    const nodes = await Promise.all(
      ['a', 'b', 'c'].map((nodeId) => {
        const run = () => void ran.push(`${secondsOf(world.clock.now())}`)
        const job = defineJob({ name: 'tick', schedule: everySeconds(10), tasks: [{ name: 'work', run }] })
        return start({ jobs: [job], nodeId })
      }),
    )
    await world.clock.advanceTo(at(15))
    losing.loseAll()
    await world.clock.advanceTo(at(45))
    expect(ran).toEqual(['10', '20', '30', '40'])
    const [first] = nodes
    expect(first && (await fates(first, 'tick'))).toEqual(['20 completed', '30 completed', '40 completed'])
  })

  it('receives the definition of the node that stores the job first, and the newer one after that node has shut down', async () => {
    const { world, losing, start, loud } = lossyWorld()
    const older = noting(world)
    const newer = noting(world, 'tick', { schedule: everySeconds(15) })
    const old = await start({ jobs: [older.job], nodeId: 'old' })
    const young = await start({ jobs: [newer.job], nodeId: 'young' })
    await world.clock.advanceTo(at(5))
    expect(await old.nextRuns('tick', 1)).toEqual([at(15)])
    const heard = listen(old, 'job.vanished')
    losing.loseAll()
    await world.clock.advanceTo(at(16))
    expect(await young.nextRuns('tick', 2)).toEqual([at(20), at(30)])
    expect(heard.map(({ event }) => event.becomes)).toEqual(['stored_again'])
    expect(loud().map(({ reason }) => reason)).toContain('newer_build')
    await world.shutdown(old)
    await world.clock.advanceTo(at(31))
    expect(await young.nextRuns('tick', 2)).toEqual([at(45), at(60)])
  })

  it('receives the newer of two definitions first, and the older one does not replace the newer one while a node with the newer one lives', async () => {
    const { world, losing, start } = lossyWorld()
    const slow = tuned({ definitionInterval: { seconds: 50 } })
    const old = await start({ jobs: [noting(world).job], nodeId: 'old', deadAfter: 30_000, ...slow })
    const { job } = noting(world, 'tick', { schedule: everySeconds(15) })
    const young = await start({ jobs: [job], nodeId: 'young', deadAfter: 60_000 })
    const heard = listen(old, 'job.registered')
    await world.clock.advanceTo(at(21))
    // The storage loses all its data, including the profiles of the nodes. The older node then reads the profiles before the
    // newer node has stored its profile again. So the older node finds no profile of the newer node.
    losing.loseAll()
    await world.clock.advanceTo(at(1502))
    expect(await old.nextRuns('tick', 2)).toEqual([at(1515), at(1530)])
    expect(heard.map(({ event }) => event.change)).not.toContain('updated')
    await world.shutdown(young)
    await world.clock.advanceTo(at(1602))
    expect(await old.nextRuns('tick', 2)).toEqual([at(1610), at(1620)])
  })

  it('receives a paused job as a paused job, even if another node stores the job first', async () => {
    const { world, losing, start } = lossyWorld()
    const { job, ran } = noting(world)
    const second = noting(world)
    const scheduler = await start({ jobs: [job] })
    await start({ jobs: [second.job] })
    await scheduler.pause('tick')
    await world.clock.advanceTo(at(5))
    losing.loseAll()
    await world.clock.advanceTo(at(25))
    expect([ran, second.ran]).toEqual([[], []])
    expect(await fates(scheduler, 'tick')).toEqual(['10 skipped paused', '20 skipped paused'])
    await scheduler.resume('tick')
    await world.clock.advanceTo(at(35))
    expect([...ran, ...second.ran]).toEqual([30])
  })

  it('receives a pause with its end', async () => {
    const { world, losing, start } = lossyWorld()
    const { job, ran } = noting(world)
    const scheduler = await start({ jobs: [job] })
    await scheduler.pause('tick', { until: at(25) })
    await world.clock.advanceTo(at(5))
    losing.loseAll()
    await world.clock.advanceTo(at(15))
    expect((await scheduler.job('tick')).paused).toMatchObject({ until: new Date(at(25)) })
    await world.clock.advanceTo(at(45))
    expect(ran).toEqual([30, 40])
  })

  it('receives a different definition with the same version from a new node, and the first node follows it', async () => {
    const { world, losing, start } = lossyWorld()
    const first = noting(world)
    const second = noting(world, 'tick', { schedule: everySeconds(15) })
    const scheduler = await start({
      jobs: [first.job],
      nodeId: 'first',
      ...tuned({ definitionInterval: { seconds: 30 } }),
    })
    await world.clock.advanceTo(at(5))
    losing.loseAll()
    await start({ jobs: [second.job], nodeId: 'second' })
    await world.clock.advanceTo(at(61))
    expect(await scheduler.nextRuns('tick', 2)).toEqual([at(75), at(90)])
  })

  it('does not receive a job that was removed before the loss', async () => {
    const { world, losing, start } = lossyWorld()
    const { job, ran } = noting(world)
    const first = await start({ jobs: [job] })
    const second = await start({ jobs: [job] })
    await first.remove('tick')
    await world.clock.advanceTo(at(15))
    losing.loseAll()
    await world.clock.advanceTo(at(60))
    expect(ran).toEqual([])
    await expect(second.trigger('tick')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  })

  it.each(['STORAGE_REFUSED', 'STORAGE_UNREADABLE'] as const)(
    'receives seven paused jobs again as paused, although it rejects another job with %s',
    async (code) => {
      const { world, losing, start } = lossyWorld()
      const paused = Array.from({ length: 7 }, (_, index) => noting(world, `tick ${index}`))
      const bad = noting(world, 'bad', { schedule: everySeconds(3600) })
      let rejects = false
      const storage = wrapStorage(losing.connect(), {
        around: (call) => {
          const isBad = (change: JobChange) => change.kind === 'create' && change.content.name === 'bad'
          if (rejects && call.method === 'saveJobs' && call.request.changes.some(isBad)) {
            throw new JobistemerError(code, { message: 'No.' })
          }
          return call.proceed()
        },
      })
      const scheduler = await start({ jobs: [bad.job, ...paused.map(({ job }) => job)], storage })
      for (const { job } of paused) await scheduler.pause(job.name)
      rejects = true
      losing.loseAll()
      await world.clock.advanceTo(at(35))
      rejects = false
      await world.clock.advanceTo(at(125))
      expect(paused.flatMap(({ ran }) => ran)).toEqual([])
      for (const { job } of paused) {
        const { paused: pause } = await scheduler.job(job.name)
        expect(pause).toMatchObject({ reason: 'paused before the storage lost the job' })
      }
      expect(await scheduler.job('bad')).toMatchObject({ name: 'bad' })
    },
  )

  it('that first rejects them with STORAGE_UNREADABLE receives its jobs again, and no other part of the engine fails', async () => {
    const { world, losing, start } = lossyWorld()
    let rejects = false
    const storage = wrapStorage(losing.connect(), {
      around: (call) => {
        if (rejects && call.method === 'saveJobs') throw new JobistemerError('STORAGE_UNREADABLE', { message: 'No.' })
        return call.proceed()
      },
    })
    const { job, ran } = noting(world)
    const scheduler = await start({ jobs: [job], storage })
    const failed = listen(scheduler, 'engine.failed')
    const recovered = listen(scheduler, 'storage.recovered')
    rejects = true
    losing.loseAll()
    await world.clock.advanceTo(at(76))
    rejects = false
    await world.clock.advanceTo(at(95))
    expect(ran.at(-1)).toBe(90)
    expect([failed.length, recovered.length]).toEqual([0, 1])
  })

  it('that does not have a job whose schedule throws causes no report that the job is stored again', async () => {
    const { world, losing, start, loud } = lossyWorld()
    let throws = false
    const schedule = everySeconds(10)
    const next = schedule.nextMs.bind(schedule)
    schedule.nextMs = (after) => {
      if (throws) throw new RangeError('broken')
      return next(after)
    }
    const scheduler = await start({ jobs: [noting(world, 'bad', { schedule }).job] })
    const vanished = listen(scheduler, 'job.vanished')
    throws = true
    losing.loseAll()
    await world.clock.advanceTo(at(60))
    expect(vanished).toEqual([])
    expect(loud().filter(({ message }) => message.includes('stored them again'))).toEqual([])
    throws = false
    await world.clock.advanceTo(at(120))
    expect(vanished).toMatchObject([{ event: { jobName: 'bad', becomes: 'stored_again' } }])
  })

  it('receives 300 jobs again in full batches, with one line in the log', async () => {
    const { world, losing, start, loud } = lossyWorld()
    const jobs = Array.from({ length: 300 }, (_, index) => noting(world, `job ${index}`).job)
    const counted = new InterceptedStorage(losing.connect())
    const limited = Object.assign(counted.storage, {
      capabilities: { ...counted.storage.capabilities, maxBatch: 100 },
    })
    const scheduler = await start({ jobs, storage: limited })
    const finished = listen(scheduler, 'occurrence.finished')
    await world.clock.advanceTo(at(5))
    losing.loseAll()
    counted.reset()
    await world.clock.advanceTo(at(9))
    expect(counted.count('saveJobs')).toBe(3)
    expect(loud()).toMatchObject([{ count: 300 }])
    await world.clock.advanceTo(at(11))
    expect(finished).toHaveLength(300)
  })
})

describe.each(everywhere)('on the storage $name', (place) => {
  it('a node that missed a change of a job in its scans reads the change within about a minute', async () => {
    const world = createWorld(place)
    const { job } = noting(world, 'tick', { schedule: everySeconds(3600) })
    const missing = new InterceptedStorage(world.connect())
    missing.intercept = async ({ operation, proceed }) => {
      const answer = await proceed()
      return operation === 'listJobs' ? { ...(answer as object), items: [] } : answer
    }
    const node = await world.start({ jobs: [job], storage: missing.storage })
    const other = await world.start({ jobs: [job] })
    const heard = listen(node, 'job.registered')
    await other.update('tick', { schedule: everySeconds(1800) })
    await world.clock.advance({ seconds: 70 })
    expect(heard.map(({ event }) => event.version)).toEqual([2])
  })

  it('a job that was removed and is added again runs on all nodes that have its code', async () => {
    const world = createWorld(place)
    const ran: string[] = []
    const jobOf = (node: string) => {
      const run = () => void ran.push(`${secondsOf(world.clock.now())} ${node}`)
      return defineJob({ name: 'tick', schedule: everySeconds(10), tasks: [{ name: 'work', run }] })
    }
    const life = { ...tuned({ heartbeat: 500 }), deadAfter: { seconds: 5 } }
    const first = await world.start({ jobs: [jobOf('first')], nodeId: 'first', ...life })
    const second = await world.start({ jobs: [jobOf('second')], nodeId: 'second', ...life })
    await world.clock.advanceTo(at(15))
    await first.remove('tick')
    await world.clock.advanceTo(at(35))
    await first.add(jobOf('first'))
    await world.clock.advanceTo(at(39))
    await world.shutdown(first)
    await world.clock.advanceTo(at(55))
    expect(ran.slice(-2)).toEqual(['40 second', '50 second'])
    expect(await second.trigger('tick')).toMatchObject({ created: true })
  })
})
