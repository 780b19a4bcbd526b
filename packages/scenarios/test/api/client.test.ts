import { type Client, createClient, defineJob, jobId, type JobUpdate, type TaskContext } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds, everyType } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everyStorage } from '../support/places.ts'
import { at, createWorld, secondsOf, type World } from '../support/world.ts'

/** Starts a node with the code of a job, and makes a client without that code. */
async function scene(world: World) {
  const ran: string[] = []
  const run = ({ scheduledAt, data, input }: TaskContext) => {
    ran.push(`${secondsOf(scheduledAt)} ${JSON.stringify(input ?? data ?? null)}`)
  }
  const job = defineJob({
    name: 'report',
    schedule: everySeconds(60),
    tasks: [{ name: 'export', run }],
  })
  const node = await world.start({
    jobs: [job],
    defaults: { executionTimeout: { minutes: 7 } },
    handlers: { note: run },
    pollInterval: { seconds: 1 },
  })
  const client = createClient({ storage: world.connect(), clock: world.clock, scheduleTypes: [everyType] })
  return { ran, node, client }
}

const settle = async (world: World) => world.clock.advance({ seconds: 5 })

describe.each(everyStorage)('on the storage $name, a client', (place) => {
  it('triggers a job without the job’s code, passes data to the job, and is not listed as a node', async () => {
    const world = createWorld(place)
    const { ran, node, client } = await scene(world)
    const { id, state, created } = await client.trigger('report', { data: { day: 1 } })
    expect([state, created]).toEqual(['pending', true])
    await settle(world)
    expect(ran).toEqual(['0 {"day":1}'])
    expect(await client.occurrence(id)).toMatchObject({ state: 'completed', node: 'node 1', input: { day: 1 } })
    expect((await client.nodes()).map(({ node: name }) => name)).toEqual([node.nodeId])
    expect(
      await client.triggerMany([
        { job: 'report', key: 'a' },
        { job: 'report', key: 'a' },
      ]),
    ).toMatchObject([{ created: true }, { created: false }])
  })

  it('changes jobs for all nodes, and does not change the default settings of the nodes', async () => {
    const world = createWorld(place)
    const { ran, client } = await scene(world)
    await client.pause('report', { reason: 'migration', actor: 'anna' })
    expect(await client.job('report')).toMatchObject({ paused: { reason: 'migration', actor: 'anna' }, version: 1 })
    await world.clock.advance({ seconds: 65 })
    expect(ran).toEqual([])
    await client.resume('report')
    const change: JobUpdate = { schedule: everySeconds(30), maxQueued: 5 }
    expect(await client.update('report', change, { expectedVersion: 1 })).toMatchObject({ version: 2, changed: true })
    const { settings, scheduleDescription, tasks } = await client.job('report')
    expect([settings.executionTimeoutMs, settings.maxQueued]).toEqual([420_000, 5])
    expect(scheduleDescription).toBe('every 30000 ms')
    expect(tasks).toEqual([{ name: 'export', handler: null, data: undefined, isolation: null }])
    await world.clock.advance({ minutes: 1 })
    expect(ran).toHaveLength(2)
    await client.remove('report')
    await world.clock.advance({ minutes: 1 })
    expect(ran).toHaveLength(2)
    await expect(client.trigger('report')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  })

  it('adds jobs with named handlers, lists them, and plans and applies definitions', async () => {
    const world = createWorld(place)
    const { ran, client } = await scene(world)
    const tasks = [{ name: 'work', handler: 'note', data: { of: 'client' } }]
    const named = (name: string) => defineJob({ name, schedule: everySeconds(20), tasks })
    await client.add([named('b'), named('a')])
    await client.apply(await client.plan([named('c'), named('d')], { owner: 'ops' }))
    await client.apply(await client.plan([named('d')], { owner: 'ops' }))
    const page = await client.jobs({ limit: 2 })
    const rest = await client.jobs({ limit: 10, cursor: page.cursor })
    expect(page.items).toHaveLength(2)
    expect([...page.items, ...rest.items].map(({ name }) => name).sort()).toEqual(['a', 'b', 'd', 'report'])
    expect((await client.jobs({ owner: 'ops' })).items.map(({ name }) => name)).toEqual(['d'])
    expect((await client.jobs({ text: 'REP' })).items.map(({ name }) => name)).toEqual(['report'])
    await client.pause('b')
    expect((await client.jobs({ paused: true })).items.map(({ name }) => name)).toEqual(['b'])
    await world.clock.advance({ seconds: 25 })
    expect(ran.sort()).toEqual(['20 {"of":"client"}', '20 {"of":"client"}'])
    expect(await client.remove(['a', 'b'])).toEqual(['a', 'b'])
  })

  it('rejects a job whose task is a function, with a remedy that suggests a named handler', async () => {
    const world = createWorld(place)
    const { client } = await scene(world)
    const job = defineJob({ name: 'lost', tasks: [{ name: 'work', run: () => undefined }] })
    await expect(client.add(job)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      field: 'tasks[0].run',
      remedy: expect.stringContaining('handler'),
    })
    await expect(client.job('lost')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
  })

  it('reads next runs and occurrences, cancels a slot and a run, replays a run, and prunes history', async () => {
    const world = createWorld(place)
    const { ran, client } = await scene(world)
    expect((await client.nextRuns('report', 2)).map(secondsOf)).toEqual([60, 120])
    await client.cancelSlot('report', at(60), { reason: 'holiday' })
    expect((await client.explain('report', at(60))).reason).toBe('canceled (holiday)')
    expect((await client.explain('report', at(120))).verdict).toBe('will_run')
    await world.clock.advance({ seconds: 121 })
    expect(ran).toEqual(['120 null'])
    const [canceled, completed] = (await client.occurrences({ job: 'report' })).items
    expect([canceled?.state, completed?.state]).toEqual(['canceled', 'completed'])
    if (completed !== undefined) await client.replay(completed.id)
    await settle(world)
    expect(ran).toHaveLength(2)
    expect(await client.counts('report')).toEqual({ pending: 0, queued: 0, running: 0 })
    expect(await client.counts()).toEqual({ pending: 0, queued: 0, running: 0 })
    expect(await client.isRunning('report')).toBe(false)
    await client.pause('report')
    const { id } = await client.trigger('report')
    expect(await client.counts()).toEqual({ pending: 1, queued: 0, running: 0 })
    expect(await client.cancel(id, { reason: 'no need' })).toMatchObject({ outcome: 'canceled' })
    await world.clock.advance({ minutes: 1 })
    expect(await client.prune({ olderThan: { seconds: 30 } })).toBe(4)
  })

  it('makes storage calls only during the calls of its user', async () => {
    const world = createWorld(place)
    await scene(world)
    const calls: string[] = []
    const intercepted = new InterceptedStorage(world.connect())
    intercepted.intercept = ({ operation, proceed }) => {
      calls.push(operation)
      return proceed()
    }
    const client = createClient({ storage: intercepted.storage, clock: world.clock })
    await world.clock.advance({ minutes: 2 })
    await client.trigger('report')
    await client.counts()
    await world.clock.advance({ minutes: 2 })
    expect(calls).toEqual(['get', 'createOccurrences', 'get'])
  })

  it('reads a job once for 50 simultaneous triggers', async () => {
    const world = createWorld(place)
    await scene(world)
    const intercepted = new InterceptedStorage(world.connect())
    const client = createClient({ storage: intercepted.storage, clock: world.clock })
    const requests = Array.from({ length: 50 }, () => client.trigger('report'))
    await settle(world)
    await Promise.all(requests)
    const reads = intercepted.calls.filter(({ operation }) => operation === 'get')
    expect(reads.map(({ request }) => request)).toEqual([{ jobs: [jobId('report')] }])
    await client.close()
  })

  it('stores triggers with the new version of their job if a node stores this version while the triggers are in progress', async () => {
    const world = createWorld(place)
    const { node } = await scene(world)
    const intercepted = new InterceptedStorage(world.connect())
    const client = createClient({ storage: intercepted.storage, clock: world.clock })
    let updating: Promise<unknown> | null = null
    intercepted.intercept = async ({ operation, proceed }) => {
      if (operation !== 'createOccurrences') return proceed()
      updating ??= node.update('report', { overlapPolicy: 'allow' })
      await updating
      return proceed()
    }
    const requests = Promise.all(Array.from({ length: 20 }, () => client.trigger('report')))
    await settle(world)
    const ids = (await requests).map(({ id }) => id)
    const versions = await Promise.all(ids.map(async (id) => (await client.occurrence(id)).jobVersion))
    expect(versions).toEqual(Array(20).fill(2))
    await client.close()
  })

  it('rejects invalid calls, and rejects every call after `close`', async () => {
    const world = createWorld(place)
    const { client } = await scene(world)
    const codeOf = (call: (one: Client) => Promise<unknown>) => call(client).then(String, (error) => error.code)
    expect(await codeOf((one) => one.trigger('reprot'))).toBe('JOB_NOT_FOUND')
    expect(await codeOf((one) => one.job('reprot'))).toBe('JOB_NOT_FOUND')
    expect(await codeOf((one) => one.trigger('report', { tasks: ['imprt'] }))).toBe('TASK_NOT_FOUND')
    expect(await codeOf((one) => one.jobs({ limit: 0 }))).toBe('INVALID_ARGUMENT')
    expect(await codeOf((one) => one.jobs({ txt: 'a' } as never))).toBe('UNKNOWN_OPTION')
    expect(await codeOf((one) => one.nextRuns('report', 0))).toBe('INVALID_ARGUMENT')
    expect(() => createClient({ storage: world.connect(), handlers: {} } as never)).toThrow('handlers is not an option')
    await client.close()
    expect(await codeOf((one) => one.counts())).toBe('SCHEDULER_STATE')
    expect(await codeOf((one) => one.trigger('report'))).toBe('SCHEDULER_STATE')
    await client.close()
  })
})
