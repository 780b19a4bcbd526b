import type { JobRecord, Storage } from '@jobistemer/core/storage'
import { beforeEach, expect, it } from 'vitest'
import { addJob, minute, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { useServers } from './servers.ts'

const { start, client, open } = useServers()

let storage: Storage
let noted: () => Promise<number>

beforeEach(async () => {
  const server = await start()
  const admin = client(server.url)
  storage = open({ url: server.url })
  noted = () => admin.zcard('{jobistemer:0}:moved')
})

/** Starts one slot of each job in one call. */
async function startSlots(jobs: readonly JobRecord[], index: number): Promise<void> {
  const items = jobs.map(({ id }) => slotItem(id, index))
  const answers = await storage.createOccurrences({ now: slotAt(index), owner, items })
  for (const answer of answers) expect(answer).toMatchObject({ outcome: 'created', state: 'running' })
}

async function addJobs(count: number): Promise<readonly JobRecord[]> {
  return await Promise.all(Array.from({ length: count }, (_, index) => addJob(storage, `job-${index}`, 'allow')))
}

async function countDue(upTo: number, after?: number): Promise<number> {
  const due = after === undefined ? { upTo } : { after, upTo }
  return (await storage.listJobs({ due, limit: 1000, cursor: null })).items.length
}

it('a batch that starts ten slots adds the jobs’ next instants to a list; the index of due jobs stays unchanged', async () => {
  const jobs = await addJobs(10)
  await startSlots(jobs, 1)
  expect(await noted()).toBe(1)
  expect(await countDue(slotAt(1))).toBe(0)
  expect(await noted()).toBe(0)
  expect(await countDue(slotAt(2), slotAt(1))).toBe(10)
})

it('a batch that starts two slots updates the index of due jobs at once', async () => {
  const jobs = await addJobs(2)
  await startSlots(jobs, 1)
  expect(await noted()).toBe(0)
  expect(await countDue(slotAt(2), slotAt(1))).toBe(2)
})

it('a search for due jobs updates its index in several steps if the index lacks many next instants', async () => {
  const jobs = await addJobs(160)
  for (let first = 0; first < jobs.length; first += 8) await startSlots(jobs.slice(first, first + 8), 1)
  expect(await noted()).toBe(20)
  expect(await countDue(slotAt(2), slotAt(1))).toBe(160)
  expect(await noted()).toBe(0)
})

it('if no node searches for due jobs, the list of next instants outside the index of due jobs still stays short', async () => {
  const jobs = await addJobs(80)
  const count = 300
  // Each round has another group of eight jobs. If two rounds had equal groups, Redis would store their two notes about
  // next instants as one.
  for (let call = 0; call < count; call++) {
    const round = Array.from({ length: 8 }, (_, index) => jobs[(call + index * (1 + (call % 9))) % jobs.length])
    const different = [...new Set(round)] as JobRecord[]
    const heads = (await storage.get({ jobs: different.map(({ id }) => id) })).jobs
    const items = heads.flatMap((head) => {
      return head === null ? [] : [slotItem(head.id, Math.round(((head.nextAt ?? 0) - slotAt(0)) / minute))]
    })
    await storage.createOccurrences({ now: slotAt(1000), owner, items })
  }
  expect(await noted()).toBeLessThanOrEqual(256)
  const { items: heads } = await storage.listJobs({ limit: 100, cursor: null })
  const { items: due } = await storage.listJobs({ due: { upTo: slotAt(1000) }, limit: 100, cursor: null })
  expect(due.map(({ nextAt }) => nextAt)).toEqual(heads.map(({ nextAt }) => nextAt).sort())
})
