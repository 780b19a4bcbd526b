import { defineJob, type JobOptions } from '@jobistemer/core'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, fates } from '../support/world.ts'

describe.each(everywhere)('on the storage $name, after a storage outage of 47 s', (place) => {
  /** Returns the history of a job with a slot every 5 s. All storage calls fail from second 12 to second 59. */
  async function historyOf(settings: Partial<JobOptions>, nodes = 1): Promise<readonly string[]> {
    const world = createWorld(place)
    const run = () => new Promise<void>((resolve) => world.clock.setTimer(3000, resolve))
    const job = defineJob({ name: 'tick', schedule: everySeconds(5), tasks: [{ name: 'work', run }], ...settings })
    const intercepted = Array.from({ length: nodes }, () => new InterceptedStorage(world.connect()))
    const schedulers = []
    for (const { storage } of intercepted) schedulers.push(await world.start({ jobs: [job], storage }))
    await world.clock.advanceTo(at(12))
    for (const one of intercepted) one.intercept = () => Promise.reject(new Error('the storage is away'))
    await world.clock.advanceTo(at(59))
    for (const one of intercepted) one.intercept = (call) => call.proceed()
    await world.clock.advanceTo(at(84))
    const [scheduler] = schedulers
    if (scheduler === undefined) throw new Error('no node')
    return fates(scheduler, 'tick')
  }

  /**
   * Returns only the slots in the outage, from 15 s to 59 s. Slots after the outage may overlap with the recovered run.
   */
  const ofOutage = (history: readonly string[]) => history.filter((fate) => /^(1[5-9]|[2-5]\d)/.test(fate))

  it.each([1, 2])('the last missed slot runs, and no slot gets the state skipped, with %i nodes', async (nodes) => {
    const history = await historyOf({}, nodes)
    expect(history.filter((fate) => fate.includes('missed'))).toEqual([
      expect.stringMatching(/^(15|20)-5[05] \(\d\) missed execute_last$/),
    ])
    expect(ofOutage(history).filter((fate) => fate.includes('skipped'))).toEqual([])
    expect(history.some((fate) => /^(55|60) completed$/.test(fate))).toBe(true)
  })

  it('each slot of the outage runs under `execute_all`', async () => {
    const history = ofOutage(await historyOf({ recoveryStrategy: 'execute_all' }))
    const slots = history.map((fate) => Number.parseInt(fate, 10))
    expect(slots).toEqual([15, 20, 25, 30, 35, 40, 45, 50, 55])
    expect(history.filter((fate) => !/completed|running|queued|pending/.test(fate))).toEqual([])
  })
})
