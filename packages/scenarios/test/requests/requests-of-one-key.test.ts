import { createClient, defineJob, JobistemerError } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { expect, it, onTestFinished } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { createWorld } from '../support/world.ts'

it('two concurrent triggers with one key create one run, although the storage answers the first trigger late', async () => {
  const world = createWorld()
  let called = 0
  const run = async () => {
    called++
    await world.clock.sleep({ seconds: 30 })
  }
  const job = defineJob({ name: 'report', schedule: everySeconds(3600), tasks: [{ name: 'write', run }] })
  let answerFirst = (): void => undefined
  const held = new Promise<void>((resolve) => {
    answerFirst = resolve
  })
  let creates = 0
  const storage = wrapStorage(world.connect(), {
    async around(call) {
      const isFirst = call.method === 'createOccurrences' && ++creates === 1
      const answer = await call.proceed()
      if (isFirst) await held
      return answer
    },
  })
  const scheduler = await world.start({ jobs: [job], storage })
  const requests = [scheduler.trigger('report', { key: 'ticket' }), scheduler.trigger('report', { key: 'ticket' })]
  // The second trigger has the same key, so the node must hold it until the first trigger is answered. With another key, the
  // node would answer the second trigger within these 20 turns of the event loop.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  answerFirst()
  const results = await Promise.all(requests)
  expect(results.map(({ created }) => created)).toEqual([true, false])
  await world.clock.advance({ minutes: 5 })
  expect(called).toBe(1)
})

it('with keyScope live, a key blocks further triggers until its run has ended', async () => {
  const { world, scheduler, called } = await startedWorld()
  const options = { key: 'ticket', keyScope: 'live' } as const
  const first = await scheduler.trigger('report', options)
  const second = await scheduler.trigger('report', options)
  expect(first).toMatchObject({ created: true, state: 'running' })
  expect(second).toMatchObject({ id: first.id, state: 'running', reason: null, created: false })
  await world.clock.advance({ minutes: 1 })
  const third = await scheduler.trigger('report', options)
  expect(third).toMatchObject({ created: true, state: 'running' })
  expect(third.id).not.toBe(first.id)
  await world.clock.advance({ minutes: 1 })
  expect(called()).toBe(2)
  expect((await scheduler.occurrence(third.id)).requestKey).toBe('ticket')
})

it('with keyScope waiting, a key blocks further triggers until its run starts', async () => {
  const { world, scheduler, called } = await startedWorld()
  const options = { key: 'ticket', keyScope: 'waiting', delay: { seconds: 10 } } as const
  const results = [await scheduler.trigger('report', options), await scheduler.trigger('report', options)]
  expect(results.map(({ created, state }) => [created, state])).toEqual([
    [true, 'pending'],
    [false, 'pending'],
  ])
  await world.clock.advance({ seconds: 15 })
  expect(await scheduler.trigger('report', options)).toMatchObject({ created: true })
  await world.clock.advance({ minutes: 2 })
  expect(called()).toBe(2)
})

it('with keyScope live, concurrent triggers with one key on a node and a client create one run', async () => {
  const { world, scheduler, called } = await startedWorld()
  const client = createClient({ storage: world.connect(), clock: world.clock })
  onTestFinished(() => client.close())
  const options = { key: 'ticket', keyScope: 'live' } as const
  const items = [1, 2, 3].map(() => ({ job: 'report', ...options }))
  const results = await Promise.all([
    ...[1, 2, 3].map(() => scheduler.trigger('report', options)),
    ...[1, 2, 3].map(() => client.trigger('report', options)),
    ...(await scheduler.triggerMany(items)),
  ])
  expect(results.filter((result) => 'created' in result && result.created)).toHaveLength(1)
  expect(new Set(results.map((result) => ('id' in result ? result.id : null))).size).toBe(1)
  await world.clock.advance({ minutes: 5 })
  expect(called()).toBe(1)
})

it('with keyScope live, a trigger whose answer was lost runs once', async () => {
  let lost = 0
  const { world, scheduler, called } = await startedWorld((storage) =>
    wrapStorage(storage, {
      async around(call) {
        const answer = await call.proceed()
        if (call.method === 'createOccurrences' && lost++ === 0) {
          throw new JobistemerError('STORAGE_UNREACHABLE', { message: 'the answer is lost' })
        }
        return answer
      },
    }),
  )
  const result = scheduler.trigger('report', { key: 'ticket', keyScope: 'live' })
  await world.clock.advance({ minutes: 5 })
  expect(await result).toMatchObject({ created: true })
  expect(called()).toBe(1)
})

it('a trigger with a keyScope and no key, or with an unknown keyScope, is rejected', async () => {
  const { scheduler } = await startedWorld()
  await expect(scheduler.trigger('report', { keyScope: 'live' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    field: 'keyScope',
  })
  await expect(scheduler.trigger('report', { key: 'ticket', keyScope: 'day' as 'live' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    field: 'keyScope',
  })
})

/** Starts a scheduler with a job without a schedule, whose runs take 30 seconds each. */
async function startedWorld(wrap: (storage: Storage) => Storage = (storage) => storage) {
  const world = createWorld()
  let called = 0
  const run = async () => {
    called++
    await world.clock.sleep({ seconds: 30 })
  }
  const job = defineJob({ name: 'report', tasks: [{ name: 'write', run }] })
  const scheduler = await world.start({ jobs: [job], storage: wrap(world.connect()) })
  return { world, scheduler, called: () => called }
}
