import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { createClient, type RunDueReport } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { createTable, dynamodbStorage } from '@jobistemer/storage-dynamodb'
import { startDynamoDB } from '@jobistemer/test-servers'
import { expect, it, onTestFinished } from 'vitest'
import { functionOf, type ScheduledFunction } from '../src/function.ts'
import type { Work } from '../src/jobs.ts'

const tableName = 'jobs'

async function localTable(): Promise<DynamoDBClient> {
  const server = await startDynamoDB({ data: 'memory' })
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  const client = new DynamoDBClient({ endpoint: server.endpoint, region: 'local', credentials })
  onTestFinished(async () => {
    client.destroy()
    await server.stop()
  })
  await createTable({ client, tableName })
  return client
}

/** The platform's context 60 s before the platform would kill the function. */
const context = { getRemainingTimeInMillis: () => 60_000 }

it('overlapping calls of runDue in separate processes run each slot once, and the reports of all calls together count each run once', async () => {
  const client = await localTable()
  const clock = virtualClock('2026-01-01T04:29:30Z')
  const done: string[] = []
  const note = (what: string) => done.push(`${new Date(clock.now()).toISOString().slice(11, 19)} ${what}`)
  let reportsBegun = 0
  const work: Work = {
    sendDueLetters: async () => note('letters'),
    writeReport: async (day) => {
      note(`report of ${day.toISOString().slice(0, 10)}`)
      if (++reportsBegun === 1) throw new Error('the printer is out of paper')
    },
  }
  // Each function has its own scheduler, as if the function ran in a separate process.
  const processes: readonly ScheduledFunction[] = [1, 2].map(() => functionOf({ client, tableName, work, clock }))
  const reports: RunDueReport[] = []
  for (let minute = 0; minute < 7; minute++) {
    const calls = processes.map((call) => call({}, context))
    await clock.advance({ minutes: 1 })
    reports.push(...(await Promise.all(calls)))
  }
  // Two processes run the two jobs of 04:30, in any order.
  expect(done.toSorted()).toEqual([
    '04:30:30 letters',
    '04:30:30 report of 2026-01-01',
    '04:31:30 letters',
    '04:32:30 letters',
    '04:33:30 letters',
    '04:34:30 letters',
    '04:35:30 letters',
    // The first attempt of the report failed, and its retry runs 5 min later.
    '04:35:30 report of 2026-01-01',
  ])
  expect(reports.every(({ ended, leftBehind }) => ended === 'idle' && leftBehind === 0)).toBe(true)
  expect(reports.reduce((sum, { finished }) => sum + finished, 0)).toBe(7)
  const onlooker = createClient({ storage: dynamodbStorage({ client, tableName }), clock })
  const { items } = await onlooker.occurrences({ job: 'report' })
  expect(items.map(({ state }) => state)).toEqual(['completed'])
  // Nodes remove the node records of ended calls.
  expect((await onlooker.nodes()).length).toBeLessThanOrEqual(3)
  await onlooker.close()
})
