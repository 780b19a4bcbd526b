import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { OccurrenceId, Scheduler } from '@jobistemer/core'
import { expect, it, onTestFinished, vi } from 'vitest'
// Loads the modules before the first test, so that no test's time includes the slow first load.
import '../app/api/reports/route.ts'
import '../instrumentation.ts'
import '../jobs.ts'
import '../scheduler.ts'

const shared = globalThis as { jobs?: Promise<{ end(): Promise<void> }> | undefined }

/**
 * Sets the environment variables of a Next.js server: `NODE_ENV` is `mode`, and `JOBS_FILE` is a database in a new folder.
 * Returns the path of this database. When the test ends, ends the server's scheduler and removes the folder.
 */
function newServer(mode: 'production' | 'development' = 'production'): string {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-next-'))
  const file = join(folder, 'jobs.db')
  vi.stubEnv('JOBS_FILE', file)
  vi.stubEnv('NEXT_RUNTIME', 'nodejs')
  vi.stubEnv('NODE_ENV', mode)
  onTestFinished(async () => {
    await (await shared.jobs)?.end()
    shared.jobs = undefined
    vi.unstubAllEnvs()
    rmSync(folder, { recursive: true })
  })
  return file
}

/** Loads new copies of the modules, as Next.js does for each bundle. */
async function bundle() {
  vi.resetModules()
  const [{ register }, { jobs }, { POST }] = await Promise.all([
    import('../instrumentation.ts'),
    import('../scheduler.ts'),
    import('../app/api/reports/route.ts'),
  ])
  return { register, jobs, POST }
}

it('the Next.js server starts its jobs, its route triggers a job, and code in the edge runtime starts no jobs', async () => {
  newServer()
  const { register } = await bundle()
  const { jobs, POST } = await bundle()
  vi.stubEnv('NEXT_RUNTIME', 'edge')
  await register()
  await expect(jobs()).rejects.toThrow('instrumentation')
  vi.stubEnv('NEXT_RUNTIME', 'nodejs')
  await register()
  const body = JSON.stringify({ pages: 2 })
  const response = await POST(new Request('https://example.com/api/reports', { method: 'POST', body }))
  expect(response.status).toBe(202)
  const { id } = (await response.json()) as { readonly id: OccurrenceId }
  const scheduler = await jobs()
  expect((await scheduler.waitFor(id)).tasks[0]?.result).toEqual({ pages: 2 })
  // A second call of `register` starts no second node, because all copies of the module share one scheduler.
  await register()
  expect((await scheduler.nodes()).length).toBe(1)
})

it('if the first call of `register` in Next.js could not start the scheduler, the second call starts the scheduler', async () => {
  const file = newServer()
  writeFileSync(file, 'no database, but a text that is long enough to be looked at'.repeat(100))
  const { register } = await bundle()
  await expect(register()).rejects.toMatchObject({ code: expect.stringContaining('STORAGE_') })
  const { jobs } = await bundle()
  await expect(jobs()).rejects.toThrow('instrumentation')
  rmSync(file)
  await register()
  expect((await (await jobs()).trigger('report')).created).toBe(true)
})

it('after a reload of the Next.js code in development, old and new copies of the code use one new scheduler', async () => {
  newServer('development')
  const before = await bundle()
  await before.register()
  const old = await before.jobs()
  const after = await bundle()
  const young: Scheduler = await after.jobs()
  await expect(old.trigger('report')).rejects.toMatchObject({ code: 'SCHEDULER_STATE' })
  const { id } = await young.trigger('report')
  expect((await young.waitFor(id)).state).toBe('completed')
  expect(await before.jobs()).toBe(young)
  expect(await after.jobs()).toBe(young)
})
