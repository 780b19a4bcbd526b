import { createScheduler, defineJob, silentLogger, type Clock } from '@jobistemer/core'
import { virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { at, secondsOf } from '../support/world.ts'

/** Waits 30 turns of the event loop, so that all steps that wait only for promises have run. */
async function turns() {
  for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a continuous stream of requests', () => {
  it.each([2, 50])('leaves permits for due slots on a node with %i permits', async (maxConcurrentJobs) => {
    const virtual = virtualClock(at(0))
    // Without its method `track`, the virtual clock also advances while storage calls are pending.
    const { track: _, ...clock } = virtual
    const called: number[] = []
    const busy = defineJob({
      name: 'busy',
      schedule: everySeconds(3600),
      tasks: [{ name: 'work', run: () => new Promise(() => undefined) }],
      taskTimeout: { hours: 1 },
    })
    const ticking = defineJob({
      name: 'ticking',
      schedule: everySeconds(1, +at(20)),
      tasks: [{ name: 'work', run: () => called.push(secondsOf(virtual.now())) }],
    })
    const database = memoryDatabase()
    const held: (() => void)[] = []
    let isSlow = false
    const storage = wrapStorage(memoryStorage({ database }), {
      async around(call) {
        const isRequest =
          call.method === 'createOccurrences' && call.request.items.some(({ kind }) => kind === 'trigger')
        const answer = await call.proceed()
        if (isSlow && isRequest) await new Promise<void>((resolve) => held.push(resolve))
        return answer
      },
    })
    // The other node runs the busy job, so all requests of this job are skipped.
    const other = createScheduler({
      storage: memoryStorage({ database }),
      clock: virtual,
      jobs: [busy],
      logger: silentLogger,
    })
    await other.start()
    await virtual.settle()
    await other.trigger('busy')
    const options = {
      prefetch: 0,
      storage,
      clock: clock as Clock,
      jobs: [busy, ticking],
      logger: silentLogger,
      maxConcurrentJobs,
    }
    const node = createScheduler({ ...options, pollInterval: { hours: 1 } })
    await node.start()
    await turns()
    for (let second = 1; second <= 2; second++) {
      await virtual.advanceTo(at(second))
      await turns()
    }
    isSlow = true
    const answers: Promise<unknown>[] = []
    const underWay = 2 * maxConcurrentJobs
    for (let second = 3; second <= 10; second++) {
      while (answers.length - second < underWay) answers.push(node.trigger('busy'))
      await turns()
      await virtual.advanceTo(at(second))
      await turns()
      await virtual.advance(200)
      await turns()
      // Half of the held requests receive their answers, and in the next round new requests replace the answered ones.
      for (const answer of held.splice(0, underWay / 2)) answer()
      await turns()
    }
    isSlow = false
    for (const answer of held) answer()
    await Promise.all(answers)
    expect(called).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    const stopping = [node, other].map((one) => one.shutdown({ gracePeriod: 0, abortGracePeriod: 0 }))
    await virtual.advance({ seconds: 1 })
    await Promise.all(stopping)
  })
})
