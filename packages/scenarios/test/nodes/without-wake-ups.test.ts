import {
  defineJob,
  type JobSettingsInput,
  type Scheduler,
  type SchedulerOptions,
  type TaskContext,
} from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { at, createWorld, fates, secondsOf, type World } from '../support/world.ts'
import { tuned } from '../../../workspace/test-tuning.ts'

/** Starts a node without wake-ups whose poll interval is an hour. */
function startDeaf(world: World, options: Partial<SchedulerOptions>): Promise<Scheduler> {
  const storage = wrapStorage(world.connect(), { subscribe: undefined })
  return world.start({ pollInterval: { hours: 1 }, ...options, storage })
}

/**
 * Defines a job whose handler takes `takes` seconds unless the handler is aborted. `heard` lists when the handler begins,
 * when an abort stops it, and when it ends normally.
 */
function working(world: World, settings: JobSettingsInput & { takes: number; until?: number }) {
  const { takes, until = 0, ...jobSettings } = settings
  const heard: string[] = []
  const hear = (what: string) => heard.push(`${secondsOf(world.clock.now())} ${what}`)
  const run = async ({ signal, attempt }: TaskContext) => {
    hear(`begins${attempt === 1 ? '' : ` attempt ${attempt}`}`)
    await world.clock.sleep({ seconds: takes }, signal).catch((reason) => {
      hear('stops')
      throw reason
    })
    hear('ends')
  }
  const schedule = everySeconds(10, +at(until))
  const job = defineJob({ name: 'work', schedule, ...jobSettings, tasks: [{ name: 'work', run }] })
  return { heard, job }
}

describe('without wake-ups from the storage', () => {
  it.each([{ force: false }, { force: true }])(
    'a node that cancels one of its own runs aborts the handler, with the options %o',
    async ({ force }) => {
      const world = createWorld()
      const { job, heard } = working(world, { takes: 60 })
      const node = await startDeaf(world, { jobs: [job] })
      const { id } = await node.trigger('work')
      await world.clock.advance({ seconds: 7 })
      await node.cancel(id, { force })
      await world.clock.advance({ minutes: 5 })
      expect(heard).toEqual(['0 begins', '7 stops'])
    },
  )

  it('under cancel_running, a trigger on the node of the active run aborts this run, and then the new run starts', async () => {
    const world = createWorld()
    const { job, heard } = working(world, { takes: 60, overlapPolicy: 'cancel_running' })
    const node = await startDeaf(world, { jobs: [job] })
    await node.trigger('work')
    await world.clock.advance({ seconds: 7 })
    await node.trigger('work')
    await world.clock.advance({ minutes: 5 })
    expect(heard).toEqual(['0 begins', '7 stops', '7 begins', '67 ends'])
  })

  it('under cancel_running, a due slot on the node of the active run aborts this run, and then the slot starts', async () => {
    const world = createWorld()
    const { job, heard } = working(world, { takes: 60, until: 20, overlapPolicy: 'cancel_running' })
    await startDeaf(world, { jobs: [job] })
    await world.clock.advance({ minutes: 5 })
    expect(heard).toEqual(['10 begins', '20 stops', '20 begins', '80 ends'])
  })

  it('an owner learns of a cancellation by the answer to its next settle', async () => {
    const world = createWorld()
    const heard: string[] = []
    const task = (name: string) => ({
      name,
      run: async ({ signal }: TaskContext) => {
        await world.clock.sleep({ seconds: 5 }, signal)
        heard.push(`${name} ends`)
      },
    })
    const tasks = [task('first'), task('second'), task('third')]
    const job = defineJob({ name: 'chain', schedule: everySeconds(10, +at(10)), tasks })
    const owner = await startDeaf(world, { jobs: [job] })
    await world.clock.advance({ seconds: 12 })
    const other = await startDeaf(world, { jobs: [] })
    const [running] = (await other.occurrences({ job: 'chain' })).items
    await other.cancel(running?.id as never)
    await world.clock.advance({ minutes: 1 })
    expect(heard).toEqual(['first ends'])
    expect((await owner.occurrences({ job: 'chain' })).items).toMatchObject([{ state: 'canceled', finishedAt: at(15) }])
  })

  it('a queued slot starts when the active run of the job ends', async () => {
    const world = createWorld()
    const { job, heard } = working(world, { takes: 15, until: 20, overlapPolicy: 'queue' })
    await startDeaf(world, { jobs: [job] })
    await world.clock.advance({ minutes: 5 })
    expect(heard).toEqual(['10 begins', '25 ends', '25 begins', '40 ends'])
  })

  it('a trigger that finds no free permit starts when a permit is free', async () => {
    const world = createWorld()
    const { job, heard } = working(world, { takes: 15, overlapPolicy: 'allow' })
    const node = await startDeaf(world, { jobs: [job], maxConcurrentJobs: 1 })
    await node.trigger('work')
    expect(await node.trigger('work')).toMatchObject({ state: 'pending' })
    await world.clock.advance({ minutes: 5 })
    expect(heard).toEqual(['0 begins', '15 ends', '15 begins', '30 ends'])
  })

  it('a trigger of a paused job starts when the job is resumed', async () => {
    const world = createWorld()
    const { job, heard } = working(world, { takes: 15 })
    const node = await startDeaf(world, { jobs: [job] })
    await node.pause('work')
    expect(await node.trigger('work')).toMatchObject({ state: 'pending' })
    await world.clock.advance({ seconds: 7 })
    expect(heard).toEqual([])
    await node.resume('work')
    await world.clock.advance({ minutes: 5 })
    expect(heard).toEqual(['7 begins', '22 ends'])
  })

  it('a queued slot starts when the run of a dead node is canceled by force', async () => {
    const world = createWorld()
    const { job, heard } = working(world, { takes: 60, until: 20, overlapPolicy: 'queue' })
    const gone = await startDeaf(world, { jobs: [job] })
    await world.clock.advance({ seconds: 12 })
    const node = await startDeaf(world, { jobs: [job] })
    world.crash(gone)
    await world.clock.advance({ seconds: 18 })
    expect(heard).toEqual(['10 begins'])
    const [running] = (await node.occurrences({ job: 'work', states: ['running'] })).items
    await node.cancel(running?.id as never, { force: true })
    await world.clock.settle()
    expect(heard).toEqual(['10 begins', '30 begins'])
    await world.clock.advance({ minutes: 2 })
    expect(await fates(node, 'work')).toEqual(['10 canceled canceled', '20 completed'])
  })

  it.each([
    ['retry', 10, ['10 begins', '90 begins attempt 2']],
    ['fail', 20, ['10 begins', '90 begins']],
  ] as const)(
    'under onInterrupted %s, either the reaped run or the next queued run of the job starts after a reap',
    async (onInterrupted, until, expected) => {
      const world = createWorld()
      const settings = { onInterrupted, overlapPolicy: 'queue', executionTimeout: { minutes: 1 } } as const
      const { job, heard } = working(world, { takes: 55, until, ...settings })
      const gone = await startDeaf(world, { jobs: [job] })
      await world.clock.advance({ seconds: 15 })
      const node = await startDeaf(world, { jobs: [job] })
      world.crash(gone)
      // The reaper scans at 75 s, before the grace period for the run ends at 80 s. So only the reaper's scan at 90 s reaps
      // the run.
      await world.clock.advance({ seconds: 80 })
      expect(heard.filter((what) => what.includes('begins'))).toEqual(expected)
      await world.clock.advance({ minutes: 2 })
      expect((await fates(node, 'work')).at(-1)).toBe(`${until} completed`)
    },
  )

  it('a node loads successive changes of a definition at its definition interval', async () => {
    const world = createWorld()
    const run = () => {}
    // If a slot were due, the answer to its creation would report the new version to the second node. So in this test, no slot
    // of the job is due. The second node learns of the new version only by its scan for changed definitions.
    const job = defineJob({ name: 'work', schedule: everySeconds(3000), tasks: [{ name: 'work', run }] })
    const learned: number[] = []
    const first = await startDeaf(world, { jobs: [job], ...tuned({ definitionInterval: { minutes: 1 } }) })
    const second = await startDeaf(world, { jobs: [job], ...tuned({ definitionInterval: { minutes: 1 } }) })
    second.on('job.registered', ({ version }) => learned.push(version))
    for (const seconds of [3100, 3200, 3300]) {
      await first.update('work', { schedule: everySeconds(seconds) })
      await world.clock.advance({ minutes: 2 })
    }
    expect(new Set(learned)).toEqual(new Set([2, 3, 4]))
  })
})
