import { expect, it } from 'vitest'
import { runReadmeExamples } from '../../workspace/readme-examples.ts'
import * as ticker from '../src/index.ts'

it('the examples in the README of ticker-once return the results that the README shows', async () => {
  const run = await runReadmeExamples(new URL('../README.md', import.meta.url), { '@jobistemer/ticker-once': ticker })
  expect(run.wrong).toEqual([])
  expect(run.compared).toBeGreaterThan(5)
})
