import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient } from '@jobistemer/core'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { expect, it, onTestFinished } from 'vitest'
import { Child } from '../support/child-process.ts'

const hourMs = 3_600_000

it('a backfill of 1,000 slots completes each slot once, although its node is killed twice', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-backfill-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'jobs.db')
  const log = join(folder, 'ran.log')
  const from = Date.UTC(2020, 0, 1)
  const asked = { from, to: from + 1000 * hourMs, key: 'all of them' }
  const fixture = new URL('../fixtures/backfilled-node.mjs', import.meta.url)
  const node = async (argument: object, runs: number): Promise<Child> => {
    const child = new Child(fixture, { file, log, ...argument })
    for (let ran = 0; ran < runs; ran++) await child.next()
    return child
  }
  for (const argument of [{ asked }, {}]) {
    const child = await node(argument, 300)
    child.kill('SIGKILL')
    await child.ended
  }
  // The killed nodes have run at least 300 slots, and perhaps more. So the test does not know how many slots are left. It waits
  // for only one run of the last node.
  await node({}, 1)
  const storage = sqliteStorage({ file })
  const client = createClient({ storage })
  // A handler writes its line before its end is stored, so a run may still be live after the last line.
  const left = async () => {
    const { open, live } = await client.backfill('hourly', asked)
    return open + live
  }
  await expect.poll(left, { timeout: 50_000 }).toBe(0)
  const result = await client.backfill('hourly', asked)
  expect(result).toMatchObject({ slots: 1000, passed: 0, completed: 1000, failed: 0 })
  const { items } = await client.occurrences({ job: 'hourly', limit: 10_000, tasks: false })
  const slots = items.flatMap(({ backfill }) => (backfill === null ? [] : [backfill.slot.toISOString()]))
  await client.close()
  await storage.close()
  expect([slots.length, new Set(slots).size]).toEqual([1000, 1000])
  // If a node is killed after its handler has written a line, another node calls the handler for the same slot again. Two
  // nodes were killed, so at most two slots have two lines.
  const ran = readFileSync(log, 'utf8').trim().split('\n')
  expect(new Set(ran)).toEqual(new Set(slots))
  expect(ran.length).toBeLessThanOrEqual(1002)
}, 60_000)
