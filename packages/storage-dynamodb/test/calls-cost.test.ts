import { readFileSync } from 'node:fs'
import { createScheduler, defineJob } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { expect, inject, it } from 'vitest'
import { createTable, dynamodbStorage } from '../src/index.ts'
import { meteredClient, type Usage } from './metered-client.ts'
import { Minutely } from './minutely.ts'

const minuteMs = 60_000

/** Measures the cost of `runDue` calls, one per minute, after unmeasured calls that prepare the node and the job. */
async function measureCalls(minutesBetweenSlots: number, calls: number): Promise<{ usage: Usage; finished: number }> {
  const meter = meteredClient(inject('dynamodb'))
  await createTable({ client: meter.client, tableName: 'calls' })
  const clock = virtualClock('2026-01-01T00:00:30Z')
  const prefix = `every-${minutesBetweenSlots}`
  const job = defineJob({
    name: 'letters',
    schedule: new Minutely(minutesBetweenSlots),
    tasks: [{ name: 'send', run: () => 7 }],
  })
  let finished = 0
  // Each call uses a new storage and scheduler, as after a cold start.
  const call = async () => {
    const storage = dynamodbStorage({ client: meter.client, tableName: 'calls', prefix })
    const called = createScheduler({ storage, jobs: [job], clock }).runDue()
    await clock.advance(minuteMs)
    finished += (await called).finished
    await storage.close()
  }
  for (let count = 0; count < 1; count++) await call()
  finished = 0
  const usage = await meter.measure(async () => {
    for (let count = 0; count < calls; count++) await call()
  })
  meter.client.destroy()
  return { usage, finished }
}

const guide = readFileSync(new URL('../docs/guide.md', import.meta.url), 'utf8')

/** Returns the DynamoDB request units that the package's guide states for a month of `runDue` calls. */
function statedUnits(row: string): readonly number[] {
  const line = guide.split('\n').find((one) => one.startsWith(`| ${row} |`))
  return (line ?? '')
    .split('|')
    .slice(2, 4)
    .map((cell) => Number(cell.replaceAll(',', '')))
}

const callsAMonth = 43_200
const measuredCalls = 2

it.each([
  ['calls that find nothing due', 600, 0],
  ['calls with one run each', 1, measuredCalls],
])('the guide states the monthly cost of %s with an error below 10 %', async (row, minutes, runs) => {
  const { usage, finished } = await measureCalls(minutes, measuredCalls)
  expect(finished).toBe(runs)
  const perCall = [(usage.tableWrites + usage.indexWrites) / measuredCalls, usage.reads / measuredCalls]
  const stated = statedUnits(row)
  const measured = perCall.map((units) => units * callsAMonth)
  for (const [index, units] of measured.entries()) {
    expect(stated[index]).toBeGreaterThan(0.9 * units)
    expect(stated[index]).toBeLessThan(1.1 * units)
  }
})
