import { defineJob } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { expect, it } from 'vitest'
import { everySeconds } from './support/every.ts'
import { createWorld } from './support/world.ts'

it('two triggers of one key run once, although the answer to the first comes after the second was asked', async () => {
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
  // Time enough for the second to come and go, if it were let.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  answerFirst()
  const results = await Promise.all(requests)
  expect(results.map(({ created }) => created)).toEqual([true, false])
  await world.clock.advance({ minutes: 5 })
  expect(called).toBe(1)
})
