import { jobId } from '@jobistemer/core'
import { expect, it } from 'vitest'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'

const { start, client: admin, open } = useServers()

const look = { jobs: [jobId('job-0')] }

it('Redis data with an older schema version are refused and not changed', async () => {
  const { url } = await start()
  await addJob(open({ url }), 'job-0')
  const client = admin(url)
  await client.hset('{jobistemer}:meta', 'schema', 0)
  const error = await refusal(open({ url }).get(look))
  expect([error.code, error.field]).toEqual(['STORAGE_UNREADABLE', 'prefix'])
  expect(await client.hgetall('{jobistemer}:meta')).toEqual({ shards: '1', schema: '0' })
})

it('Redis data with a newer schema version are refused by storages that open them, and by storages that are already open', async () => {
  const { url } = await start()
  const storage = open({ url })
  const job = await addJob(storage, 'job-0')
  const client = admin(url)
  // A newer version of the package first raises `schema`, and then replaces the stored number of shards by another
  // text.
  await client.hset('{jobistemer}:meta', 'schema', 2)
  await client.set('{jobistemer:0}:shards', 'form 2')
  const create = () => storage.createOccurrences({ now: slotAt(1), owner, items: [slotItem(job.id, 1)] })
  for (const call of [create, () => storage.get(look), () => open({ url }).get(look)]) {
    expect((await refusal(call())).code).toBe('STORAGE_SCHEMA_NEWER')
  }
  expect(await client.keys('{jobistemer:0}:[oh]:*')).toEqual([])
})
