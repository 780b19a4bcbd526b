import { createClient, type OccurrenceId } from '@jobistemer/core'
import { Child } from '@jobistemer/test-kit'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type AppWorld, makeAppWorld } from './world.ts'

/** The points in the handler at which a node kills itself. */
const points = ['called', 'begun', 'moved', 'completed', 'committed'] as const

/** Number of rounds in which the test kills nodes. The environment variable can raise this number. */
const rounds = Number(process.env.JOBISTEMER_COMPLETION_KILLS ?? 1)

let world: AppWorld
let child: Child | null = null

beforeEach(() => {
  world = makeAppWorld()
  world.app.exec('CREATE TABLE moved (id TEXT NOT NULL, token INTEGER NOT NULL)')
})

afterEach(async () => {
  await child?.kill()
  await world.remove()
})

function start(dieAt: string | null, after: number): Child {
  const module = new URL('./fixtures/completing-child.mjs', import.meta.url)
  return new Child(module, { file: world.file, dieAt, after })
}

function rowsOf(id: OccurrenceId): readonly number[] {
  return world.app.prepare('SELECT token FROM moved WHERE id = ?').pluck().all(id) as number[]
}

it('a handler’s row and the end of its task are both stored or both missing after kill -9 between any two statements', async () => {
  // The first process stores the job.
  child = start(null, 0)
  await child.next()
  await child.kill()
  const storage = world.connect()
  const client = world.keep(createClient({ storage }))
  const items = Array.from({ length: 5 * points.length * rounds }, () => ({ job: 'move' }))
  const asked = await client.triggerMany(items)
  const ids = asked.map((answer) => (answer.error === null ? answer.id : (undefined as never)))

  /** Checks the file while no process runs. Returns the number of ended occurrences. */
  async function look(): Promise<number> {
    const { occurrences } = await storage.get({ occurrences: ids })
    for (const [index, record] of occurrences.entries()) {
      const [run] = record?.runs ?? []
      const results = run?.state === 'completed' ? [run.result] : []
      expect(rowsOf(ids[index] as OccurrenceId)).toEqual(results)
    }
    return occurrences.filter((record) => record?.state === 'completed').length
  }

  let deaths = 0
  for (let round = 0; round < rounds; round++) {
    for (const [index, point] of points.entries()) {
      child = start(point, (index + round) % 3)
      await child.ended()
      expect(child.process.signalCode).toBe('SIGKILL')
      deaths++
      await look()
    }
  }
  child = start(null, 0)
  while ((await client.occurrences({ job: 'move', states: ['completed'], limit: 10_000 })).items.length < ids.length) {
    await child.next()
  }
  await child.kill()
  expect(await look()).toBe(ids.length)
  expect(world.app.prepare('SELECT count(DISTINCT id), count(*) FROM moved').raw().get()).toEqual([
    ids.length,
    ids.length,
  ])
  expect(deaths).toBe(points.length * rounds)
})
