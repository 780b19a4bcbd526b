import * as core from '@jobistemer/core'
import * as testing from '@jobistemer/core/testing'
import * as memory from '@jobistemer/storage-memory'
import * as cron from '@jobistemer/ticker-cron'
import { expect, it } from 'vitest'
import { runReadmeExamples } from '../../workspace/readme-examples.ts'

it("the examples of core's README give what it says", async () => {
  const run = await runReadmeExamples(new URL('../../core/README.md', import.meta.url), {
    '@jobistemer/core': core,
    '@jobistemer/core/testing': testing,
    '@jobistemer/storage-memory': memory,
    '@jobistemer/ticker-cron': cron,
  })
  expect(run.wrong).toEqual([])
  expect(run.compared).toBeGreaterThan(8)
})
