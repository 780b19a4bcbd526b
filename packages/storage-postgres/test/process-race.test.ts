import type { JobId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { Child } from '@jobistemer/test-kit'
import { afterEach, expect, inject, it } from 'vitest'
import { addJob, minute, slotAt, start } from './job.ts'
import { useSchemas } from './schemas.ts'
import { byEffort } from '../../workspace/test-effort.ts'

const { open, pool, schema: newSchema } = useSchemas()

const processCount = 8
const jobCount = 100
const rounds = byEffort(20)

let children: Child[] = []

afterEach(async () => {
  for (const child of children) await child.kill()
  children = []
})

async function historyOf(storage: Storage, jobId: JobId) {
  const page = { limit: rounds + 1, cursor: null, runs: true }
  return await storage.listOccurrences({ kind: 'job', jobId, order: 'ascending', ...page })
}

it(`eight processes race for ${jobCount * rounds} occurrences: each is created, started and finished exactly once`, {
  timeout: 300_000,
}, async () => {
  const schema = newSchema()
  const storage = open({ pool: pool(), schema })
  const jobs: JobId[] = []
  for (let index = 0; index < jobCount; index++) jobs.push((await addJob(storage, `job-${index}`)).id)
  const module = new URL('./fixtures/race-child.mjs', import.meta.url)
  const options = { url: inject('postgres').url, schema, wakeUps: false }
  for (let index = 0; index < processCount; index++) {
    // In opposite orders: who locks in the order of the items waits for each other.
    const order = index % 2 === 0 ? jobs : jobs.toReversed()
    children.push(new Child(module, { options, jobs: order, rounds, start, periodMs: minute, node: `node-${index}` }))
  }
  const everyNext = () => Promise.all(children.map((child) => child.next()))
  await everyNext()
  for (let round = 1; round <= rounds; round++) {
    for (const child of children) child.process.send('go')
    await everyNext()
  }
  const reports = (await everyNext()) as readonly { readonly started: readonly string[] }[]

  const started = reports.flatMap((report) => report.started)
  expect(started).toHaveLength(jobCount * rounds)
  expect(new Set(started).size).toBe(jobCount * rounds)
  const winners = new Map(
    reports.flatMap((report, index) => report.started.map((id) => [id, `node-${index}`] as const)),
  )
  for (const jobId of jobs) {
    const { items, cursor } = await historyOf(storage, jobId)
    expect(cursor).toBeNull()
    expect(items.map((record) => record.owner?.node)).toEqual(items.map(({ id }) => winners.get(id)))
    expect(items.map(({ scheduledAt }) => scheduledAt)).toEqual(
      Array.from({ length: rounds }, (_, index) => slotAt(index + 1)),
    )
    expect(items.every(({ state, token }) => state === 'completed' && token === 1)).toBe(true)
  }
})
