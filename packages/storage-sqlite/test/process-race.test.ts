import type { OccurrenceRecord, Storage } from '@jobistemer/core/storage'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { sqliteStorage } from '../src/index.ts'
import { Child } from '@jobistemer/test-kit'
import { addJob, minute, slotAt, start } from './job.ts'
import { makeScratch, type Scratch } from './scratch.ts'
import { byEffort } from '../../workspace/test-effort.ts'

const processCount = 8
const jobCount = 100
const rounds = byEffort(25)

let scratch: Scratch
let children: Child[]

beforeEach(() => {
  scratch = makeScratch()
  children = []
})

afterEach(async () => {
  for (const child of children) await child.kill()
  scratch.remove()
})

async function historyOf(storage: Storage, job: string): Promise<readonly OccurrenceRecord[]> {
  const page = await storage.listOccurrences({
    kind: 'job',
    jobId: job as `job_${string}`,
    order: 'ascending',
    limit: rounds + 1,
    cursor: null,
    runs: true,
  })
  expect(page.cursor).toBeNull()
  return page.items
}

it(`eight processes race for ${jobCount * rounds} occurrences: each is created, started and finished exactly once`, async () => {
  const storage = sqliteStorage({ file: scratch.file })
  const jobs: string[] = []
  for (let index = 0; index < jobCount; index++) jobs.push((await addJob(storage, `job-${index}`)).id)

  const module = new URL('./fixtures/race-child.mjs', import.meta.url)
  const setting = { file: scratch.file, jobs, rounds, start, periodMs: minute }
  for (let index = 0; index < processCount; index++) {
    children.push(new Child(module, { ...setting, node: `node-${index}` }))
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
  for (const job of jobs) {
    const history = await historyOf(storage, job)
    expect(history.map((record) => record.owner?.node)).toEqual(history.map(({ id }) => winners.get(id)))
    expect(history.map(({ scheduledAt }) => scheduledAt)).toEqual(
      Array.from({ length: rounds }, (_, index) => slotAt(index + 1)),
    )
    expect(history.every(({ state, token }) => state === 'completed' && token === 1)).toBe(true)
  }
  await storage.close()
})
