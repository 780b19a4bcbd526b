import type { Storage } from '@jobistemer/core/storage'
import { expect, it } from 'vitest'
import { addJob, minute, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { useServers } from './servers.ts'

const { start, open } = useServers()

it('a list of running occurrences continues after a page whose last occurrence was released and claimed again', async () => {
  const storage = open({ url: (await start()).url })
  const job = await addJob(storage, 'alpha', 'allow')
  const indexes = [1, 2, 3, 4, 5]
  for (const index of indexes) {
    await storage.createOccurrences({ now: slotAt(index), owner, items: [slotItem(job.id, index)] })
  }
  const listed: number[] = []
  let cursor: string | null = null
  do {
    const query = { kind: 'live', state: 'running', deadlineBefore: slotAt(15), limit: 2, cursor, runs: true } as const
    const page: Awaited<ReturnType<Storage['listOccurrences']>> = await storage.listOccurrences(query)
    listed.push(...page.items.map(({ scheduledAt }) => scheduledAt))
    cursor = page.cursor
    const items = page.items.map(({ id, jobId, scheduledAt, token, sequence, runs }) => {
      return { id, jobId, scheduledAt, token, sequence, runs, action: 'retry', reason: 'deadline' } as const
    })
    const now = slotAt(15) + minute
    await storage.reap({ now, items })
    await storage.claim({ now, owner, limit: 10, exceptHandlerKeys: [], sweep: false })
  } while (cursor !== null)
  expect(listed).toEqual(indexes.map(slotAt))
})
