import { defineJob, type JobSettingsInput, type TaskContext } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates, listen, secondsOf, type World } from '../support/world.ts'

function asked(world: World, settings: JobSettingsInput & { seconds?: number; every?: number } = {}) {
  const { seconds = 0, every = 3600, ...jobSettings } = settings
  const called: string[] = []
  const contexts: TaskContext[] = []
  const task = (name: string) => ({
    name,
    run: async (context: TaskContext) => {
      called.push(`${secondsOf(world.clock.now())} ${name}`)
      contexts.push(context)
      if (seconds > 0) await world.clock.sleep({ seconds }, context.signal)
      return name
    },
  })
  const tasks = ['first', 'second', 'third'].map(task)
  const job = defineJob({ name: 'asked', schedule: everySeconds(every), ...jobSettings, tasks })
  return { job, called, contexts }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('a triggered job runs without a delay, and its slots do not change', async () => {
    const world = createWorld(place)
    const { job, called } = asked(world, { every: 60 })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 59 })
    const before = await scheduler.nextRuns('asked', 3)
    const { id, state, created, reason } = await scheduler.trigger('asked')
    expect([state, created, reason]).toEqual(['running', true, null])
    await world.clock.settle()
    expect(called).toEqual(['59 first', '59 second', '59 third'])
    expect(await scheduler.nextRuns('asked', 3)).toEqual(before)
    await world.clock.advance({ seconds: 2 })
    const occurrences = (await scheduler.occurrences({ job: 'asked' })).items
    expect(occurrences.map((one) => [one.kind, secondsOf(one.scheduledAt), one.state])).toEqual([
      ['trigger', 59, 'completed'],
      ['slot', 60, 'completed'],
    ])
    expect(occurrences[0]?.id).toBe(id)
  })

  it('a trigger at the instant of a slot does not replace the slot', async () => {
    const world = createWorld(place)
    const { job } = asked(world, { every: 60, overlapPolicy: 'allow' })
    const scheduler = await world.start({ jobs: [job] })
    await world.clock.advance({ seconds: 60 })
    await scheduler.trigger('asked')
    await world.clock.advance({ seconds: 1 })
    expect((await scheduler.occurrences({ job: 'asked' })).items.map(({ kind }) => kind).sort()).toEqual([
      'slot',
      'trigger',
    ])
  })

  it('triggers with the same key on two nodes create one run, and both calls return it', async () => {
    const world = createWorld(place)
    const { job, called } = asked(world)
    const first = await world.start({ jobs: [job] })
    const second = await world.start({ jobs: [job] })
    const answer = await first.trigger('asked', { key: 'order-7' })
    await world.clock.advance({ seconds: 1 })
    const again = await Promise.all([
      first.trigger('asked', { key: 'order-7' }),
      second.trigger('asked', { key: 'order-7' }),
    ])
    await world.clock.advance({ seconds: 1 })
    for (const one of again) expect(one).toMatchObject({ id: answer.id, created: false, state: 'completed' })
    expect(called).toHaveLength(3)
    expect((await first.occurrences({ job: 'asked' })).items.map(({ requestKey }) => requestKey)).toEqual(['order-7'])
  })

  it('a trigger with the key of an active run returns this run', async () => {
    const world = createWorld(place)
    const { job, called } = asked(world, { seconds: 5 })
    const scheduler = await world.start({ jobs: [job] })
    await scheduler.trigger('asked', { key: 'once' })
    await world.clock.advance({ seconds: 1 })
    expect(await scheduler.trigger('asked', { key: 'once' })).toMatchObject({ created: false, state: 'running' })
    await world.clock.advance({ minutes: 1 })
    expect(called).toHaveLength(3)
  })

  it('a trigger with the key of an ended run costs one additional read of the storage', async () => {
    const world = createWorld(place)
    const { job } = asked(world)
    const intercepted = new InterceptedStorage(world.connect())
    const scheduler = await world.start({ jobs: [job], storage: intercepted.storage })
    await scheduler.trigger('asked', { key: 'once' })
    await world.clock.advance({ minutes: 1 })
    intercepted.reset()
    expect(await scheduler.trigger('asked', { key: 'once' })).toMatchObject({ created: false, state: 'completed' })
    expect(intercepted.calls.map(({ operation }) => operation)).toEqual(['createOccurrences', 'get'])
  })

  it('a skipped trigger does not use up its key, and each skipped trigger has a record with the reason', async () => {
    const world = createWorld(place)
    const { job, called } = asked(world, { seconds: 5 })
    const scheduler = await world.start({ jobs: [job] })
    const running = await scheduler.trigger('asked')
    const skipped = [
      await scheduler.trigger('asked', { key: 'order-7' }),
      await scheduler.trigger('asked', { key: 'order-7' }),
    ]
    for (const one of skipped) expect(one).toMatchObject({ state: 'skipped', reason: 'overlap', created: true })
    await world.clock.advance({ minutes: 1 })
    expect(called).toHaveLength(3)
    const accepted = await scheduler.trigger('asked', { key: 'order-7' })
    expect(accepted).toMatchObject({ state: 'running', created: true })
    await world.clock.advance({ minutes: 1 })
    expect(await scheduler.trigger('asked', { key: 'order-7' })).toMatchObject({ id: accepted.id, created: false })
    expect(called).toHaveLength(6)
    const entries = (await scheduler.occurrences({ job: 'asked' })).items
    expect(entries.map(({ id, state, reason, requestKey }) => [id, state, reason, requestKey]).sort()).toEqual(
      [
        [running.id, 'completed', null, null],
        ...skipped.map(({ id }) => [id, 'skipped', 'overlap', 'order-7']),
        [accepted.id, 'completed', null, 'order-7'],
      ].sort(),
    )
  })

  it('a trigger with the key of a canceled run returns that run and the reason of its cancellation', async () => {
    const world = createWorld(place)
    const { job } = asked(world, { seconds: 5 })
    const scheduler = await world.start({ jobs: [job] })
    const { id } = await scheduler.trigger('asked', { key: 'order-7' })
    await scheduler.cancel(id, { reason: 'ordered twice', actor: 'bob' })
    await world.clock.advance({ minutes: 1 })
    const again = await scheduler.trigger('asked', { key: 'order-7' })
    expect(again).toEqual({ id, state: 'canceled', skipped: null, reason: 'ordered twice', created: false })
    const [entry] = (await scheduler.occurrences({ job: 'asked' })).items
    expect(entry?.cancelRequest).toEqual({ at: at(0), reason: 'ordered twice', actor: 'bob' })
  })

  it('three triggers without a key create three runs', async () => {
    const world = createWorld(place)
    const { job, called } = asked(world, { overlapPolicy: 'allow' })
    const scheduler = await world.start({ jobs: [job] })
    const answers = await Promise.all([1, 2, 3].map(() => scheduler.trigger('asked')))
    await world.clock.advance({ seconds: 1 })
    expect(new Set(answers.map(({ id }) => id)).size).toBe(3)
    expect(called).toHaveLength(9)
  })

  it('each task of a triggered run receives the data of the trigger, and learns that the run belongs to a trigger', async () => {
    const world = createWorld(place)
    const { job, contexts } = asked(world)
    const scheduler = await world.start({ jobs: [job] })
    await scheduler.trigger('asked', {
      data: { customer: 7, at: new Date(0).toISOString() },
      reason: 'complaint',
      actor: 'ann',
    })
    await world.clock.advance({ seconds: 1 })
    expect(contexts.map(({ input, occurrence }) => [input, occurrence.kind])).toEqual(
      [1, 2, 3].map(() => [{ customer: 7, at: '1970-01-01T00:00:00.000Z' }, 'trigger']),
    )
    const [occurrence] = (await scheduler.occurrences({ job: 'asked' })).items
    expect(occurrence).toMatchObject({
      input: { customer: 7, at: '1970-01-01T00:00:00.000Z' },
      requestReason: 'complaint',
      requestActor: 'ann',
    })
  })

  it('a trigger of some tasks runs only these tasks, in the order of the job', async () => {
    const world = createWorld(place)
    const { job, called } = asked(world)
    const scheduler = await world.start({ jobs: [job] })
    await scheduler.trigger('asked', { tasks: ['third', 'first'] })
    await world.clock.advance({ seconds: 1 })
    expect(called).toEqual(['0 first', '0 third'])
    const [occurrence] = (await scheduler.occurrences({ job: 'asked' })).items
    expect(occurrence?.tasks.map(({ name }) => name)).toEqual(['first', 'third'])
  })

  it('the overrides of a trigger apply only to its own run', async () => {
    const world = createWorld(place)
    const { job } = asked(world, { seconds: 5 })
    const scheduler = await world.start({ jobs: [job] })
    await scheduler.trigger('asked', { key: 'short', overrides: { taskTimeout: { seconds: 2 } } })
    await world.clock.advance({ minutes: 1 })
    await scheduler.trigger('asked', { key: 'parallel', overrides: { taskExecutionMode: 'parallel' } })
    await world.clock.advance({ minutes: 1 })
    const [short, parallel] = (await scheduler.occurrences({ job: 'asked' })).items
    expect(short).toMatchObject({ state: 'failed', tasks: [{ error: { code: 'TASK_TIMEOUT' } }, {}, {}] })
    expect(parallel?.state).toBe('completed')
    expect(parallel?.finishedAt?.getTime()).toBe(Number(parallel?.startedAt) + 5000)
  })

  it('the options of a queued trigger still apply after its node has crashed and restarted', async () => {
    const world = createWorld(place)
    const { job, called, contexts } = asked(world, { seconds: 5, overlapPolicy: 'queue', onInterrupted: 'fail' })
    const first = await world.start({ jobs: [job], nodeId: 'node' })
    await first.trigger('asked')
    const options = { tasks: ['second'], data: 7, overrides: { taskTimeout: { seconds: 2 } } }
    expect(await first.trigger('asked', options)).toMatchObject({ state: 'queued' })
    world.crash(first)
    called.length = 0
    const second = await world.start({ jobs: [job], nodeId: 'node' })
    await world.clock.advance({ seconds: 20 })
    expect(called).toEqual(['0 second'])
    expect(contexts.at(-1)?.input).toBe(7)
    const occurrences = (await second.occurrences({ job: 'asked', states: ['failed'] })).items
    expect(occurrences).toMatchObject([{ tasks: [{ name: 'second', error: { code: 'TASK_TIMEOUT' } }] }])
  })

  it.each([
    ['skip', 'skipped', 'overlap'],
    ['queue', 'queued', null],
    ['queue_one', 'queued', null],
    ['allow', 'running', null],
    ['cancel_running', 'queued', null],
  ] as const)('a trigger of a running job under the policy %s is %s', async (overlapPolicy, state, reason) => {
    const world = createWorld(place)
    const { job } = asked(world, { seconds: 5, overlapPolicy })
    const scheduler = await world.start({ jobs: [job] })
    await scheduler.trigger('asked')
    expect(await scheduler.trigger('asked')).toMatchObject({ state, reason, created: true })
  })

  it('a trigger on a node without a free permit is stored as pending', async () => {
    const world = createWorld(place)
    const { job, called } = asked(world, { seconds: 5, overlapPolicy: 'allow' })
    const scheduler = await world.start({ jobs: [job], maxConcurrentJobs: 1 })
    await scheduler.trigger('asked', { tasks: ['first'] })
    expect(await scheduler.trigger('asked', { tasks: ['second'] })).toMatchObject({ state: 'pending' })
    await world.clock.advance({ minutes: 1 })
    expect(called).toEqual(['0 first', '5 second'])
  })

  it('a trigger emits `occurrence.created` and `occurrence.started`', async () => {
    const world = createWorld(place)
    const { job } = asked(world)
    const scheduler = await world.start({ jobs: [job] })
    const heard = listen(scheduler, 'occurrence.created', 'occurrence.started')
    const { id } = await scheduler.trigger('asked')
    expect(heard.map(({ name, event }) => [name, event.occurrenceId, event.kind])).toEqual([
      ['occurrence.created', id, 'trigger'],
      ['occurrence.started', id, 'trigger'],
    ])
  })

  it.each<[string, string, object, string, string, unknown]>([
    ['an unknown job', 'other', {}, 'JOB_NOT_FOUND', 'name', 'other'],
    ['an unknown task', 'asked', { tasks: ['fourth'] }, 'TASK_NOT_FOUND', 'tasks', 'fourth'],
    ['no task', 'asked', { tasks: [] }, 'INVALID_ARGUMENT', 'tasks', []],
    ['tasks that are not an array', 'asked', { tasks: 'first' }, 'INVALID_ARGUMENT', 'tasks', 'first'],
    ['a task without a name', 'asked', { tasks: [''] }, 'INVALID_NAME', 'tasks[0]', ''],
    ['an empty key', 'asked', { key: '' }, 'INVALID_NAME', 'key', ''],
    ['data with a bigint', 'asked', { data: 5n }, 'INVALID_ARGUMENT', 'data', 5n],
    ['an unknown option', 'asked', { when: 'now' }, 'UNKNOWN_OPTION', 'options.when', 'now'],
    ['an unknown setting', 'asked', { overrides: { retries: 1 } }, 'UNKNOWN_OPTION', 'overrides.retries', 1],
    [
      'a setting of other runs',
      'asked',
      { overrides: { overlapPolicy: 'queue' } },
      'UNKNOWN_OPTION',
      'overrides.overlapPolicy',
      'queue',
    ],
    ['a bad setting', 'asked', { overrides: { taskTimeout: 0 } }, 'INVALID_DURATION', 'overrides.taskTimeout', 0],
    ['an empty reason', 'asked', { reason: '' }, 'INVALID_NAME', 'reason', ''],
    ['an actor that is not a string', 'asked', { actor: 7 }, 'INVALID_NAME', 'actor', 7],
  ])(
    'an invalid trigger is rejected, and no run is created: a trigger with %s',
    async (_, name, options, code, field, value) => {
      const world = createWorld(place)
      const { job, called } = asked(world)
      const scheduler = await world.start({ jobs: [job] })
      await expect(scheduler.trigger(name, options)).rejects.toMatchObject({ code, field, value })
      await world.clock.advance({ seconds: 1 })
      expect(called).toEqual([])
      expect(await fates(scheduler, 'asked')).toEqual([])
    },
  )
})
