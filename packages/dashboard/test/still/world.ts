import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  type Client,
  type Clock,
  createClient,
  createScheduler,
  type OccurrenceId,
  silentLogger,
  systemClock,
} from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { isThorough } from '../../../workspace/test-effort.ts'
import { createDashboard } from '../../src/index.ts'
import { nodeListener } from '../../src/node.ts'
import { basePath } from '../world.ts'
import { stillJobs } from './jobs.ts'

const begin = '2026-03-10T05:30:00Z'
/** The fixed instant of the pictures. */
export const present: Date = new Date('2026-03-10T11:40:00Z')

/** Dashboards over fixed data, with a clock that stands still. */
export interface StillWorld {
  /** The addresses of three dashboards: with data, without data, and with an unavailable storage. */
  readonly origins: { readonly filled: string; readonly empty: string; readonly error: string }
  readonly runs: { readonly failed: OccurrenceId; readonly running: OccurrenceId; readonly queued: OccurrenceId }
  end(): Promise<void>
}

export async function createStillWorld(): Promise<StillWorld> {
  const clock = virtualClock(begin, { patience: 0 })
  const storage = sqliteStorage({ file: ':memory:' })
  const shared = { storage, clock, logger: silentLogger }
  // 6 h of the default poll interval of 1 s take 9 s of processor time. A multiple of 7 s falls on 09:40:01. The pictures
  // show times of runs that a node starts at that poll. `npm run test:extra` also draws a start at the poll of 10:40:01.
  const node = { ...shared, deadAfter: { minutes: 10 }, pollInterval: { seconds: isThorough ? 1 : 7 } }
  const scheduler = createScheduler({ ...node, jobs: stillJobs(), nodeId: 'worker-1' })
  const second = createScheduler({ ...node, jobs: [], nodeId: 'worker-2' })
  await scheduler.start()
  await clock.advanceTo(new Date(present.getTime() - 7_500_000))
  await second.start()
  await clock.advanceTo(new Date(present.getTime() - 7_200_000))
  await second.shutdown({ gracePeriod: 0 })
  // The client has a separate storage object, so the node finds the client's changes only at its next poll. The time of this
  // poll is fixed, so the runs start at fixed times. The pictures show these times.
  const client = createClient({ ...shared, storage: wrapStorage(storage, {}) })
  const voice = { actor: 'anna', reason: 'a customer asked' }
  await client.update('newsletter', { tags: ['eu', 'monthly'], retryPolicy: { maxRetries: 2 } })
  await client.pause('newsletter', { actor: 'bob', reason: 'the text is wrong', for: { hours: 12 } })
  await client.backfill('rebuild-index', {
    from: '2026-02-01T00:00:00Z',
    to: '2026-03-01T00:00:00Z',
    which: 'all',
    key: 'february',
    ...voice,
  })
  await clock.advanceTo(new Date(present.getTime() - 3_600_000))
  const running = await client.trigger('import-orders', { ...voice, data: { shop: 7 } })
  const queued = await client.trigger('import-orders')
  await clock.advanceTo(present)
  const { items } = await client.failures({ job: 'nightly-report', limit: 1 })
  const empty = sqliteStorage({ file: ':memory:' })
  const away = breakable()
  const none = createClient({ storage: empty, clock, logger: silentLogger })
  // The virtual clock `clock` stands still, so a wait on it would never end. This client waits between repeated calls to the
  // unavailable storage, so it uses a clock that moves.
  const lost = createClient({
    storage: away,
    clock: hurried,
    callTimeout: { minutes: 10 },
    logger: silentLogger,
  })
  const ends: (() => Promise<unknown>)[] = []
  const serve = async (of: Client): Promise<string> => {
    const logger = { error: () => undefined }
    const dashboard = createDashboard({ client: asKnown(of), basePath, clock, logger, authorize: () => true })
    const server = createServer(nodeListener(dashboard))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    ends.push(async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }
  return {
    origins: { filled: await serve(client), empty: await serve(none), error: await serve(lost) },
    runs: { failed: items[0]?.id as OccurrenceId, running: running.id, queued: queued.id },
    end: async () => {
      for (const end of ends) await end()
      for (const one of [client, none, lost]) await one.close()
      await scheduler.shutdown({ gracePeriod: 0 })
      for (const one of [storage, empty, away]) await one.close()
    },
  }
}

/**
 * Factor by which the clock `hurried` is faster than real time. During an outage, a client waits up to 5 s between two scans for
 * changes. The page shows the outage only after a scan.
 */
const haste = 20
const hurried: Clock = {
  now: () => systemClock.now(),
  monotonic: () => systemClock.monotonic() * haste,
  setTimer: (delayMs, callback, options) => systemClock.setTimer(delayMs / haste, callback, options),
}

function breakable(): Storage {
  const refuse = async (): Promise<never> => {
    throw new Error('the line is dead')
  }
  return wrapStorage(sqliteStorage({ file: ':memory:' }), { around: refuse })
}

/** Wraps a client, and replaces host, process id and versions of nodes, which differ between machines. */
function asKnown(client: Client): Client {
  return new Proxy(client, {
    get(target, name) {
      const member = Reflect.get(target, name)
      if (name === 'nodes') {
        return async (...args: Parameters<Client['nodes']>) => {
          const versions = { jobistemer: '1.2.3', node: '20.19.0', timeZones: '2026a' }
          return (await target.nodes(...args)).map((node) => ({ ...node, host: 'machine-1', pid: 4711, versions }))
        }
      }
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
