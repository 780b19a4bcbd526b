import type { OccurrenceRecord, Page } from '@jobistemer/core/storage'
import { addJob, minute, owner, slotAt, triggerItem } from '@jobistemer/test-kit'
import { expect, it } from 'vitest'
import { useSchemas } from './schemas.ts'

const { open, pool, query, schema: newSchema } = useSchemas()

it('pages of what is pending pass over nothing while delayed ones become ready', async () => {
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
