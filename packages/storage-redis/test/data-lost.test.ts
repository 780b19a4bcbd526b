import { createScheduler, defineJob, type Scheduler, silentLogger } from '@jobistemer/core'
import { type ScheduleType, WindowedSchedule } from '@jobistemer/core/schedule'
import type { Storage } from '@jobistemer/core/storage'
import { assertLedger } from '@jobistemer/storage-conformance'
import type { RedisServer } from '@jobistemer/test-servers'
import { once } from '@jobistemer/ticker-once'
import { describe, expect, it } from 'vitest'
import { addJob } from '@jobistemer/test-kit'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'
import { tuned } from '../../workspace/test-tuning.ts'

const { start, client: admin, open, onClose } = useServers()

/** A schedule with ten slots per second. */
class Often extends WindowedSchedule {
  get type(): ScheduleType {
    return { name: 'often', revive: () => new Often() }
  }

  describe(): string {
    return 'often'
  }

  toJSON() {
    return { type: 'often' }
  }

  protected nextAfter(afterMs: number): number {
    return (Math.floor(afterMs / 100) + 1) * 100
  }

  protected previousBefore(beforeMs: number): number {
    return (Math.ceil(beforeMs / 100) - 1) * 100
  }
}

const losses: readonly { readonly name: string; readonly loseAll: (server: RedisServer) => Promise<unknown> }[] = [
  { name: 'FLUSHALL', loseAll: (server) => admin(server.url).flushall() },
  {
    name: 'FLUSHALL and SCRIPT FLUSH',
    loseAll: async (server) => {
      const client = admin(server.url)
      await client.flushall()
      await client.script('FLUSH')
    },
  },
  { name: 'a restart without persistence', loseAll: (server) => server.restart() },
]

const meta = (url: string) => admin(url).hgetall('{jobistemer}:meta')

describe.each(losses)('after Redis has lost its data by $name', ({ loseAll }) => {
  it('all schedulers store their jobs again, and run them', async () => {
    const server = await start()
    let runs = 0
    let ranAgain: () => void = () => undefined
    const schedulers: Scheduler[] = []
    for (const nodeId of ['a', 'b']) {
      const run = () => {
        runs++
        ranAgain()
      }
      const tick = defineJob({ name: 'tick', schedule: new Often(), tasks: [{ name: 'work', run }] })
      const rare = defineJob({ name: 'rare', schedule: once('2099-01-01T00:00:00Z'), tasks: [{ name: 'work', run }] })
      const scheduler = createScheduler({
        storage: open({ url: server.url }),
        nodeId,
        jobs: [tick, rare],
        logger: silentLogger,
        ...tuned({ definitionInterval: 100 }),
      })
      await scheduler.start()
      schedulers.push(scheduler)
      onClose(() => scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 }))
    }
    const stored = schedulers.map(
      (scheduler) =>
        new Promise((resolve) => scheduler.on('job.vanished', ({ jobName }) => jobName === 'rare' && resolve(null))),
    )
    await loseAll(server)
    await Promise.race(stored)
    runs = 0
    await new Promise<void>((resolve) => {
      ranAgain = () => runs >= 2 && resolve()
    })
    expect(await meta(server.url)).toEqual({ shards: '1', schema: '1' })
    for (const scheduler of schedulers) expect(await scheduler.trigger('rare')).toMatchObject({ created: true })
    // Pauses the job, and waits until no run is left. Otherwise the last scheduler would hand its runs back when it
    // shuts down, and no other node would run them.
    await schedulers[0]?.pause('tick')
    const storage = open({ url: server.url })
    const none = { pending: 0, queued: 0, running: 0 }
    await expect.poll(async () => (await storage.get({ counts: ['all'] })).counts, { timeout: 30_000 }).toEqual([none])
    for (const scheduler of schedulers) await scheduler.shutdown()
    await assertLedger(storage, { atRest: true })
  })

  it('the next call of an open storage creates the namespace again, with the same number of shards as before', async () => {
    const server = await start()
    const storage = open({ url: server.url, shards: 4 })
    await addJob(storage, 'alpha')
    await loseAll(server)
    await admin(server.url).ping()
    await addJob(storage, 'beta').catch(() => addJob(storage, 'beta'))
    expect(await meta(server.url)).toEqual({ shards: '4', schema: '1' })
    // Opens another storage after the namespace was created again. This storage must read the same job.
    const { items } = await open({ url: server.url }).listJobs({ limit: 10, cursor: null })
    expect(items.map(({ name }) => name)).toEqual(['beta'])
  })
})

describe('the number of shards of a Redis namespace that storages create again', () => {
  const names = async (storage: Storage) =>
    (await storage.listJobs({ limit: 10, cursor: null })).items.map(({ name }) => name)

  it('may differ from the old number: one call of an open storage then fails, and the repeated call succeeds', async () => {
    const { url } = await start()
    const storage = open({ url })
    await addJob(storage, 'alpha')
    await admin(url).flushall()
    const others = ['beta', 'gamma', 'delta', 'epsilon']
    const other = open({ url, shards: 4 })
    for (const name of others) await addJob(other, name)
    expect((await refusal(addJob(storage, 'zeta'))).code).toBe('STORAGE_BUSY')
    expect((await names(storage)).sort()).toEqual([...others].sort())
    await addJob(storage, 'zeta')
    expect(await names(other)).toContain('zeta')
  })

  it('makes every call of a storage fail if its option `shards` has another number', async () => {
    const { url } = await start()
    const storage = open({ url, shards: 1 })
    await addJob(storage, 'alpha')
    await admin(url).flushall()
    await addJob(open({ url, shards: 4 }), 'beta')
    for (let tries = 0; tries < 2; tries++) {
      const { code, field } = await refusal(addJob(storage, 'gamma'))
      expect([code, field]).toEqual(['STORAGE_UNREADABLE', 'shards'])
    }
  })

  it('stays the same while at least one shard still contains the old number', async () => {
    const { url } = await start()
    await addJob(open({ url, shards: 4 }), 'alpha')
    await admin(url).del('{jobistemer}:meta')
    expect(await names(open({ url }))).toEqual(['alpha'])
    expect(await meta(url)).toEqual({ shards: '4', schema: '1' })
  })
})
