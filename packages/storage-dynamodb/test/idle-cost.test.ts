import { readFileSync } from 'node:fs'
import { createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { expect, inject, it } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import { createTable, dynamodbStorage } from '../src/index.ts'
import { localClient } from './local-client.ts'
import { meteredClient } from './metered-client.ts'
import { Minutely } from './minutely.ts'

const tableName = 'idle'
const minutes = isThorough ? 5 : 2

/**
 * Returns the DynamoDB read request units of a node with `count` jobs in one hour without due slots, extrapolated from
 * some minutes.
 */
async function readsOfAnHour(count: number): Promise<number> {
  const meter = meteredClient(inject('dynamodb'))
  const plain = localClient(inject('dynamodb'))
  await createTable({ client: plain, tableName })
  let client: Pick<typeof plain, 'send'> = plain
  const chosen = { send: (...call: Parameters<typeof plain.send>) => client.send(...call) } as typeof plain
  const storage = dynamodbStorage({ client: chosen, tableName, prefix: `jobs-${count}` })
  const clock = virtualClock('2026-03-01T12:10:00Z')
  const jobs = Array.from({ length: count }, (_, index) =>
    defineJob({ name: `job-${index}`, schedule: new Minutely(14_400), tasks: [{ name: 'work', run: () => 1 }] }),
  )
  const scheduler = createScheduler({ storage, jobs, clock, logger: silentLogger })
  const starting = scheduler.start()
  await clock.advance({ minutes: 2 })
  await starting
  client = meter.client
  const { reads } = await meter.measure(() => clock.advance({ minutes }))
  client = plain
  const ending = scheduler.shutdown()
  await clock.advance({ minutes: 1 })
  await ending
  await storage.close()
  meter.client.destroy()
  plain.destroy()
  return reads * (60 / minutes)
}

const guide = readFileSync(new URL('../docs/guide.md', import.meta.url), 'utf8')

function statedReads(jobs: number): number {
  const row = guide.split('\n').find((line) => line.startsWith(`| ${jobs} | `))
  return Number((row ?? '').split('|')[2]?.replaceAll(',', ''))
}

it.each(isThorough ? [1, 25, 100] : [25])(
  'the guide states the hourly reads of an idle node with %i jobs with an error below 5 %',
  {
    timeout: 120_000,
  },
  async (jobs) => {
    const reads = await readsOfAnHour(jobs)
    expect(reads).toBeGreaterThan(0.95 * statedReads(jobs))
    expect(reads).toBeLessThan(1.05 * statedReads(jobs))
  },
)
