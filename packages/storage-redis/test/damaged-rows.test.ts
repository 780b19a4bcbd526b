import type { JobId, OccurrenceId } from '@jobistemer/core'
import type { CreateItem } from '@jobistemer/core/storage'
import { addJob, damageTrial, finishItem, minute, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
import { describe, expect, it } from 'vitest'
import { bytesOfId } from '../src/ids.ts'
import { damage } from './damage.ts'
import { connect } from './fixtures/connect.mjs'
import { newPrefix } from './prefixes.ts'
import { useServers } from './servers.ts'

const { start, client: admin, open } = useServers()

const idsOf = (items: readonly { readonly id: OccurrenceId }[]) => items.map(({ id }) => id)

it.each(['garbage', 'null', '[]'])(
  'a node runs all readable jobs although other records in Redis contain %s',
  async (text) => {
    const { url } = await start()
    const argument = { url, prefix: newPrefix() }
    const place = { connect: () => connect(argument), damage: damage.bind(null, argument) }
    await expect(damageTrial(place, text)).resolves.toBeUndefined()
  },
)

describe.each([1, 3])('if the storage has %i shards and has lost a part of its data,', (shards) => {
  const claim = { now: slotAt(3), owner, limit: 10, exceptHandlerKeys: [], sweep: true }

  it.each(['record', 'head'])(
    'a claim drops the pending occurrence whose %s is missing, and takes the pending occurrence of another job',
    async (part) => {
      const { url } = await start()
      const storage = open({ url, shards })
      const jobs = [await addJob(storage, 'alpha', 'queue'), await addJob(storage, 'beta', 'queue')]
      const items = jobs.map(({ id }) => ({ ...slotItem(id, 1), runs: null }))
      await storage.createOccurrences({ now: slotAt(1), owner, items })
      const client = admin(url)
      for (const key of await client.keys(part === 'record' ? '*:o:*' : '*:heads')) {
        await client.hdel(key, bytesOfId((part === 'record' ? items[0]?.id : jobs[0]?.id) ?? 'job_'))
      }
      for (let round = 0; round < 2; round++) {
        const { claimed, more } = await storage.claim(claim)
        expect([claimed.map(({ id }) => id), more]).toEqual([round === 0 ? [items[1]?.id] : [], false])
      }
      if (part === 'head') return
      const [answer] = await storage.createOccurrences({
        now: slotAt(2),
        owner,
        items: [slotItem(items[0]?.jobId ?? 'job_', 2)],
      })
      expect(answer).toMatchObject({ outcome: 'created', state: 'running' })
      const { counts } = await storage.get({ counts: ['all'] })
      expect(counts).toEqual([{ pending: 0, queued: 0, running: 2 }])
      expect(await storage.prune({ now: slotAt(9), jobId: null, before: slotAt(9), keep: 0, limit: 9 })).toEqual({
        removed: 0,
        more: false,
      })
    },
  )

  it('a claim and a settle drop the queued occurrence whose record is missing, and wake the next one', async () => {
    const { url } = await start()
    const storage = open({ url, shards })
    const client = admin(url)
    const { id } = await addJob(storage, 'alpha', 'queue')
    const content = { ...(await storage.get({ jobs: [id] })).jobs[0], overlap: { policy: 'queue', maxQueued: 9 } }
    const change = {
      kind: 'replace',
      id,
      content: { ...content, fingerprint: 'other' },
      expectedVersion: 1,
      expectedWatermark: slotAt(0),
      waiting: 'keep',
    }
    await storage.saveJobs({ now: slotAt(1), changes: [change as never] })
    const slots = [1, 2, 3, 4].map((index) => ({ ...slotItem(id, index), jobVersion: 2 }))
    for (const item of slots) await storage.createOccurrences({ now: item.scheduledAt, owner, items: [item] })
    for (const key of await client.keys('*:o:*')) await client.hdel(key, bytesOfId(slots[1]?.id ?? 'occ_'))
    const [settled] = await storage.settle({ now: slotAt(5), items: [finishItem(id, 1)] })
    expect(settled).toMatchObject({ outcome: 'ok', woken: { id: slots[2]?.id } })
    const { claimed } = await storage.claim({ ...claim, now: slotAt(5) })
    expect(claimed.map((record) => record.id)).toEqual([slots[2]?.id])
  })

  it('a prune keeps `keep` ended occurrences, and removes the id of a missing record from the history', async () => {
    const { url } = await start()
    const storage = open({ url, shards })
    const client = admin(url)
    const { id } = await addJob(storage, 'alpha', 'allow')
    const slots = [1, 2, 3, 4, 5, 6].map((index) => slotItem(id, index))
    for (const item of slots) await storage.createOccurrences({ now: item.scheduledAt, owner, items: [item] })
    await storage.settle({ now: slotAt(7), items: slots.map((_, index) => finishItem(id, index + 1)) })
    for (const key of await client.keys('*:o:*')) await client.hdel(key, bytesOfId(slots[1]?.id ?? 'occ_'))
    const prune = { now: slotAt(9), jobId: null, before: slotAt(9), keep: 3, limit: 9 }
    expect(await storage.prune(prune)).toEqual({ removed: 2, more: false })
    const { occurrences } = await storage.get({ occurrences: slots.map((slot) => slot.id) })
    expect(occurrences.map((record) => record?.id)).toEqual([undefined, undefined, undefined, ...idsOf(slots.slice(3))])
    const [history] = await client.keysBuffer('*:h:*')
    expect(await client.zcard(history ?? '')).toBe(3)
  })

  describe('a claim that drops a delayed occurrence without a record', () => {
    const trigger = (job: JobId, key: number, dueAt: number) => ({ ...triggerItem(job, key, slotAt(0) + key), dueAt })
    const slot = (job: JobId, index: number) => ({ ...slotItem(job, index), runs: null })

    async function begin(items: (job: JobId) => readonly CreateItem[]) {
      const { url } = await start()
      const storage = open({ url, shards })
      const { id } = await addJob(storage, 'alpha', 'queue')
      const created = items(id)
      await storage.createOccurrences({ now: slotAt(1), owner, items: created })
      const client = admin(url)
      const lose = async (index: number) => {
        for (const key of await client.keys('*:o:*')) await client.hdel(key, bytesOfId(created[index]?.id ?? 'occ_'))
      }
      const claimAt = async (now: number) => idsOf((await storage.claim({ ...claim, now })).claimed)
      return { storage, id, ids: idsOf(created), lose, claimAt }
    }

    it('does not raise the number of occurrences that may run at once', async () => {
      const { storage, id, ids, lose, claimAt } = await begin((job) => [
        trigger(job, 1, slotAt(2)),
        trigger(job, 2, slotAt(9)),
        slot(job, 1),
      ])
      await lose(0)
      expect(await claimAt(slotAt(3))).toEqual([ids[2]])
      const items = [slotItem(id, 2)]
      expect(await storage.createOccurrences({ now: slotAt(3), owner, items })).toMatchObject([{ state: 'queued' }])
      expect((await storage.get({ counts: [id] })).counts).toEqual([{ pending: 1, queued: 1, running: 1 }])
    })

    it('does not lower this number if the claim takes an occurrence before, or if several records are missing', async () => {
      const { storage, id, ids, lose, claimAt } = await begin((job) => [
        slot(job, 1),
        trigger(job, minute + 1, slotAt(2)),
        trigger(job, minute + 2, slotAt(2)),
        trigger(job, minute + 3, slotAt(9)),
        trigger(job, minute + 4, slotAt(9)),
      ])
      for (const index of [1, 2, 3]) await lose(index)
      expect(await claimAt(slotAt(3))).toEqual([ids[0]])
      expect((await storage.get({ counts: [id] })).counts).toEqual([{ pending: 2, queued: 0, running: 1 }])
      await storage.settle({ now: slotAt(3), items: [finishItem(id, 1)] })
      const items = [slotItem(id, 2)]
      expect(await storage.createOccurrences({ now: slotAt(3), owner, items })).toMatchObject([{ state: 'running' }])
      await storage.settle({ now: slotAt(3), items: [finishItem(id, 2)] })
      expect(await claimAt(slotAt(9))).toEqual([ids[4]])
      expect((await storage.get({ counts: [id] })).counts).toEqual([{ pending: 0, queued: 0, running: 1 }])
    })
  })
})
