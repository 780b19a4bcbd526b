import { type AnyTask, createClient, createScheduler, defineJob, isolatedHandler, silentLogger } from '@jobistemer/core'
import { memoryStorage } from '@jobistemer/storage-memory'
import { describe, expect, it, onTestFinished } from 'vitest'
import { behaves, isolatedScene, isolations, lastAttempt, modules, resultOf } from '../support/isolated-scene.ts'

const module = behaves
const missing = new URL('file:///nowhere/missing.mjs')
const define = (task: object) => defineJob({ name: 'job', tasks: [{ name: 'work', ...task } as AnyTask] as never })

/** Starts a node with each definition in turn. Returns the stored version of the job after each start. */
async function storedBy(...tasks: object[]) {
  const storage = memoryStorage()
  const seen: unknown[] = []
  for (const task of tasks) {
    const scheduler = createScheduler({ storage, logger: silentLogger, jobs: [define(task)], nodeId: 'one' })
    await scheduler.start()
    const [version] = await scheduler.versions('job')
    seen.push(version?.version)
    await scheduler.shutdown()
  }
  return seen
}

describe('the definition of an isolated task', () => {
  it.each<[string, object, string, string]>([
    ['a module that is not a URL', { module: './render.js' }, 'INVALID_MODULE', 'tasks[0].module'],
    ['a module that is a path', { module: '/srv/render.js' }, 'INVALID_MODULE', 'tasks[0].module'],
    [
      'a module with an https URL',
      { module: new URL('https://example.org/a.js') },
      'INVALID_MODULE',
      'tasks[0].module',
    ],
    ['a module that is null', { module: null }, 'INVALID_MODULE', 'tasks[0].module'],
    ['run beside a module', { run: () => 1, module }, 'INVALID_ARGUMENT', 'tasks[0].module'],
    ['a handler beside a module', { handler: 'render', module }, 'INVALID_ARGUMENT', 'tasks[0].module'],
    ['an isolation without a module', { run: () => 1, isolation: 'thread' }, 'INVALID_ARGUMENT', 'tasks[0].isolation'],
    ['a pool without a module', { handler: 'a', pool: true }, 'INVALID_ARGUMENT', 'tasks[0].pool'],
    ['another isolation', { module, isolation: 'vm' }, 'INVALID_ARGUMENT', 'tasks[0].isolation'],
    ['data that JSON would change', { module, data: { at: new Date(0) } }, 'INVALID_ARGUMENT', 'tasks[0].data.at'],
    [
      'a stack limit for a process',
      { module, isolation: 'process', resourceLimits: { stackSizeMb: 4 } },
      'INVALID_ARGUMENT',
      'tasks[0].resourceLimits.stackSizeMb',
    ],
    ['an unknown limit', { module, resourceLimits: { cpu: 1 } }, 'UNKNOWN_OPTION', 'tasks[0].resourceLimits.cpu'],
    ['a number as a variable', { module, env: { PORT: 80 } }, 'INVALID_ARGUMENT', 'tasks[0].env.PORT'],
  ])('is rejected if it is invalid, for example with %s', (_, task, code, field) => {
    expect(() => define(task)).toThrow(expect.objectContaining({ code, field }))
  })

  it('with a missing module is rejected by `start`, `add` and `update`', async () => {
    const incomplete = define({ module: missing })
    const refusal = { code: 'INVALID_MODULE', message: expect.stringContaining('missing.mjs') }
    const options = { storage: memoryStorage(), logger: silentLogger }
    await expect(createScheduler({ ...options, jobs: [incomplete] }).start()).rejects.toMatchObject(refusal)
    const handlers = { render: isolatedHandler({ module: missing }) }
    await expect(createScheduler({ ...options, handlers }).start()).rejects.toMatchObject(refusal)
    const { scheduler } = await isolatedScene({ present: { name: 'work', module } })
    await expect(scheduler.add(incomplete)).rejects.toMatchObject(refusal)
    const update = { tasks: [{ name: 'work', module: missing }] }
    await expect(scheduler.update('present', update)).rejects.toMatchObject(refusal)
  })

  it('can be stored by a client on a machine without the module', async () => {
    const storage = memoryStorage()
    const client = createClient({ storage, logger: silentLogger })
    onTestFinished(() => client.close())
    await client.add(define({ module: new URL('file:///elsewhere/render.js') }))
    expect((await client.job('job')).tasks).toMatchObject([{ name: 'work' }])
  })

  it('stays isolated if a client updates the description of the job or the data of the task, although the update has no `module`', async () => {
    const storage = memoryStorage()
    const job = defineJob({
      name: 'job',
      tasks: [
        { name: 'draw', module, isolation: 'process' },
        { name: 'fold', module },
        { name: 'send', run: () => undefined },
      ],
    })
    const scheduler = createScheduler({ storage, logger: silentLogger, nodeId: 'node', jobs: [job] })
    onTestFinished(() => scheduler.shutdown())
    await scheduler.start()
    const client = createClient({ storage, logger: silentLogger })
    onTestFinished(() => client.close())
    const isolationsOf = async (looking: Pick<typeof client, 'job'>) =>
      (await looking.job('job')).tasks.map(({ isolation }) => isolation)
    expect(await isolationsOf(client)).toEqual(['process', 'thread', null])
    await client.update('job', { description: 'Draws.' })
    expect(await isolationsOf(client)).toEqual(['process', 'thread', null])
    await client.update('job', { tasks: [{ name: 'draw', data: 1 }, { name: 'fold' }, { name: 'send' }] })
    expect(await isolationsOf(client)).toEqual(['process', 'thread', null])
    expect(await isolationsOf(scheduler)).toEqual(['process', 'thread', null])
    await client.update('job', { tasks: [{ name: 'draw', handler: 'drawing' }, { name: 'fold' }] })
    expect(await isolationsOf(client)).toEqual([null, 'thread'])
  })

  it('stays isolated after a node that runs the task in its own process has updated the description of the job', async () => {
    const storage = memoryStorage()
    const client = createClient({ storage, logger: silentLogger })
    onTestFinished(() => client.close())
    const options = { storage, logger: silentLogger }
    const newer = createScheduler({ ...options, nodeId: 'newer', release: 2, jobs: [define({ module })] })
    const older = createScheduler({ ...options, nodeId: 'older', release: 1, jobs: [define({ run: () => 1 })] })
    for (const scheduler of [newer, older]) {
      onTestFinished(() => scheduler.shutdown())
      await scheduler.start()
    }
    await older.update('job', { description: 'Draws.' })
    expect((await client.job('job')).tasks).toMatchObject([{ isolation: 'thread' }])
  })

  it('does not depend on the path, environment and limits of the module, which may differ between nodes', async () => {
    const one = { module, isolation: 'process' }
    const other = {
      module: modules['common.cjs'],
      isolation: 'process',
      env: { SECRET: 'x' },
      resourceLimits: { maxOldGenerationSizeMb: 100 },
      killAfter: 1,
      pool: true,
    }
    expect(await storedBy(one, other)).toEqual([1, 1])
  })

  it('gets a new version if an update changes the isolation of the task', async () => {
    expect(await storedBy({ module }, { module, isolation: 'process' }, { run: () => 1 })).toEqual([1, 2, 3])
  })

  it('is stored without the environment and the path of the module', async () => {
    const storage = memoryStorage()
    const scheduler = createScheduler({
      storage,
      logger: silentLogger,
      jobs: [define({ module, env: { TOKEN: 'hidden' } })],
    })
    await scheduler.start()
    const { items } = await storage.listJobs({ limit: 10, cursor: null })
    expect(JSON.stringify(items)).not.toContain('hidden')
    expect(JSON.stringify(items)).not.toContain('behaves.mjs')
    await scheduler.shutdown()
  })

  it('keeps its module when an update changes only the data of the task', async () => {
    const { scheduler, run } = await isolatedScene({
      job: { name: 'work', module, data: { kind: 'returns', value: 1 } },
    })
    await scheduler.update('job', { tasks: [{ name: 'work', data: { kind: 'returns', value: 2 } }] })
    expect(resultOf(await run('job'))).toBe(2)
  })

  it('has a `run` function that throws when a caller calls it', () => {
    const [task] = define({ module }).tasks
    expect(() => task?.run?.({} as never)).toThrow(/import the module/)
  })
})

describe.each(isolations)('for an isolated task that runs in a %s', (isolation) => {
  it('a module without a function as its default export fails the attempt', async () => {
    const { run } = await isolatedScene({ job: { name: 'work', module: modules['no-function.mjs'], isolation } })
    const error = lastAttempt(await run('job'))?.error
    expect(error).toMatchObject({ code: 'INVALID_MODULE', message: expect.stringContaining('export default') })
  })

  it('`trigger` rejects data that are not JSON', async () => {
    const { scheduler } = await isolatedScene({ job: { name: 'work', module, isolation } })
    await expect(scheduler.trigger('job', { data: { at: new Date() } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    })
  })
})
