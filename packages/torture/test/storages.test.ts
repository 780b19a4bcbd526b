import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jobId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { cron } from '@jobistemer/ticker-cron'
import { expect, it, type TestContext } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import type { StorageServer } from '../src/storages/storage-server.ts'
import { storageKind } from '../src/storages/storage-kinds.ts'

const names = Array.from({ length: 12 }, (_, number) => `job ${number}`)

async function prepare(
  name: string,
  { onTestFinished }: TestContext,
): Promise<{ server: StorageServer; open: () => Promise<Storage> }> {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-storages-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const kind = storageKind(name)
  const { location, server, stop } = await kind.prepare(folder)
  onTestFinished(stop)
  if (server === null) throw new Error(`${name} has no server`)
  const open = async (): Promise<Storage> => {
    const storage = await kind.open(location)
    onTestFinished(() => storage.close())
    return storage
  }
  return { server, open }
}

async function createJobs(storage: Storage): Promise<readonly string[]> {
  const changes = names.map((name) => {
    const timeline = [{ after: null, until: null, schedule: cron('* * * * * *').toJSON() }]
    const overlap = { policy: 'skip', maxQueued: 0 } as const
    const content = { name, owner: null, fingerprint: name, definition: {}, handlerKey: name, overlap, timeline }
    return { kind: 'create', id: jobId(name), content: { ...content, nextAt: 1000 } } as const
  })
  const answers = await storage.saveJobs({ now: 500, changes })
  return answers.map(({ outcome }) => outcome)
}

async function stored(storage: Storage): Promise<number> {
  const { jobs } = await storage.get({ jobs: names.map(jobId) })
  return jobs.filter((job) => job !== null).length
}

/**
 * Stores a record, and retries until the storage accepts the record. Cluster masters need seconds to reconnect a master
 * that they had declared failed.
 */
async function storedOnceBack(open: () => Promise<Storage>): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      return await stored(await open())
    } catch (error) {
      if (tries === 10) throw error
    }
  }
}

/**
 * The arguments of `kill` for each storage. Each argument is a number from 0 to 1, and selects a server process of the
 * storage. `npm test` kills only the server of Redis, because its torture runs use only this server.
 */
const killed: readonly [string, number[]][] = [
  ['redis', [0]],
  ...(isThorough
    ? ([
        ['postgres', [0]],
        ['redis-cluster', [0, 0.5, 0.99]],
        ['dynamodb', [0]],
      ] as [string, number[]][])
    : []),
]

it.concurrent.for(killed)(
  'the storage %s keeps acknowledged writes when each of its servers is killed',
  async ([name, choices], context) => {
    const { server, open } = await prepare(name, context)
    expect(await createJobs(await open())).toEqual(names.map(() => 'saved'))
    for (const choice of choices) {
      await server.kill(choice)
      await server.restart()
    }
    expect(await storedOnceBack(open)).toBe(names.length)
  },
)

it.concurrent.for(['redis', ...(isThorough ? ['postgres', 'redis-cluster'] : [])])(
  'clients reach the storage %s only through its proxies',
  async (name, context) => {
    const { server, open } = await prepare(name, context)
    const storage = await open()
    await createJobs(storage)
    server.cut()
    await expect(stored(storage)).rejects.toMatchObject({ code: expect.stringMatching(/^STORAGE_(BUSY|UNREACHABLE)$/) })
    server.heal()
    expect(await stored(await open())).toBe(names.length)
  },
)

it.concurrent('PostgreSQL accepts new connections after the client or the server broke a connection', async (context) => {
  const { server, open } = await prepare('postgres', context)
  const storage = await open()
  await createJobs(storage)
  for (const end of ['server', 'network']) {
    await server.breakConnections()
    // Expected here: an error of the first call, because the idle connections of the pool are broken.
    await stored(storage).catch(() => {})
    expect(await stored(storage), end).toBe(names.length)
  }
})
