import type { JobId } from '@jobistemer/core'
import type { CreateSlot, SettleItem, Storage } from '@jobistemer/core/storage'
import { addJob, finishItem, minute, owner, slotAt, slotItem } from '@jobistemer/test-kit'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { postgresStorage } from '../src/index.ts'

/** The values with which four slots are created and ended. Each function receives the index of the slot, from 0 on. */
interface Batch {
  readonly nextAt: (slot: number) => number | null
  readonly timeout: (slot: number) => number
  readonly sequence: (slot: number) => number
  readonly failed: (slot: number) => boolean
}

const same: Batch = {
  nextAt: () => slotAt(2),
  timeout: () => minute,
  sequence: () => 3,
  failed: () => false,
}

const batches: Readonly<Record<string, Batch>> = {
  'all the same': same,
  'no next instant and all failed': { ...same, nextAt: () => null, failed: () => true },
  'the last one different': {
    nextAt: (slot) => (slot === 3 ? slotAt(9) : slotAt(2)),
    timeout: (slot) => (slot === 3 ? 2 * minute : minute),
    sequence: (slot) => (slot === 3 ? 1 : 7),
    failed: (slot) => slot === 3,
  },
  'the first one different': {
    nextAt: (slot) => (slot === 0 ? null : slotAt(2)),
    timeout: (slot) => (slot === 0 ? 2 * minute : minute),
    sequence: (slot) => (slot === 0 ? 1 : 7),
    failed: (slot) => slot === 0,
  },
  'one with a next instant': { ...same, nextAt: (slot) => (slot === 1 ? slotAt(5) : null) },
  'each different': {
    nextAt: (slot) => slotAt(2 + slot),
    timeout: (slot) => minute * (1 + slot),
    sequence: (slot) => 1 + slot,
    failed: (slot) => slot % 2 === 1,
  },
}

const counts = [1, 2, 4]
const schema = `shared_values_${process.pid}`
/** Four jobs for each test. All tests use one schema, because a schema takes longer to create than a test. */
const jobs = new Map<string, readonly JobId[]>()
let pool: pg.Pool
let storage: Storage

beforeAll(async () => {
  pool = new pg.Pool({ connectionString: inject('postgres').url, max: 4 })
  storage = postgresStorage({ pool, schema, wakeUps: false })
  for (const test of counts.flatMap((count) => Object.keys(batches).map((title) => `${count} ${title}`))) {
    const added = await Promise.all([1, 2, 3, 4].map((index) => addJob(storage, `${test} ${index}`)))
    jobs.set(
      test,
      added.map(({ id }) => id),
    )
  }
  // Drops `write_step`, so that calls cannot fall back to core's rules: a fallback would hide errors of the quick
  // functions.
  await pool.query(`DROP FUNCTION ${schema}.write_step`)
}, 60_000)

afterAll(async () => {
  await storage?.close()
  await pool?.query(`DROP SCHEMA IF EXISTS ${schema} CASCADE`)
  await pool?.end()
})

for (const count of counts) {
  for (const [title, { nextAt, timeout, sequence, failed }] of Object.entries(batches)) {
    it(`${count} in a call, ${title}: each keeps its own values, in the quick way`, async () => {
      const chosen = (jobs.get(`${count} ${title}`) ?? []).slice(-count)
      expect(chosen).toHaveLength(count)
      const slots = [...chosen.keys()].map((index) => 4 - count + index)
      const items = chosen.map((id, index): CreateSlot => {
        const slot = slots[index] as number
        return { ...slotItem(id, 1), nextAt: nextAt(slot), executionTimeoutMs: timeout(slot) }
      })
      for (const { outcome } of await storage.createOccurrences({ now: slotAt(1), owner, items })) {
        expect(outcome).toBe('created')
      }
      const ends = chosen.map((id, index): SettleItem => {
        const slot = slots[index] as number
        const end = failed(slot) ? (['failed', `reason ${slot}`] as const) : (['completed', null] as const)
        const change = { kind: 'finish', state: end[0], reason: end[1] as never } as const
        return { ...finishItem(id, 1), sequence: sequence(slot), change }
      })
      for (const { outcome } of await storage.settle({ now: slotAt(1) + 9, items: ends })) expect(outcome).toBe('ok')
      const found = await storage.get({ jobs: chosen, occurrences: items.map(({ id }) => id) })
      expect(found.jobs.map((job) => [job?.watermark, job?.nextAt])).toEqual(
        slots.map((slot) => [slotAt(1), nextAt(slot)]),
      )
      expect(found.occurrences).toMatchObject(
        slots.map((slot) => ({
          scheduledAt: slotAt(1),
          jobVersion: 1,
          executionTimeoutMs: timeout(slot),
          sequence: sequence(slot),
          state: failed(slot) ? 'failed' : 'completed',
          reason: failed(slot) ? `reason ${slot}` : null,
        })),
      )
    })
  }
}
