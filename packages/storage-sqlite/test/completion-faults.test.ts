import type { Storage, StorageWithin } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { addJob, finishItem, minute, owner, SeededRandom, slotAt, slotItem } from '@jobistemer/test-kit'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { FaultyConnection } from './faulty-connection.ts'
import { makeScratch, type Scratch } from './scratch.ts'

/** More for a night. */
const tries = Number(process.env.JOBISTEMER_COMPLETION_TRIES ?? 1_500)
const seed = Number(process.env.JOBISTEMER_COMPLETION_SEED ?? 1)

let scratch: Scratch
let app: Database.Database

beforeEach(() => {
  scratch = makeScratch()
  app = new Database(scratch.file)
  app.exec('CREATE TABLE moved (slot INTEGER NOT NULL)')
})

afterEach(() => {
  app.close()
  scratch.remove()
})

interface Tally {
  readonly violations: string[]
  committed: number
  refused: number
  faults: number
  late: number
}

/**
 * One owner after the other moves a row and completes in the same transaction, as the engine does, while statements fail,
 * owners are replaced, and errors are swallowed. The row and the completion have to be there together, or neither.
 */
async function play(connect: (storage: Storage) => Storage = (storage) => storage): Promise<Tally> {
  const storage = connect(sqliteStorage({ file: scratch.file, tablePrefix: 'jobs_', synchronous: 'normal' }))
  const faulty = new FaultyConnection(app)
  const random = new SeededRandom(seed)
  const tally: Tally = { violations: [], committed: 0, refused: 0, faults: 0, late: 0 }
  const { id: job } = await addJob(storage, 'move', 'queue')
  const note = app.prepare('INSERT INTO moved VALUES (?)')
  const noted = app.prepare('SELECT count(*) FROM moved WHERE slot = ?').pluck()
  for (let index = 1; index <= tries; index++) {
    const now = slotAt(index)
    await storage.createOccurrences({ now, owner, items: [slotItem(job, index)] })
    const item = { ...finishItem(job, index), change: { kind: 'progress' } } as const
    const isReplaced = random.chance(0.3)
    if (isReplaced) {
      await storage.reap({ now, items: [{ ...item, sequence: 0, runs: [], action: 'retry', reason: 'test' }] })
      const other = { node: 'node-b', incarnation: 'node-b-1' }
      await storage.claim({ now, owner: other, limit: 1, exceptHandlerKeys: [], sweep: false })
    }
    const swallows = random.chance(0.5)
    const dies = random.chance(0.1)
    app.exec('BEGIN IMMEDIATE')
    let isCommitted = false
    try {
      note.run(index)
      const within = storage.within?.(faulty.database) as StorageWithin
      if (random.chance(0.6)) faulty.failAfter(random.whole(0, 12))
      try {
        const [answer] = await within.settle({ now, items: [item] })
        if (answer?.outcome !== 'ok') throw new Error(`refused: ${answer?.outcome}`)
      } catch (error) {
        if (faulty.heal()) tally.faults++
        await within.forbidCommit()
        if (!swallows) throw error
      }
      faulty.heal()
      if (dies) throw new Error('the handler has thought better of it')
      app.exec('COMMIT')
      isCommitted = true
    } catch {
      if (app.inTransaction) app.exec('ROLLBACK')
    }
    const { occurrences } = await storage.get({ occurrences: [item.id] })
    const isCompleted = occurrences[0]?.runs[0]?.state === 'completed'
    const rows = noted.get(index) as number
    if (rows !== Number(isCompleted) || isCompleted !== isCommitted || (isReplaced && rows > 0)) {
      tally.violations.push(
        `slot ${index}: ${rows} rows, completed ${isCompleted}, committed ${isCommitted}, replaced ${isReplaced}`,
      )
    }
    if (isCommitted) tally.committed++
    else tally.refused++
    if (isReplaced) tally.late++
    const [record] = occurrences
    if (record == null) throw new Error('the occurrence is gone')
    const { token, sequence } = record
    const end = { ...finishItem(job, index), token, sequence: sequence + 1 }
    await storage.settle({ now: now + minute / 2, items: [end] })
  }
  await storage.close()
  return tally
}

it('a row and the end of its task are there together or not at all, whichever statement fails', async () => {
  const { violations, ...counts } = await play()
  expect(violations).toEqual([])
  // All kinds of course were taken.
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(tries / 20)
})

it('a storage that does not look at the token is found out', async () => {
  const { violations } = await play((storage) =>
    wrapStorage(storage, {
      within(transaction) {
        const within = storage.within?.(transaction) as StorageWithin
        return {
          ...within,
          async settle({ now, items }) {
            const { occurrences } = await storage.get({ occurrences: items.map(({ id }) => id) })
            const credulous = items.map((item, index) => ({ ...item, token: occurrences[index]?.token ?? item.token }))
            return await within.settle({ now, items: credulous })
          },
        }
      },
    }),
  )
  expect(violations.length).toBeGreaterThan(tries / 50)
})
