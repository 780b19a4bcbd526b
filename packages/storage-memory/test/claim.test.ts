import { type JobId, jobId } from '@jobistemer/core'
import { type ClaimAnswer, ended, storageFromLedger } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { Database } from '../src/memory-job.ts'
import { MemoryLedger } from '../src/memory-ledger.ts'
import type { OccurrenceEntry } from '../src/occurrences.ts'
import { firstAttempt, jobContent, Node, slotAt, slotItem, start, triggerItem } from './world.ts'

function slotsOf(answer: ClaimAnswer): readonly number[] {
  return answer.claimed.map(({ scheduledAt }) => (scheduledAt - start) / (slotAt(1) - start))
}

async function pause(node: Node, job: JobId, paused: boolean): Promise<void> {
  const record = paused ? { at: start, reason: null, actor: null } : null
  await node.storage.saveJobs({ now: start, changes: [{ kind: 'pause', id: job, paused: record }] })
}

describe('a claim on the memory storage', () => {
  it('takes due occurrences in the order of their scheduled time, not of their due time', async () => {
    const node = new Node()
    const job = await node.addJob('alpha', 'allow')
    await node.create(triggerItem(job, 'a', slotAt(2), { dueAt: slotAt(10) }))
    await node.create(triggerItem(job, 'b', slotAt(1), { dueAt: slotAt(11) }))
    expect((await node.claim(slotAt(9))).nextDueAt).toBe(slotAt(10))
    expect(slotsOf(await node.claim(slotAt(12)))).toEqual([1, 2])
  })

  it('takes only occurrences that are due by the clock of the node that claims', async () => {
    const node = new Node()
    const job = await node.addJob('alpha', 'allow')
    await node.create(triggerItem(job, 'a', slotAt(1), { dueAt: slotAt(5) }))
    await node.create(triggerItem(job, 'b', slotAt(2), { dueAt: slotAt(7) }))
    expect(await node.claim(slotAt(8), 0)).toMatchObject({ more: true, nextDueAt: null })
    expect(await node.claim(slotAt(4))).toMatchObject({ claimed: [], more: false, nextDueAt: slotAt(5) })
    const behind = await node.claim(slotAt(6))
    expect([slotsOf(behind), behind.nextDueAt]).toEqual([[1], slotAt(7)])
    expect(slotsOf(await node.claim(slotAt(8)))).toEqual([2])
  })

  it('returns no occurrence of a paused job, and computes neither `more` nor `nextDueAt` from paused jobs', async () => {
    const node = new Node()
    const job = await node.addJob('alpha', 'allow')
    await node.create(triggerItem(job, 'ready', slotAt(1)))
    await node.claim(slotAt(1), 0)
    await node.create(triggerItem(job, 'later', slotAt(2), { dueAt: slotAt(5) }))
    await pause(node, job, true)
    await node.create(triggerItem(job, 'while-paused', slotAt(3)))
    expect(await node.claim(slotAt(3))).toEqual({ claimed: [], cancelRequested: [], more: false, nextDueAt: null })
    expect(await node.live('pending')).toHaveLength(3)
    await pause(node, job, false)
    const resumed = await node.claim(slotAt(3))
    expect([slotsOf(resumed), resumed.nextDueAt]).toEqual([[1, 3], slotAt(5)])
  })

  it('returns no occurrence of a job whose handler key the node lacks, and computes neither `more` nor `nextDueAt` from this job', async () => {
    const node = new Node()
    const [alpha, beta] = [await node.addJob('alpha'), await node.addJob('beta', 'allow')]
    await node.create(slotItem(alpha, 1))
    await node.create(triggerItem(beta, 'later', slotAt(2), { dueAt: slotAt(5) }))
    const answer = await node.claim(slotAt(1), 0, { except: ['alpha'] })
    expect([answer.more, answer.nextDueAt]).toEqual([false, slotAt(5)])
    const lacksBoth = await node.claim(slotAt(1), 9, { except: ['alpha', 'beta'] })
    expect(lacksBoth).toEqual({ claimed: [], cancelRequested: [], more: false, nextDueAt: null })
  })

  it('compares the excluded handler keys with the handler key of the job’s current version', async () => {
    const node = new Node()
    const job = await node.addJob('alpha')
    await node.create(slotItem(job, 1))
    const content = { ...jobContent('alpha'), handlerKey: 'alpha-2', nextAt: slotAt(2) }
    const change = { kind: 'replace', id: job, content, expectedVersion: 1, expectedWatermark: slotAt(1) } as const
    await node.storage.saveJobs({ now: slotAt(1), changes: [{ ...change, waiting: 'keep' }] })
    expect(slotsOf(await node.claim(slotAt(1), 9, { except: ['alpha-2'] }))).toEqual([])
    expect(slotsOf(await node.claim(slotAt(1), 9, { except: ['alpha'] }))).toEqual([1])
  })

  it('takes the oldest of 3,000 occurrences without reading the remaining occurrences', async () => {
    const node = new Node()
    const job = await node.addJob('alpha', 'allow')
    const items = Array.from({ length: 3000 }, (_, index) => triggerItem(job, `${index}`, start + index))
    await node.storage.createOccurrences({ now: slotAt(9), owner: node.owner, items: items.toReversed() })
    for (let round = 0; round < 3; round++) {
      const { claimed, more } = await node.claim(slotAt(9), 1000)
      expect(claimed.map(({ scheduledAt }) => scheduledAt - start)).toEqual(
        Array.from({ length: 1000 }, (_, index) => round * 1000 + index),
      )
      expect(more).toBe(round < 2)
    }
  })

  it('with the option `sweep` wakes a queued occurrence that was not woken when the occurrence before it ended', async () => {
    const database = new Database()
    const storage = storageFromLedger(new MemoryLedger(database))
    const { owner } = new Node()
    const job = jobId('alpha')
    const content = jobContent('alpha', 'queue')
    await storage.saveJobs({ now: start, changes: [{ kind: 'create', id: job, content }] })
    const items = [slotItem(job, 1, { runs: firstAttempt(slotAt(1)) }), slotItem(job, 2), slotItem(job, 3)] as const
    await storage.createOccurrences({ now: slotAt(3), owner, items })
    const held = database.occurrences.get(items[0].id) as OccurrenceEntry
    database.replace(held, ended(held.record, 'completed', null, slotAt(3)))
    const request = { now: slotAt(3), owner, limit: 9, exceptHandlerKeys: [] }
    expect((await storage.claim({ ...request, sweep: false })).claimed).toEqual([])
    expect(slotsOf(await storage.claim({ ...request, sweep: true }))).toEqual([2])
    expect((await storage.claim({ ...request, sweep: true })).claimed).toEqual([])
  })

  it('reports a cancel request a second time to an owner that has claimed the occurrence again', async () => {
    const node = new Node()
    const job = await node.addJob('alpha')
    const held = slotItem(job, 1, { runs: firstAttempt(slotAt(1)) })
    await node.create(held)
    const cancel = { ...held, reason: 'by hand', actor: 'kim', mode: 'request' } as const
    await node.storage.cancel({ now: slotAt(1), items: [cancel] })
    await node.settle(held, 1, { kind: 'release', dueAt: slotAt(1), reason: 'shutdown' })
    expect((await node.claim(slotAt(1), 0)).cancelRequested).toEqual([])
    const { claimed, cancelRequested } = await node.claim(slotAt(1))
    expect(claimed.map(({ token }) => token)).toEqual([2])
    expect(cancelRequested.map(({ token, reason }) => [token, reason])).toEqual([[2, 'by hand']])
  })
})
