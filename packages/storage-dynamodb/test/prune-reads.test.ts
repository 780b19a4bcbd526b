import { type DynamoDBClient, QueryCommand, type QueryCommandOutput } from '@aws-sdk/client-dynamodb'
import { type JobId, occurrenceId } from '@jobistemer/core'
import type { RecoveryEntry, Storage } from '@jobistemer/core/storage'
import { addJob, contentOf, minute, owner, slotAt, start } from '@jobistemer/test-kit'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { dynamodbStorage } from '../src/index.ts'
import { useTable } from './use-table.ts'

const tableName = 'prune-reads'
let client: DynamoDBClient
let storage: Storage
let tests = 0
/** The number of records that queries have returned. */
let read = 0

useTable(tableName, (made) => {
  client = made
})

beforeEach(() => {
  const send = async (command: object, options: object): Promise<unknown> => {
    const answer = await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
    if (command instanceof QueryCommand) read += (answer as QueryCommandOutput).Items?.length ?? 0
    return answer
  }
  storage = dynamodbStorage({ client: { send: send as DynamoDBClient['send'] }, tableName, prefix: `test-${++tests}` })
})

afterEach(() => {
  vi.restoreAllMocks()
})

/** Stores a job with a record of a missed slot for each of its first `count` slots. */
async function addMissed(count: number): Promise<JobId> {
  const { id } = await addJob(storage, 'missed')
  const entries = Array.from({ length: count }, (_, index): RecoveryEntry => {
    const scheduledAt = slotAt(index + 1)
    const span = { from: scheduledAt, to: scheduledAt, count: 1 }
    return { kind: 'missed', id: occurrenceId(id, scheduledAt), scheduledAt, reason: 'late', span }
  })
  const last = slotAt(count)
  const course = { expectedWatermark: start, watermark: last, nextAt: last + minute }
  const item = { kind: 'recovery', id: occurrenceId(id, last), jobId: id, scheduledAt: last, jobVersion: 1 } as const
  const answers = await storage.createOccurrences({ now: last, owner, items: [{ ...item, ...course, entries }] })
  expect(answers).toMatchObject([{ outcome: 'created' }])
  read = 0
  return id
}

it('a prune of ten records reads two records more, however long the history is', async () => {
  const id = await addMissed(100)
  const request = { now: slotAt(101), jobId: id, before: slotAt(101), keep: 0, limit: 10 }
  expect(await storage.prune(request)).toEqual({ removed: 10, more: true })
  expect(read).toBe(12)
})

it('a prune reads 200 records to find unused versions, and one prune in 100 reads the whole history', async () => {
  const id = await addMissed(300)
  for (const version of [1, 2]) {
    const content = { ...contentOf('missed'), fingerprint: `print-${version + 1}`, nextAt: slotAt(301) }
    const course = { expectedVersion: version, expectedWatermark: slotAt(300), waiting: 'keep' } as const
    const replaced = await storage.saveJobs({
      now: slotAt(300),
      changes: [{ kind: 'replace', id, content, ...course }],
    })
    expect(replaced).toMatchObject([{ outcome: 'saved' }])
  }
  const request = { now: slotAt(301), jobId: id, before: slotAt(0), keep: 0, limit: 10 }
  const versions = [1, 2, 3].map((version) => ({ jobId: id, version }))
  const stored = async () => (await storage.get({ versions })).versions.map((version) => version?.version ?? null)
  const random = vi.spyOn(Math, 'random').mockReturnValue(0.5)
  read = 0
  expect(await storage.prune(request)).toEqual({ removed: 0, more: false })
  // The query of versions has returned 3 items.
  expect(read).toBe(203)
  expect(await stored()).toEqual([1, 2, 3])
  random.mockReturnValue(0)
  expect(await storage.prune(request)).toEqual({ removed: 0, more: false })
  expect(await stored()).toEqual([1, null, 3])
})
