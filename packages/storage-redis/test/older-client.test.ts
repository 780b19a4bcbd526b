import { setTimeout } from 'node:timers/promises'
import { Redis } from 'ioredis-5'
import { expect, it, vi } from 'vitest'
import type { RedisClient } from '../src/index.ts'
import { addJob, finishItem, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { refusal } from './refusal.ts'
import { useServers } from './servers.ts'

// The storage opens its own clients with ioredis 5 too.
vi.mock('ioredis', () => import('ioredis-5'))

const { start, open, onClose } = useServers()

it('the Redis storage works with a client of ioredis 5', async () => {
  const { url } = await start()
  const client = new Redis(url)
  onClose(() => client.disconnect())
  const storage = open({ client: client as unknown as RedisClient })
  const heard = new Promise<void>((resolve) => {
    const stop = storage.subscribe?.(({ kind }) => {
      if (kind !== 'due') return
      stop?.()
      resolve()
    })
  })
  const job = await addJob(storage, 'alpha', 'queue')
  const items = [slotItem(job.id, 1), slotItem(job.id, 2)]
  const answers = await storage.createOccurrences({ now: slotAt(2), owner, items })
  expect(answers).toMatchObject([{ state: 'running' }, { state: 'queued' }])
  const settled = await storage.settle({ now: slotAt(2), items: [finishItem(job.id, 1)] })
  expect(settled).toMatchObject([{ outcome: 'ok', woken: { scheduledAt: slotAt(2) } }])
  const claim = { now: slotAt(2), owner, limit: 10, exceptHandlerKeys: [], sweep: true }
  expect((await storage.claim(claim)).claimed).toMatchObject([{ scheduledAt: slotAt(2), token: 1 }])
  expect((await storage.get({ jobs: [job.id] })).jobs).toMatchObject([{ watermark: slotAt(2) }])
  await heard
})

it('each call of a Redis storage with ioredis 5 fails with STORAGE_UNREADABLE if the server refuses its database', async () => {
  const { url } = await start({ databases: '2' })
  const storage = open({ url: `${url}/2` })
  for (let call = 0; call < 5; call++) {
    // Each failed attempt to connect emits further errors, after which the storage must still know the cause.
    await setTimeout(call * 50)
    const error = await refusal(storage.get({}))
    expect([error.code, error.field]).toEqual(['STORAGE_UNREADABLE', 'url'])
  }
})
