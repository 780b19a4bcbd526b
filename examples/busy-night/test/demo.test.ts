import { afterAll, beforeAll, expect, it } from 'vitest'
import { createClient, silentLogger } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { isThorough } from '../../../packages/workspace/test-effort.ts'
import { makeHistory, makeRequests } from '../src/history.ts'

const storage = sqliteStorage({ file: ':memory:' })
const client = createClient({ storage, logger: silentLogger })

beforeAll(async () => {
  const now = Date.parse('2026-03-02T12:00:00Z')
  // Each of the 5 slots within 50 min has a different result. A history of 2 h has 10 of these slots.
  await makeHistory(storage, now, isThorough ? 6 : 2)
})
afterAll(async () => {
  await client.close()
  await storage.close()
})

it('the demo busy-night creates a history with completed, failed and retried runs', async () => {
  const states = new Set<string>()
  for await (const { name } of client.jobs()) {
    for await (const run of client.occurrences({ job: name, tasks: false })) states.add(run.state)
  }
  expect([...states]).toEqual(expect.arrayContaining(['completed', 'failed', 'completed_with_errors']))
  const { items } = await client.occurrences({ job: 'nightly-report' })
  const uploads = items.flatMap(({ tasks }) => tasks.filter(({ name }) => name === 'upload'))
  expect(new Set(uploads.map(({ attemptCount }) => attemptCount))).toEqual(new Set([1, 2, 3]))
})

it('the demo busy-night requests a pause, a run and a backfill', async () => {
  await makeRequests(storage, Date.now())
  expect((await client.job('newsletter')).paused?.actor).toBe('anna')
  const counts = await client.counts()
  expect(counts.pending + counts.queued).toBeGreaterThan(0)
})
