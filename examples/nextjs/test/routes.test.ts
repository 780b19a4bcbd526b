import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OccurrenceId } from '@jobistemer/core'
import { expect, it, onTestFinished } from 'vitest'
import { POST } from '../app/api/reports/route.ts'
import { register } from '../instrumentation.ts'
import { jobs } from '../jobs.ts'

const ask = (pages: number) =>
  POST(new Request('https://example.com/api/reports', { method: 'POST', body: JSON.stringify({ pages }) }))

it('the server starts the jobs, and its route triggers one; the edge runtime has none', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-next-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  process.env.JOBS_FILE = join(folder, 'jobs.db')
  process.env.NEXT_RUNTIME = 'edge'
  await register()
  expect(jobs).toThrow('instrumentation')
  process.env.NEXT_RUNTIME = 'nodejs'
  await register()
  onTestFinished(() => jobs().shutdown())
  const response = await ask(2)
  expect(response.status).toBe(202)
  const { id } = (await response.json()) as { readonly id: OccurrenceId }
  expect((await jobs().waitFor(id)).tasks[0]?.result).toEqual({ pages: 2 })
  // A second copy of the module finds the same scheduler.
  await register()
})
