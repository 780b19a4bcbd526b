import assert from 'node:assert/strict'
import type { JobId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { Child } from './child.ts'
import { addJob, slotAt } from './stored-job.ts'

/** The assignment of a child process in a slot race. */
export interface RacerSetting {
  /** The URL of a module that exports `connect(argument)`, which returns a storage. */
  readonly module: string
  readonly argument: unknown
  readonly node: string
  readonly jobs: readonly JobId[]
  readonly rounds: number
}

/**
 * Eight processes create every slot of some jobs concurrently, round by round, and each finishes the occurrences that
 * it has started.
 * @throws AssertionError unless exactly one process created, started and finished each slot
 */
export async function raceForSlots(options: {
  readonly storage: Storage
  /** A module that exports `connect(argument)`. Each process connects to the storage by this function. */
  readonly module: URL
  readonly argument: unknown
  readonly jobCount: number
  readonly rounds: number
}): Promise<void> {
  const { storage, module, argument, jobCount, rounds } = options
  const jobs: JobId[] = []
  for (let index = 0; index < jobCount; index++) jobs.push((await addJob(storage, `job-${index}`)).id)
  const nodes = Array.from({ length: 8 }, (_, index) => `node-${index}`)
  const racers = nodes.map((node, index) => {
    // Half of the processes use the reverse order. A storage that locks jobs in the order of the items would deadlock.
    const order = index % 2 === 0 ? jobs : jobs.toReversed()
    const setting: RacerSetting = { module: module.href, argument, node, jobs: order, rounds }
    return new Child(new URL('./slot-racer.js', import.meta.url), setting)
  })
  const winners = new Map<string, string>()
  try {
    const everyNext = () => Promise.all(racers.map((racer) => racer.next()))
    for (let round = 1; round <= rounds; round++) {
      await everyNext()
      for (const racer of racers) racer.process.send('go')
    }
    for (const [index, started] of (await everyNext()).entries()) {
      for (const id of started as readonly string[]) {
        assert(!winners.has(id), `${id} was started by ${winners.get(id)} and by ${nodes[index]}`)
        winners.set(id, nodes[index] as string)
      }
    }
  } finally {
    for (const racer of racers) await racer.kill()
  }
  assert.equal(winners.size, jobCount * rounds, 'every slot was started')
  const slots = Array.from({ length: rounds }, (_, index) => slotAt(index + 1))
  for (const jobId of jobs) {
    const history = { kind: 'job', jobId, order: 'ascending', limit: rounds + 1, cursor: null, runs: true } as const
    const { items, cursor } = await storage.listOccurrences(history)
    assert.equal(cursor, null)
    assert.deepEqual(
      items.map(({ id, scheduledAt, owner, state, token }) => ({ id, scheduledAt, node: owner?.node, state, token })),
      items.map(({ id }, index) => ({
        id,
        scheduledAt: slots[index],
        node: winners.get(id),
        state: 'completed',
        token: 1,
      })),
    )
    assert.equal(items.length, rounds)
  }
}
