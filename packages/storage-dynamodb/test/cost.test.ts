import type { Storage } from '@jobistemer/core/storage'
import { type DynamoDBServer, startDynamoDB } from '@jobistemer/test-servers'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createTable, dynamodbStorage } from '../src/index.ts'
import { addJob, finishItem, firstAttempt, minute, owner, slotAt, slotItem, type triggerItem } from './job.ts'
import { meteredClient } from './metered-client.ts'

// The figures of the cost sheet in docs/guide.md.

let server: DynamoDBServer
let meter: ReturnType<typeof meteredClient>
let storage: Storage
let tests = 0

beforeAll(async () => {
  server = await startDynamoDB({ data: 'memory' })
  meter = meteredClient(server)
  await createTable({ client: meter.client, tableName: 'cost' })
})

afterAll(async () => {
  meter?.client.destroy()
  await server?.stop()
})

beforeEach(() => {
  storage = dynamodbStorage({ client: meter.client, tableName: 'cost', prefix: `test-${++tests}` })
})

function create(...items: readonly ReturnType<typeof slotItem | typeof triggerItem>[]) {
  return () => storage.createOccurrences({ now: items[0]?.scheduledAt ?? 0, owner, items })
}

it('x', async () => {
  const { id } = await addJob(storage, 'nightly-report')
  for (const i of [1, 2]) {
    console.log(i, 'create', await meter.measure(create(slotItem(id, i))))
    console.log(
      'finish',
      await meter.measure(() => storage.settle({ now: slotAt(1) + 20, items: [finishItem(id, i)] })),
    )
  }
  const q = await addJob(storage, 'queue', 'queue')
  await create(slotItem(q.id, 1))()
  console.log('queued', await meter.measure(create(slotItem(q.id, 2))))
  console.log('queued another', await meter.measure(create(slotItem(q.id, 3))))
  console.log(
    'finish and wake',
    await meter.measure(() => storage.settle({ now: slotAt(1) + 20, items: [finishItem(q.id, 1)] })),
  )
  console.log(
    'claim',
    await meter.measure(() => storage.claim({ now: slotAt(3), owner, limit: 10, exceptHandlerKeys: [], sweep: false })),
  )
  const s = await addJob(storage, 'skip', 'skip')
  await create(slotItem(s.id, 1))()
  console.log('skipped', await meter.measure(create(slotItem(s.id, 2))))
  console.log(
    'progress',
    await meter.measure(() =>
      storage.settle({ now: slotAt(1) + 20, items: [{ ...finishItem(s.id, 1), change: { kind: 'progress' } }] }),
    ),
  )
  console.log('lost create', await meter.measure(create(slotItem(s.id, 2))))
  console.log('late create', await meter.measure(create(slotItem(s.id, 1))))
  await storage.settle({ now: slotAt(5), items: [{ ...finishItem(s.id, 1), sequence: 2 }, finishItem(q.id, 2, 1)] })
  console.log(
    'idle claim',
    await meter.measure(() => storage.claim({ now: slotAt(3), owner, limit: 10, exceptHandlerKeys: [], sweep: false })),
  )
  console.log(
    'idle sweep',
    await meter.measure(() => storage.claim({ now: slotAt(3), owner, limit: 10, exceptHandlerKeys: [], sweep: true })),
  )
  console.log(
    'idle reap',
    await meter.measure(() =>
      storage.listOccurrences({
        kind: 'live',
        state: 'running',
        deadlineBefore: 5,
        runs: true,
        limit: 100,
        cursor: null,
      }),
    ),
  )
  console.log(
    'idle jobs',
    await meter.measure(() => storage.listJobs({ changedSince: slotAt(9), deleted: true, limit: 100, cursor: null })),
  )
  console.log(
    'prune',
    await meter.measure(() => storage.prune({ now: slotAt(9), jobId: id, before: slotAt(9), keep: 0, limit: 10 })),
  )
})
