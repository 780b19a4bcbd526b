import { type OccurrenceId, stateMeanings } from '@jobistemer/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type {
  BackfillsView,
  BulkAnswer,
  BulkPlan,
  GridPage,
  JobLine,
  JobView,
  Page,
  RunLine,
  RunView,
  SurveyView,
} from '../src/wire.ts'
import { open, openBrowser, type TestBrowser } from './browser.ts'
import { fillHistory } from './fill.ts'
import { ask, createWorld, jsonOf, post, type World } from './world.ts'

let world: World
let browser: TestBrowser

beforeAll(async () => {
  world = await createWorld()
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await world.end()
})

async function done(id: OccurrenceId): Promise<OccurrenceId> {
  await world.client.waitFor(id)
  return id
}

const read = <T>(path: string): Promise<T> => jsonOf<T>(ask(world.dashboard(), path))

/** Returns the first page of a job's runs, newest first. */
async function runsOf(job: string): Promise<readonly RunLine[]> {
  return (await read<Page<RunLine>>(`/api/history?job=${job}`)).items
}

describe('a slot that was canceled ahead', () => {
  it('is not shown as the next slot in the list of jobs, the page of the job, the calendar and the overview', async () => {
    const [first, second] = await world.client.nextRuns('nightly-report', 2)
    expect((await post(world.dashboard(), '/api/cancel-slot', { job: 'nightly-report', at: first })).status).toBe(200)
    const at = second?.toISOString()
    expect((await read<Page<JobLine>>('/api/jobs?text=nightly-report')).items[0]?.nextAt).toBe(at)
    expect((await read<JobView>('/api/job?job=nightly-report')).nextAt).toBe(at)
    expect((await read<readonly string[]>('/api/next?job=nightly-report'))[0]).toBe(at)
    const { upcoming } = await read<SurveyView>('/api/survey')
    expect(upcoming.find(({ job }) => job === 'nightly-report')?.at).toBe(at)
  })
})

describe('a replay of a failed run', () => {
  it('shows the slot of its original in the history, the grid and its own page, and resolves the failure', async () => {
    const fail = async () => done((await world.client.trigger('nightly-report', { data: { fail: true } })).id)
    const originals = [await fail(), await fail(), await fail()]
    const [first, second, third] = originals as [OccurrenceId, OccurrenceId, OccurrenceId]
    const { scheduledAt } = await world.client.occurrence(first)
    const run = await done((await world.client.replay(first, { data: {} })).id)
    const slot = scheduledAt.toISOString()
    const line = (await runsOf('nightly-report')).find(({ id }) => id === run)
    expect(line).toMatchObject({ slot, state: 'completed' })
    const grid = await read<GridPage>('/api/grid?job=nightly-report')
    expect(grid.runs.find(({ id }) => id === run)?.at).toBe(slot)
    expect(await read<RunView>(`/api/run?run=${run}`)).toMatchObject({ slot, replayOf: first })
    const failures = (await read<Page<RunLine>>('/api/failures?of=nightly-report')).items
    expect(failures.map(({ id }) => id)).toEqual([third, second])
    const all = (await read<Page<RunLine>>('/api/failures?of=nightly-report&resolved=true')).items
    expect(all.map(({ id, resolvedBy }) => [id, resolvedBy])).toEqual([
      [third, null],
      [second, null],
      [first, run],
    ])
  })

  it('is not requested by `replay all failures` if the failure is resolved or not selected', async () => {
    const filter = { of: 'nightly-report' }
    const dashboard = world.dashboard()
    const body = { action: 'replay', filter }
    const plan = await jsonOf<BulkPlan>(post(dashboard, '/api/bulk-runs', { ...body, dryRun: true }))
    const [third, second] = (await read<Page<RunLine>>('/api/failures?of=nightly-report')).items
    expect(plan).toMatchObject({
      count: 2,
      first: [third, second].map((run) => ({ run: run?.id, at: run?.scheduledAt, endedAt: run?.finishedAt })),
    })
    const { page } = browser
    await open(page, await world.serve(dashboard), '/failures?of=nightly-report')
    await page.getByRole('button', { name: 'Replay all' }).click()
    const boxes = page.getByRole('checkbox', { name: /nightly-report .* ended/ })
    await boxes.first().waitFor()
    expect(await boxes.count()).toBe(2)
    await boxes.first().uncheck()
    await page.getByRole('button', { name: 'Replay them' }).click()
    await page.getByText('1 of 1 done.').waitFor()
    const replays = (await runsOf('nightly-report')).filter(({ kind }) => kind === 'replay')
    expect((await read<RunView>(`/api/run?run=${replays[0]?.id}`)).replayOf).toBe(second?.id)
    // The replay has the data of its original, so it fails again.
    await done(replays[0]?.id as OccurrenceId)
    const { items } = await read<Page<RunLine>>('/api/failures?of=nightly-report')
    const none = { ...body, key: 'none', except: items.map(({ id }) => id) }
    expect(await jsonOf<BulkAnswer>(post(dashboard, '/api/bulk-runs', none))).toMatchObject({ done: 0, failed: [] })
    expect((await post(dashboard, '/api/bulk-runs', { ...none, except: 'all' })).status).toBe(400)
  })
})

describe('a backfill', () => {
  it('that has ended stays on the page of its job, with its result, and the runs of the backfill show their slots', async () => {
    const hourMs = 3_600_000
    const to = Math.floor(Date.now() / hourMs) * hourMs
    const span = { from: to - 3 * hourMs, to, which: 'all', key: 'three hours' } as const
    await world.client.backfill('hourly', span)
    let progress = await world.client.backfill('hourly', span)
    while (progress.completed < 3) {
      const { items } = await world.client.occurrences({ job: 'hourly', states: ['pending', 'running'] })
      for (const { id } of items) await world.client.waitFor(id)
      progress = await world.client.backfill('hourly', span)
    }
    const { items } = await read<BackfillsView>('/api/backfills?of=hourly')
    expect(items).toMatchObject([
      { key: 'three hours', state: 'ended', endedAt: expect.any(String), progress: { completed: 3, open: 0, live: 0 } },
    ])
    const slots = [1, 2, 3].map((hours) => new Date(to - hours * hourMs).toISOString())
    const runs = (await runsOf('hourly')).filter(({ isBackfill }) => isBackfill)
    expect(runs.map(({ slot }) => slot)).toEqual(slots)
    const { runs: columns } = await read<GridPage>('/api/grid?job=hourly')
    expect(columns.slice(0, 3).map(({ at }) => at)).toEqual(slots)
    const { page } = browser
    await open(page, await world.serve(world.dashboard()), '/job?job=hourly&tab=backfills')
    await page.getByText('3 completed, 0 failed, 0 canceled').waitFor()
  })
})

it('the page of a job with more than 2,000 ended runs says that it does not show older backfills', async () => {
  expect(await read<BackfillsView>('/api/backfills?of=hourly')).toMatchObject({ readRuns: null })
  await fillHistory(world.storage, { job: 'large', tasks: ['only'], runs: 2001, last: Date.now() - 3_600_000 })
  expect(await read<BackfillsView>('/api/backfills?of=large')).toMatchObject({ readRuns: 2000 })
  const { page } = browser
  await open(page, await world.serve(world.dashboard()), '/job?job=large&tab=backfills')
  await page.getByText('older than the latest 2,000 ended runs').waitFor()
})

it('the dashboard explains states of runs in a tooltip, and in a legend below each list of runs', async () => {
  const { page } = browser
  await open(page, await world.serve(world.dashboard()), '/job?job=nightly-report')
  await page.locator(`.badge[title="${stateMeanings.completed}"]`).first().waitFor()
  await page.getByText('What the states mean').click()
  for (const meaning of Object.values(stateMeanings)) await page.getByText(meaning, { exact: true }).waitFor()
})
