import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { JobId } from '@jobistemer/core'
import { afterEach, beforeEach, expect, inject, it } from 'vitest'
import { createTable, dynamodbStorage } from '../src/index.ts'
import { Child } from '@jobistemer/test-kit'
import { addJob, minute, slotAt, start } from './job.ts'
import { localClient } from './local-client.ts'
import { byEffort } from '../../workspace/test-effort.ts'

const processCount = 8
// Every process wants every slot: so many times eight creates, of which seven lose.
const jobCount = 20
const rounds = byEffort(3)

const { endpoint } = inject('dynamodb')
let client: DynamoDBClient
let children: Child[] = []

beforeEach(async () => {
  client = localClient({ endpoint })
  await createTable({ client, tableName: 'race' })
})

afterEach(async () => {
  for (const child of children) await child.kill()
  children = []
  client?.destroy()
})

it(`eight processes race for ${jobCount * rounds} occurrences: each is created, started and finished exactly once`, {
  timeout: 600_000,
}, async () => {
  const storage = dynamodbStorage({ client, tableName: 'race' })
  const jobs: JobId[] = []
  for (let index = 0; index < jobCount; index++) jobs.push((await addJob(storage, `job-${index}`)).id)
  const place = { endpoint, tableName: 'race', prefix: 'jobistemer' }
  const module = new URL('./fixtures/race-child.mjs', import.meta.url)
  for (let index = 0; index < processCount; index++) {
    children.push(new Child(module, { place, jobs, rounds, start, periodMs: minute, node: `node-${index}` }))
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
    const history = { kind: 'job', jobId, order: 'ascending', limit: rounds + 1, cursor: null, runs: true } as const
    const { items, cursor } = await storage.listOccurrences(history)
    expect(cursor).toBeNull()
    expect(items.map((record) => record.owner?.node)).toEqual(items.map(({ id }) => winners.get(id)))
    expect(items.map(({ scheduledAt }) => scheduledAt)).toEqual(
      Array.from({ length: rounds }, (_, index) => slotAt(index + 1)),
    )
    expect(items.every(({ state, token }) => state === 'completed' && token === 1)).toBe(true)
  }
})
