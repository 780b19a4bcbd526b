import { expect, it } from 'vitest'
import { shardOf } from '../src/ids.ts'
import { beforeScripts } from './before-scripts.ts'
import { addJob, owner, slotAt, slotItem } from '@jobistemer/test-kit'
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
  let calls = 0
  beforeScripts(client, async () => {
    if (++calls === 3) await other.createOccurrences({ now: slotAt(2), owner, items: [waiting(second, 1)] })
  })
  const claimed = await storage.claim(request)
  expect(claimed.claimed).toMatchObject([{ jobId: second }])
  expect(claimed.more).toBe(true)
  expect((await storage.claim(request)).claimed).toMatchObject([{ jobId: first, scheduledAt: slotAt(2) }])
})

it('a claim over shards takes nothing younger in the place of what another node took after it had looked', async () => {
  const server = await start()
  const client = connect(server.url)
  const storage = open({ client, shards: 2 })
  const other = open({ url: server.url, shards: 2 })
  const jobs: `job_${string}`[] = []
  for (let index = 0; jobs.length < 2; index++) {
    const { id } = await addJob(storage, `job-${index}`, 'allow')
    if (shardOf(id, 2) === jobs.length) jobs.push(id)
  }
  const [first, second] = jobs as [`job_${string}`, `job_${string}`]
  const trigger = (job: `job_${string}`, digit: string, scheduledAt: number) => {
    const id = `occ_${digit.repeat(8)}-0000-5000-8000-000000000000` as const
    return { ...slotItem(job, 1), kind: 'trigger', id, scheduledAt, dueAt: scheduledAt, runs: null } as const
  }
  // Two of one instant, whose ids decide, and one that is between the others by its time.
  const items = [
    trigger(first, '1', slotAt(1)),
    trigger(first, '2', slotAt(1)),
    trigger(first, '3', slotAt(5)),
    trigger(second, '4', slotAt(2)),
    trigger(second, '5', slotAt(3)),
  ]
  await other.createOccurrences({ now: slotAt(6), owner, items })
  const request = { now: slotAt(6), owner, limit: 1, exceptHandlerKeys: [], sweep: false }
  // From here on the server knows the script.
  await other.claim({ ...request, limit: 0 })
  // Two calls look, one for each shard; before the one that takes, another node takes the oldest.
  let calls = 0
  beforeScripts(client, async () => {
    if (++calls === 3) await other.claim(request)
  })
  expect(await storage.claim(request)).toMatchObject({ claimed: [], more: true })
  calls = 0
  const answer = await storage.claim({ ...request, limit: 2 })
  expect(answer.claimed).toMatchObject([{ scheduledAt: slotAt(2) }])
  expect(answer.more).toBe(true)
  expect((await storage.claim({ ...request, limit: 1 })).claimed).toMatchObject([{ scheduledAt: slotAt(3) }])
})
