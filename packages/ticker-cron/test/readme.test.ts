import { expect, it } from 'vitest'
import { runReadmeExamples } from '../../workspace/readme-examples.ts'
import * as ticker from '../src/index.ts'

it('the examples of the README return the results that it shows', async () => {
  const run = await runReadmeExamples(new URL('../README.md', import.meta.url), { '@jobistemer/ticker-cron': ticker })
  expect(run.wrong).toEqual([])
  expect(run.compared).toBeGreaterThan(5)
})
