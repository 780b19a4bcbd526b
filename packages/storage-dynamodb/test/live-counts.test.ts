import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { jobId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { beforeEach, expect, it } from 'vitest'
import { dynamodbStorage } from '../src/index.ts'
import { addJob, finishItem, owner, slotAt, slotItem, triggerItem } from '@jobistemer/test-kit'
import { useTable } from './use-table.ts'

let client: DynamoDBClient
let storage: Storage
let tests = 0

useTable('live-counts', (made) => {
  client = made
})

beforeEach(() => {
  storage = dynamodbStorage({ client, tableName: 'live-counts', prefix: `test-${++tests}` })
})

it('counts omit ended occurrences that the head of their job still lists', async () => {
  const { id } = await addJob(storage, 'alpha', 'allow')
  const other = await addJob(storage, 'beta', 'queue')
  const items = [slotItem(id, 1), slotItem(id, 2), triggerItem(id, 1), slotItem(other.id, 1), slotItem(other.id, 2)]
  await storage.createOccurrences({ now: slotAt(2), owner, items })
  await storage.settle({ now: slotAt(2), items: [finishItem(id, 1)] })
  const counts = [id, other.id, 'all', jobId('nobody')] as const
  expect((await storage.get({ counts })).counts).toEqual([
    { pending: 1, queued: 0, running: 1 },
    { pending: 0, queued: 1, running: 1 },
    { pending: 1, queued: 1, running: 2 },
    { pending: 0, queued: 0, running: 0 },
  ])
})

it('counts include a running occurrence with a cancel request as running', async () => {
  const { id } = await addJob(storage, 'alpha')
  const item = slotItem(id, 1)
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  const address = { id: item.id, jobId: id, scheduledAt: item.scheduledAt }
  await storage.cancel({ now: slotAt(1), items: [{ ...address, reason: 'over', actor: null, mode: 'request' }] })
  const running = { pending: 0, queued: 0, running: 1 }
  expect((await storage.get({ counts: [id, 'all'] })).counts).toEqual([running, running])
})

it('a reap increments an occurrence’s number of rescues; a release and the end of the occurrence do not change this number', async () => {
  const { id } = await addJob(storage, 'alpha')
  const item = slotItem(id, 1)
  const address = { id: item.id, jobId: id, scheduledAt: item.scheduledAt }
  await storage.createOccurrences({ now: slotAt(1), owner, items: [item] })
  const rescues = async () => (await storage.get({ occurrences: [item.id] })).occurrences[0]?.rescues
  const claim = async () => {
    await storage.claim({ now: slotAt(2), owner, limit: 1, exceptHandlerKeys: [], sweep: false })
  }
  const change = { kind: 'release', dueAt: slotAt(1), reason: null } as const
  await storage.settle({ now: slotAt(1), items: [{ ...address, token: 1, sequence: 1, runs: [], change }] })
  expect(await rescues()).toBe(0)
  await claim()
  const reaping = { ...address, token: 2, sequence: 0, runs: [], action: 'retry', reason: 'stale' } as const
  expect(await storage.reap({ now: slotAt(3), items: [reaping] })).toMatchObject([{ outcome: 'reaped' }])
  expect(await rescues()).toBe(1)
  await claim()
  await storage.settle({ now: slotAt(3), items: [{ ...finishItem(id, 1, 3) }] })
  expect(await rescues()).toBe(1)
})
