import {
  createClient,
  defineJob,
  defineTask,
  isolatedHandler,
  type JobOptions,
  type JobUpdate,
  NonRetryableError,
} from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { behaves, isolatedScene, isolations } from '../support/isolated-scene.ts'
import { everywhere } from '../support/places.ts'
import { createWorld, listen, onlyOccurrence, type World } from '../support/world.ts'

const retryPolicy = { maxRetries: 3, retryInterval: { seconds: 1 } }

/** Runs a job whose handler throws. Returns the number of handler calls and the task. */
async function runThrowing(world: World, thrown: unknown, settings: Partial<JobOptions> = {}) {
  let calls = 0
  const run = (): never => {
    calls++
    throw thrown
  }
  const job = defineJob({ name: 'failing', retryPolicy, ...settings, tasks: [{ name: 'work', run }] } as never)
  const scheduler = await world.start({ jobs: [job] })
  const failed = listen(scheduler, 'hook.failed')
  await scheduler.trigger('failing')
  await world.clock.advance({ minutes: 1 })
  const { tasks } = await onlyOccurrence(scheduler, 'failing')
  return { calls, task: tasks[0], failed: failed.map(({ event }) => event) }
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('a NonRetryableError ends its task after one attempt', async () => {
    const cause = new Error('no such order')
    const { calls, task } = await runThrowing(createWorld(place), new NonRetryableError('order 7', { cause }))
    expect(calls).toBe(1)
    expect(task).toMatchObject({ state: 'failed', reason: 'not_retryable', attemptCount: 1 })
    expect(task?.error).toMatchObject({
      name: 'NonRetryableError',
      message: 'order 7',
      cause: { message: 'no such order' },
    })
  })

  it('a NonRetryableError in a named handler ends its task after one attempt', async () => {
    const world = createWorld(place)
    let calls = 0
    const send = (): never => {
      calls++
      throw new NonRetryableError('no such address')
    }
    const asking = createClient({ storage: world.connect(), clock: world.clock })
    await asking.add(defineJob({ name: 'mail', retryPolicy, tasks: [{ name: 'send', handler: 'send' }] }))
    await world.start({ handlers: { send } })
    const { id } = await asking.trigger('mail')
    await world.clock.advance({ minutes: 1 })
    expect(calls).toBe(1)
    const { state, tasks } = await asking.occurrence(id)
    expect([state, tasks[0]?.reason, tasks[0]?.attemptCount]).toEqual(['failed', 'not_retryable', 1])
  })
})

describe('a task whose handler throws', () => {
  it.each([
    ['an error with retryable false', Object.assign(new Error('denied'), { retryable: false }), 1],
    ['an object with retryable false', { retryable: false }, 1],
    ['an error with retryable true', Object.assign(new Error('busy'), { retryable: true }), 4],
    ['an error with retryable undefined', Object.assign(new Error('busy'), { retryable: undefined }), 4],
    ['an error whose cause is not retryable', new Error('busy', { cause: new NonRetryableError('denied') }), 4],
    ['undefined', undefined, 4],
    [
      'an object whose getter throws',
      {
        get retryable() {
          throw new Error('torn')
        },
      },
      4,
    ],
  ])('is retried only if the thrown value is retryable: %s', async (_, thrown, attempts) => {
    const { calls } = await runThrowing(createWorld(), thrown)
    expect(calls).toBe(attempts)
  })

  it('a NonRetryableError is followed by later tasks under the failure strategy `continue`', async () => {
    const world = createWorld()
    const work = () => {
      throw new NonRetryableError('denied')
    }
    const tasks = [
      { name: 'work', run: work, retryPolicy },
      { name: 'after', run: () => 1 },
    ]
    const job = defineJob({ name: 'chain', failureStrategy: 'continue', tasks })
    const scheduler = await world.start({ jobs: [job] })
    await scheduler.trigger('chain')
    await world.clock.advance({ minutes: 1 })
    const { state, tasks: ended } = await onlyOccurrence(scheduler, 'chain')
    expect([state, ...ended.map((task) => task.state)]).toEqual(['completed_with_errors', 'failed', 'completed'])
  })
})

describe('retryIf', () => {
  const denies = { ...retryPolicy, retryIf: (error: Error) => error.message !== 'denied' }

  it('decides, by the error, whether a failed task is retried', async () => {
    const denied = await runThrowing(createWorld(), new Error('denied'), { retryPolicy: denies })
    expect([denied.calls, denied.task?.reason]).toEqual([1, 'not_retryable'])
    const busy = await runThrowing(createWorld(), new Error('busy'), { retryPolicy: denies })
    expect([busy.calls, busy.task?.reason]).toEqual([4, null])
  })

  it('is called for a timeout while retries are left, and not for a NonRetryableError', async () => {
    const world = createWorld()
    const asked: unknown[] = []
    const retryIf = (error: Error & { code?: string }) => asked.push(error.code ?? error.message) > 0
    const tasks = [
      { name: 'late', taskTimeout: 100, run: () => world.clock.sleep({ hours: 1 }) },
      {
        name: 'final',
        run: () => {
          throw new NonRetryableError('final')
        },
      },
    ]
    const policy = { maxRetries: 1, retryIf }
    const job = defineJob({
      name: 'asked',
      taskExecutionMode: 'parallel',
      failureStrategy: 'continue',
      retryPolicy: policy,
      tasks,
    })
    const scheduler = await world.start({ jobs: [job] })
    await scheduler.trigger('asked')
    await world.clock.advance({ minutes: 1 })
    expect(asked).toEqual(['TASK_TIMEOUT'])
  })

  it('in the retry policy of a task replaces the retryIf of the job’s retry policy', async () => {
    const world = createWorld()
    const calls: string[] = []
    const run = ({ task }: { task: { name: string } }) => {
      calls.push(task.name)
      throw new Error('denied')
    }
    const tasks = [
      { name: 'as the job', run },
      { name: 'without', run, retryPolicy },
      { name: 'its own', run, retryPolicy: { ...retryPolicy, retryIf: () => false } },
    ]
    const job = defineJob({ name: 'chain', failureStrategy: 'continue', retryPolicy: denies, tasks })
    const scheduler = await world.start({ jobs: [job] })
    await scheduler.trigger('chain')
    await world.clock.advance({ minutes: 1 })
    expect(calls).toEqual(['as the job', ...Array(4).fill('without'), 'its own'])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('torn')
      },
      'torn',
    ],
    ['returns nothing', () => undefined, 'retryPolicy.retryIf has returned nothing: undefined. Return true'],
    ['returns a promise', async () => false, 'retryPolicy.retryIf has returned a promise: {}. Return true'],
    [
      'returns a promise that rejects',
      async () => {
        throw new Error('torn')
      },
      'torn',
    ],
  ])('that %s is reported as hook.failed, and the task is retried', async (_, retryIf, message) => {
    const policy = { ...retryPolicy, retryIf } as never
    const { calls, failed } = await runThrowing(createWorld(), new Error('busy'), { retryPolicy: policy })
    expect(calls).toBe(4)
    const told = expect.objectContaining({ message: expect.stringContaining(message) })
    expect(failed).toContainEqual({ hook: 'retryIf', error: told, jobName: 'failing' })
  })

  it('does not change the stored definition or its fingerprint, and still applies after an update of the retry policy', async () => {
    const world = createWorld()
    let calls = 0
    const run = (): never => {
      calls++
      throw new Error('denied')
    }
    const jobWith = (policy: JobOptions['retryPolicy']) =>
      defineJob({ name: 'failing', ...(policy && { retryPolicy: policy }), tasks: [{ name: 'work', run }] })
    const plain = await world.start({ jobs: [jobWith(retryPolicy)] })
    await world.shutdown(plain)
    const scheduler = await world.start({ jobs: [jobWith(denies)] })
    expect(await scheduler.job('failing')).toMatchObject({ version: 1 })
    await scheduler.update('failing', { retryPolicy: { maxRetries: 7 } })
    await scheduler.trigger('failing', { overrides: { retryPolicy: { maxRetries: 9 } } })
    await world.clock.advance({ minutes: 1 })
    expect(calls).toBe(1)
    await scheduler.update('failing', { tasks: [{ name: 'work' }] })
    await scheduler.trigger('failing')
    await world.clock.advance({ minutes: 1 })
    expect(calls).toBe(2)
  })

  it('is rejected in definitions and calls that accept only JSON data', async () => {
    const world = createWorld()
    const job = defineJob({ name: 'job', tasks: [{ name: 'work', run: () => 1 }] })
    const scheduler = await world.start({ jobs: [job] })
    const refused = (field: string) => ({ code: 'INVALID_ARGUMENT', field })
    const thrownBy = (call: () => unknown) => {
      try {
        return call()
      } catch (error) {
        return error
      }
    }
    const tasks = [{ name: 'work', handler: 'work' }] as const
    expect(thrownBy(() => defineJob({ name: 'data', retryPolicy: denies, tasks }))).toMatchObject(
      refused('retryPolicy.retryIf'),
    )
    const own = [{ name: 'work', handler: 'work', retryPolicy: denies }] as const
    expect(thrownBy(() => defineJob({ name: 'data', tasks: own }))).toMatchObject(
      refused('tasks[0].retryPolicy.retryIf'),
    )
    const wrong = { ...retryPolicy, retryIf: 5 } as never
    expect(thrownBy(() => defineJob({ name: 'data', retryPolicy: wrong, tasks }))).toMatchObject(
      refused('retryPolicy.retryIf'),
    )
    expect(thrownBy(() => world.scheduler({ defaults: { retryPolicy: denies } }))).toMatchObject(
      refused('defaults.retryPolicy.retryIf'),
    )
    const update: JobUpdate = { retryPolicy: denies }
    await expect(scheduler.update('job', update)).rejects.toMatchObject(refused('retryPolicy.retryIf'))
    await expect(scheduler.trigger('job', { overrides: { retryPolicy: denies } })).rejects.toMatchObject(
      refused('overrides.retryPolicy.retryIf'),
    )
  })

  it('is accepted by the types of `defineTask`', () => {
    const task = defineTask({ name: 'work', retryPolicy: { maxRetries: 1, retryIf: () => true }, run: () => 1 })
    expect(task.retryPolicy?.retryIf?.(new Error('busy'))).toBe(true)
  })
})

describe.each(isolations)('in an isolated task that runs in a %s', (isolation) => {
  const module = behaves
  const quick = { maxRetries: 2, retryInterval: 1 }

  it('a NonRetryableError ends the task after one attempt, for a module and for a named handler', async () => {
    const data = { kind: 'denies' }
    const { run } = await isolatedScene(
      {
        own: { name: 'work', module, isolation, data, retryPolicy: quick },
        named: { name: 'work', handler: 'work', data, retryPolicy: quick },
      },
      { handlers: { work: isolatedHandler({ module, isolation }) } },
    )
    for (const name of ['own', 'named']) {
      const { state, tasks } = await run(name)
      expect([state, tasks[0]?.reason, tasks[0]?.attemptCount]).toEqual(['failed', 'not_retryable', 1])
      expect(tasks[0]?.error).toMatchObject({ name: 'NonRetryableError', message: 'denied' })
    }
  })

  it('`retryIf` receives the name, message, code and cause of the thrown error', async () => {
    const asked: unknown[] = []
    const retryIf = (error: Error & { code?: string }) => {
      asked.push([error instanceof Error, error.name, error.message, error.code, (error.cause as Error).message])
      return false
    }
    const { run } = await isolatedScene({
      own: { name: 'work', module, isolation, data: { kind: 'throws' }, retryPolicy: { ...quick, retryIf } },
    })
    expect((await run('own')).tasks[0]?.attemptCount).toBe(1)
    expect(asked).toEqual([[true, 'TypeError', 'bad page', 'NO_PAGE', 'no ink']])
  })
})
