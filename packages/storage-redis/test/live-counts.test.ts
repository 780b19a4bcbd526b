import { type JobId, jobId, occurrenceId } from '@jobistemer/core'
import type { CreateItem, LiveCounts, OccurrenceRecord, OverlapPolicy, Storage } from '@jobistemer/core/storage'
import { sharedRedis } from '@jobistemer/test-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { redisStorage } from '../src/index.ts'
import { addJob, finishItem, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import { newPrefix, patient } from './prefixes.ts'

const states = ['pending', 'queued', 'running'] as const

let server: Awaited<ReturnType<typeof sharedRedis>>

beforeAll(async () => {
  server = await sharedRedis()
})

afterAll(async () => {
  await server.stop()
})

/** Counts the live occurrences of some jobs and of all jobs, by the lists of the storage. */
async function countByLists(storage: Storage, jobs: readonly JobId[]): Promise<readonly LiveCounts[]> {
  const live: OccurrenceRecord[] = []
  for (const state of states) {
    const page = await storage.listOccurrences({ kind: 'live', state, limit: 1000, cursor: null, runs: false })
    live.push(...page.items)
  }
  const count = (records: readonly OccurrenceRecord[]): LiveCounts => {
    const [pending, queued, running] = states.map((state) => records.filter((record) => record.state === state).length)
    return { pending, queued, running } as LiveCounts
  }
  return [...jobs.map((job) => count(live.filter(({ jobId }) => jobId === job))), count(live)]
}

function trigger(job: JobId, key: number, dueAt: number = slotAt(1)): CreateItem {
  const id = occurrenceId(job, slotAt(100) + key)
  return { ...slotItem(job, 1), kind: 'trigger', id, scheduledAt: slotAt(1) + key, dueAt }
}

describe.each([1, 3])('the stored counts of live occurrences on %i shards', (shards) => {
  it('equal the numbers of listed occurrences after every step and after its repetition', async () => {
    const storage = redisStorage({ url: server.url, prefix: newPrefix(), shards, ...patient })
    const policies: readonly OverlapPolicy[] = ['skip', 'queue', 'queue_one', 'allow', 'cancel_running']
    const jobs = policies.map((policy) => jobId(policy))
    const seen = new Set<string>()
    const check = async (step: string) => {
      const { counts } = await storage.get({ counts: [...jobs, 'all'] })
      expect(counts, step).toEqual(await countByLists(storage, jobs))
      seen.add(JSON.stringify(counts.at(-1)))
    }
    const twice = async (step: string, call: () => Promise<unknown>) => {
      for (const time of ['first', 'again']) {
        await call()
        await check(`${step}, ${time}`)
      }
    }
    const addressed = async () => {
      const page = await storage.listOccurrences({
        kind: 'live',
        state: 'running',
        limit: 9,
        cursor: null,
        runs: true,
      })
      return page.items
    }
    const [, queue, , allow] = jobs as [JobId, JobId, JobId, JobId]

    for (const policy of policies) await addJob(storage, policy, policy)
    await check('jobs without occurrences')
    const create = (items: readonly CreateItem[]) => () => storage.createOccurrences({ now: slotAt(1), owner, items })
    await twice('slots that start', create(jobs.map((job) => slotItem(job, 1))))
    await twice('triggers behind them', create(jobs.map((job) => trigger(job, 1))))
    await twice('several of one job', create([2, 3, 4, 5].map((key) => trigger(queue, key))))
    await twice('delayed triggers', create(jobs.map((job) => trigger(job, 6, slotAt(9)))))
    await twice('a settle', () => storage.settle({ now: slotAt(2), items: jobs.map((job) => finishItem(job, 1)) }))
    const claim = { now: slotAt(2), owner, limit: 9, exceptHandlerKeys: [], sweep: true }
    await twice('a claim', () => storage.claim(claim))
    const running = await addressed()
    expect(running.length).toBeGreaterThan(1)
    const reaps = running.map((record) => ({ ...record, action: 'retry' as const, reason: 'deadline' }))
    await twice('a reap', () => storage.reap({ now: slotAt(3), items: reaps }))
    await twice('a claim of what was reaped', () => storage.claim({ ...claim, now: slotAt(3) }))
    const released = (await addressed()).map((record) => {
      const change = { kind: 'release', dueAt: slotAt(4), reason: 'shutdown' } as const
      return { ...record, sequence: record.sequence + 1, change }
    })
    await twice('a release', () => storage.settle({ now: slotAt(3), items: released }))
    await twice('a claim of what was released', () => storage.claim({ ...claim, now: slotAt(4) }))
    const forced = (await addressed()).map(({ id, jobId: job, scheduledAt }) => {
      return { id, jobId: job, scheduledAt, reason: 'stop', actor: null, mode: 'force' } as const
    })
    await twice('a cancellation', () => storage.cancel({ now: slotAt(4), items: forced }))
    const pause = (paused: { at: number; actor: null; reason: null } | null) => () =>
      storage.saveJobs({ now: slotAt(5), changes: [{ kind: 'pause', id: allow, paused }] })
    await twice('a pause', pause({ at: slotAt(5), actor: null, reason: null }))
    await twice('a resume', pause(null))
    await twice('slots once more', create([slotItem(queue, 2), { ...slotItem(allow, 2), runs: null }]))
    const [head] = (await storage.get({ jobs: [queue] })).jobs
    if (head === undefined || head === null) throw new Error('the storage has no head of the job')
    const content = { ...head, fingerprint: 'print-2', overlap: { policy: 'allow' as const, maxQueued: 5 } }
    const expected = { expectedVersion: head.version, expectedWatermark: head.watermark }
    const replace = { kind: 'replace', id: queue, content, ...expected, waiting: 'cancel' } as const
    await twice('a replacement', () => storage.saveJobs({ now: slotAt(6), changes: [replace] }))
    const deletions = jobs.map((id) => ({ kind: 'delete', id, expectedVersion: null }) as const)
    await twice('a deletion', () => storage.saveJobs({ now: slotAt(7), changes: deletions }))
    const rest = (await addressed()).map((record) => ({ ...record, action: 'fail' as const, reason: 'deadline' }))
    await twice('an end of what still runs', () => storage.reap({ now: slotAt(8), items: rest }))
    expect(seen.size).toBeGreaterThan(8)

    const prune = { now: slotAt(1000), jobId: null, before: slotAt(900), keep: 0, limit: 1000 }
    await twice('a pruning that takes the jobs along', () => storage.prune(prune))
    expect((await storage.get({ jobs })).jobs).toEqual(jobs.map(() => null))
    const nothing = { pending: 0, queued: 0, running: 0 }
    expect((await storage.get({ counts: ['all', queue] })).counts).toEqual([nothing, nothing])
    await storage.close()
  })

  it('are returned in the order of the request, even if the request also asks for other data', async () => {
    const storage = redisStorage({ url: server.url, prefix: newPrefix(), shards, ...patient })
    const alpha = await addJob(storage, 'alpha')
    const beta = await addJob(storage, 'beta')
    const slot = slotItem(alpha.id, 1)
    await storage.createOccurrences({ now: slotAt(1), owner, items: [slot] })
    const one = { pending: 0, queued: 0, running: 1 }
    const none = { pending: 0, queued: 0, running: 0 }
    const answer = await storage.get({
      jobs: [beta.id],
      occurrences: [slot.id],
      counts: [beta.id, 'all', alpha.id, jobId('absent'), 'all', alpha.id],
    })
    expect(answer.counts).toEqual([none, one, one, none, one, one])
    expect([answer.jobs, answer.occurrences.length]).toEqual([[beta], 1])
    expect((await storage.get({ jobs: [alpha.id] })).counts).toEqual([])
    await storage.close()
  })
})
