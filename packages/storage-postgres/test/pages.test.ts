import type { OccurrenceQuery, OccurrenceRecord, Page } from '@jobistemer/core/storage'
import { addJob, minute, owner, slotAt, start, triggerItem } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { useSchemas } from './schemas.ts'

const { open, pool, query, schema: newSchema } = useSchemas()

it('a list of pending occurrences omits no occurrence while delayed occurrences become ready', async () => {
  const schema = newSchema()
  const storage = open({ pool: pool(), schema, wakeUps: false })
  const { id } = await addJob(storage, 'alpha', 'allow')
  const dueAt = slotAt(1) + 10 * minute
  const items = Array.from({ length: 600 }, (_, index) => ({ ...triggerItem(id, index, slotAt(1)), dueAt }))
  for (const some of [items.slice(0, 300), items.slice(300)]) {
    await storage.createOccurrences({ now: slotAt(1), owner, items: some })
  }
  const pageBehind = async (cursor: string | null): Promise<Page<OccurrenceRecord>> => {
    return await storage.listOccurrences({ kind: 'live', state: 'pending', runs: false, limit: 100, cursor })
  }
  const first = await pageBehind(null)
  const claim = { now: dueAt + 1, owner, limit: 1, exceptHandlerKeys: [], sweep: false }
  const { claimed } = await storage.claim(claim)
  const lanes = await query(`SELECT DISTINCT state FROM ${schema}.live ORDER BY state`)
  expect(lanes.map(({ state }) => state)).toContain(0)
  const seen = [...first.items]
  for (let { cursor } = first; cursor !== null; ) {
    const page = await pageBehind(cursor)
    seen.push(...page.items)
    cursor = page.cursor
  }
  const stayed = items.map((item) => item.id).filter((one) => claimed.every((record) => record.id !== one))
  expect(seen.map((record) => record.id)).toEqual(expect.arrayContaining(stayed))
  expect(new Set(seen.map((record) => record.id)).size).toBe(seen.length)
})

it('a page of occurrences has a cursor even if a prune removes the rows of the page right after the page was read', async () => {
  const schema = newSchema()
  const mine = pool({ max: 1 })
  const prune = `DELETE FROM ${schema}.history WHERE state = 5 AND scheduled_at < ${start} + 11500`
  const pruning = {
    connect: async () => {
      const connection = await mine.connect()
      return {
        release: () => connection.release(),
        query: async (text: string, values?: unknown[]) => {
          const answer = await connection.query(text, values)
          if (text.includes('LIMIT 10000')) await query(prune)
          return answer
        },
      }
    },
  }
  const storage = open({ pool: pruning, schema, wakeUps: false })
  const { id } = await addJob(storage, 'alpha', 'allow')
  await query(
    `INSERT INTO ${schema}.history (id, job, scheduled_at, state, kind, token, sequence, rescues, job_version, due_at, created_at,
       started_at, timeout, finished_at)
     SELECT gen_random_uuid(), $1, ${start} + n, CASE n WHEN 11999 THEN 7 ELSE 5 END, 0, 1, 1, 0, 1, ${start}, ${start}, ${start}, 60000, ${start}
       FROM generate_series(0, 11999) n`,
    [id.slice(4)],
  )
  const failed: OccurrenceQuery = {
    kind: 'job',
    jobId: id,
    states: ['failed'],
    order: 'ascending',
    runs: false,
    limit: 10,
    cursor: null,
  }
  const first = await storage.listOccurrences(failed)
  expect(first.items).toEqual([])
  expect((await query(`SELECT count(*)::int FROM ${schema}.history`))[0]).toEqual({ count: 500 })
  const second = await storage.listOccurrences({ ...failed, cursor: first.cursor ?? expect.fail('The list ends.') })
  expect(second.items.map(({ scheduledAt }) => scheduledAt)).toEqual([start + 11_999])
  expect(second.cursor).toBeNull()
})
