import type { CancelAnswer, JobRecord, OverlapPolicy, Storage } from '@jobistemer/core/storage'
import { addJob, finishItem, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { scriptsOf } from '../src/client.ts'
import { commitEndsScript } from '../src/scripts/step.ts'
import { newPrefix, quiet } from './prefixes.ts'
import { useServers } from './servers.ts'

const servers = useServers()
const now = slotAt(2)

interface World {
  readonly storage: Storage
  readonly other: Storage
  readonly job: JobRecord
  /** Returns the number of commits that `storage` has sent. */
  commits(): number
}

/** Creates a job with a running slot. `meanwhile` runs between the read of each step of `storage` and its commit. */
async function begin(policy: OverlapPolicy, meanwhile: (world: World) => Promise<unknown>): Promise<World> {
  const { url } = await servers.start()
  const prefix = newPrefix()
  const client = servers.client(url)
  const storage = servers.open({ client, prefix, logger: quiet })
  const other = servers.open({ url, prefix, logger: quiet })
  const job = await addJob(other, 'alpha', policy)
  await other.createOccurrences({ now, owner, items: [{ ...slotItem(job.id, 1), runs: [] }] })
  let count = 0
  const world = { storage, other, job, commits: () => count }
  const sent = scriptsOf(client)
  const send = sent.evalshaBuffer.bind(client)
  sent.evalshaBuffer = async (...values) => {
    if (values[0] === commitEndsScript.sha) {
      count++
      await meanwhile(world)
    }
    return await send(...values)
  }
  return world
}

async function cancel({ storage, job }: World, mode: 'request' | 'force'): Promise<CancelAnswer | undefined> {
  const { id, jobId, scheduledAt } = slotItem(job.id, 1)
  const items = [{ id, jobId, scheduledAt, reason: 'unwanted', actor: null, mode }]
  const [answer] = await storage.cancel({ now, items })
  return answer
}

function queue({ other, job, commits }: World, times = 1): Promise<unknown> {
  const item = { ...triggerItem(job.id, commits(), now), runs: null }
  return commits() > times ? Promise.resolve() : other.createOccurrences({ now, owner, items: [item] })
}

it('a forced cancel wakes an occurrence that another connection queues before the cancel commits', async () => {
  const world = await begin('queue', queue)
  const { id } = triggerItem(world.job.id, 1, now)
  expect(await cancel(world, 'force')).toMatchObject({ outcome: 'canceled', woken: { id } })
  expect(world.commits()).toBe(2)
  const { occurrences } = await world.other.get({ occurrences: [id] })
  expect(occurrences[0]?.state).toBe('pending')
})

it('a forced cancel returns the state of an occurrence that ends before the cancel commits', async () => {
  const world = await begin('queue', ({ other, job }) => other.settle({ now, items: [finishItem(job.id, 1)] }))
  expect(await cancel(world, 'force')).toEqual({ outcome: 'final', state: 'completed' })
  expect(world.commits()).toBe(1)
})

it('a cancel request for a running occurrence commits although other occurrences of its job change', async () => {
  const world = await begin('allow', (own) => queue(own, Number.POSITIVE_INFINITY))
  expect(await cancel(world, 'request')).toMatchObject({ outcome: 'requested', token: 1 })
  expect(world.commits()).toBe(1)
})

it('a cancel request keeps the progress that the owner stores before the request commits', async () => {
  const world = await begin('queue', async ({ other, job }) => {
    await other.settle({ now, items: [{ ...finishItem(job.id, 1), change: { kind: 'progress' } }] })
  })
  expect(await cancel(world, 'request')).toMatchObject({ outcome: 'requested' })
  const { occurrences } = await world.other.get({ occurrences: [slotItem(world.job.id, 1).id] })
  expect(occurrences[0]).toMatchObject({ sequence: 1, cancelRequest: { reason: 'unwanted' } })
})

it('a step in Redis rejects with STORAGE_BUSY if another call changes its job before each of its 200 tries to commit', async () => {
  const world = await begin('allow', (own) => queue(own, Number.POSITIVE_INFINITY))
  await expect(cancel(world, 'force')).rejects.toMatchObject({ code: 'STORAGE_BUSY', field: 'job' })
  expect(world.commits()).toBe(200)
})
