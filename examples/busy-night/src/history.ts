import { createClient, createScheduler, silentLogger } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { virtualClock } from '@jobistemer/core/testing'
import { jobs } from './jobs.ts'

/** Length of the history before the demo, in hours. */
const fullHours = 6
/** Length of the simulated outage before the demo, in minutes. No node runs during the outage. */
const gapMinutes = 20

/**
 * Fills the storage with the runs of the last hours before `now`; `hours` is their number. A node makes these runs on a
 * virtual clock, which advances as soon as all work is done.
 */
export async function makeHistory(storage: Storage, now: number, hours = fullHours): Promise<void> {
  const clock = virtualClock(new Date(now - hours * 3_600_000))
  const scheduler = createScheduler({
    storage,
    clock,
    nodeId: 'worker-a',
    jobs: jobs(),
    // The long `deadAfter` makes this node send few heartbeats. Each heartbeat costs a write, and the node runs through
    // hours of virtual time.
    deadAfter: { minutes: 10 },
    logger: silentLogger,
  })
  await scheduler.start()
  await clock.advance({ minutes: hours * 60 - gapMinutes })
  await scheduler.shutdown({ gracePeriod: 0 })
}

/** Pauses a job, starts a backfill, and triggers some runs, as a user would. */
export async function makeRequests(storage: Storage, now: number): Promise<void> {
  const client = createClient({ storage, logger: silentLogger })
  const actor = 'anna'
  await client.pause('newsletter', { actor, reason: 'the text is wrong', for: { hours: 12 } })
  await client.trigger('recount-stock', { actor, reason: 'a customer asked', data: { shelf: 7 } })
  const hour = 3_600_000
  await client.backfill('exchange-rates', {
    from: now - (fullHours + 2) * hour,
    to: now - fullHours * hour,
    which: 'all',
    actor,
    reason: 'the bank has mended them',
    key: 'rates of yesterday',
  })
  await client.close()
}
