import { expect, it } from 'vitest'
import { shardOf } from '../src/ids.ts'
import { addJob, owner, slotAt, slotItem } from './job.ts'
import { useServers } from './servers.ts'

const { start, client: connect, open } = useServers()

it('a claim over shards tells of more when something older came in after it had looked', async () => {
  const server = await start()
  const client = connect(server.url)
  const storage = open({ client, shards: 2 })
  const other = open({ url: server.url, shards: 2 })
  const jobs: `job_${string}`[] = []
  for (let index = 0; jobs.length < 2; index++) {
    const { id } = await addJob(storage, `job-${index}`, 'allow')
    if (shardOf(id, 2) === 0) jobs.push(id)
  }
  const [first, second] = jobs as [`job_${string}`, `job_${string}`]
  const waiting = (job: `job_${string}`, index: number) => ({ ...slotItem(job, index), runs: null })
  await other.createOccurrences({ now: slotAt(1), owner, items: [waiting(first, 1)] })
  await other.createOccurrences({ now: slotAt(2), owner, items: [waiting(first, 2)] })
  const request = { now: slotAt(2), owner, limit: 10, exceptHandlerKeys: [], sweep: false }
  await other.claim({ ...request, limit: 1 })

  // Two calls look, one for each shard; what follows is the one that takes.
  const call = client.callBuffer.bind(client)
  let calls = 0
  client.callBuffer = (async (...args: Parameters<typeof call>) => {
    if (++calls === 3) await other.createOccurrences({ now: slotAt(2), owner, items: [waiting(second, 1)] })
    return await call(...args)
  }) as typeof call
  const claimed = await storage.claim(request)
  expect(claimed.claimed).toMatchObject([{ jobId: second }])
  expect(claimed.more).toBe(true)
  expect((await storage.claim(request)).claimed).toMatchObject([{ jobId: first, scheduledAt: slotAt(2) }])
})
