import { Redis } from 'ioredis-5'
import { expect, it } from 'vitest'
import type { RedisClient } from '../src/index.ts'
import { addJob, finishItem, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { useServers } from './servers.ts'

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
