import assert from 'node:assert/strict'
import { createClient, createScheduler, defineJob, silentLogger, systemClock, type TaskContext } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'

/** Maximum number of requests in one call of `triggerMany`. */
const mostTogether = 10_000

/** The durations that a backlog trial measures. */
export interface BacklogTimes {
  /** Time in ms from the first request until all requests are stored. */
  readonly storedMs: number
  /** Time in ms from the start of the node until all requests have run. */
  readonly ranMs: number
}

/**
 * Stores `count` requests for one job, and then one request for another job, while no node lives. Then a node runs all
 * requests. The request for the other job must not run last.
 * @throws AssertionError
 */
export async function backlogTrial(connect: () => Storage, count: number): Promise<BacklogTimes> {
  const ran = new Map<unknown, number>()
  let ranBeforeLate = -1
  let ended = (): void => undefined
  const all = new Promise<void>((resolve) => {
    ended = resolve
  })
  const lookWhetherAll = (): void => {
    if (ran.size === count && ranBeforeLate >= 0) ended()
  }
  const handlers = {
    busy: ({ input }: TaskContext) => {
      ran.set(input, (ran.get(input) ?? 0) + 1)
      lookWhetherAll()
    },
    late: () => {
      ranBeforeLate = ran.size
      lookWhetherAll()
    },
  }
  const jobs = ['busy', 'late'].map((name) => defineJob({ name, tasks: [{ name: 'work', handler: name }] }))
  const storage = connect()
  const client = createClient({ storage, callTimeout: { minutes: 10 } })
  const node = createScheduler({ storage, handlers, logger: silentLogger })
  try {
    await client.add(jobs)
    const startedAt = systemClock.monotonic()
    for (let first = 0; first < count; first += mostTogether) {
      const size = Math.min(mostTogether, count - first)
      const items = Array.from({ length: size }, (_, index) => ({
        job: 'busy',
        data: first + index,
      }))
      for (const { error } of await client.triggerMany(items)) assert.equal(error, null)
    }
    const storedAt = systemClock.monotonic()
    assert.deepEqual(await client.counts('busy'), {
      pending: count,
      queued: 0,
      running: 0,
    })
    await client.trigger('late')
    await node.start()
    await all
    const times = {
      storedMs: storedAt - startedAt,
      ranMs: systemClock.monotonic() - storedAt,
    }
    assert.ok(
      [...ran.values()].every((calls) => calls === 1),
      'a request ran twice',
    )
    assert.ok(ranBeforeLate < count, `the other job ran after ${ranBeforeLate} of ${count} requests`)
    return times
  } finally {
    await node.shutdown()
    await client.close()
    await storage.close()
  }
}
