import type { OccurrenceId } from '@jobistemer/core'
import { redisStorage } from '@jobistemer/storage-redis'
import { sharedRedis } from '@jobistemer/test-servers'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import { accessibilityFindings, leave, openBrowser, settled, show, type TestBrowser } from './browser.ts'
import { createWorld, type World } from './world.ts'

let browser: TestBrowser
let redis: Awaited<ReturnType<typeof sharedRedis>>

beforeAll(async () => {
  browser = await openBrowser()
  if (isThorough) redis = await sharedRedis()
})
afterAll(async () => {
  await browser?.close()
  await redis?.stop()
})

/**
 * Waits until the page shows an element with this name, and then presses Tab until this element has the focus.
 * @throws Error after 150 presses
 */
async function tabTo(page: Page, name: string): Promise<void> {
  // 150 presses take less time than the page may need to show a button, for example after a run has ended.
  await page
    .getByRole('button', { name, exact: true })
    .or(page.getByRole('link', { name, exact: true }))
    .or(page.getByLabel(name, { exact: true }))
    .first()
    .waitFor()
  for (let count = 0; count < 150; count++) {
    await page.keyboard.press('Tab')
    const focused = (await page.evaluate(`(() => {
      const one = document.activeElement
      const label = one?.labels?.[0]?.textContent
      return (one?.getAttribute('aria-label') ?? label ?? one?.textContent ?? '').trim()
    })()`)) as string
    if (focused === name) return
  }
  throw new Error(`Nothing that is called ${name} can be reached with Tab.`)
}

async function press(page: Page, name: string): Promise<void> {
  await tabTo(page, name)
  await page.keyboard.press('Enter')
}

/** Presses a button, and waits until its dialog is open. */
async function opens(page: Page, name: string): Promise<void> {
  await press(page, name)
  await page.locator('dialog[open]').waitFor()
}

async function type(page: Page, field: string, text: string): Promise<void> {
  await tabTo(page, field)
  await page.keyboard.type(text)
}

/**
 * The storages to test: SQLite, and Redis too in `npm run test:extra`. `npm test` uses only SQLite, because the page
 * depends only on the client.
 */
const storages = {
  SQLite: () => createWorld(),
  ...(isThorough && {
    Redis: () =>
      createWorld({ storage: redisStorage({ url: redis.url, prefix: `dashboard-${process.pid}-${Date.now()}` }) }),
  }),
}

describe.each(Object.entries(storages))('the dashboard on the storage %s, used by keyboard alone,', (_, create) => {
  let world: World
  let origin: string
  let page: Page

  beforeAll(async () => {
    world = await create()
    origin = await world.serve(world.dashboard({ authorize: () => ({ actor: 'anna' }) }))
    page = browser.page
    browser.complaints()
  })
  afterAll(async () => {
    // A view that is still open would log that it cannot reach the ended server.
    await leave(browser, origin)
    await world.end()
  })

  const told = (text: string | RegExp) => page.locator('.notices').getByText(text).first().waitFor()
  const idOfPage = (): OccurrenceId => new URL(page.url()).searchParams.get('run') as OccurrenceId

  it('runs a job with data, shows errors in the entered data, and opens the page of the new run', async () => {
    await show(page, origin, '/job?job=nightly-report')
    await opens(page, 'Run now')
    await type(page, 'Data', '{"fail": ')
    await press(page, 'Run')
    await page.getByText('This is not JSON.').waitFor()
    if (isThorough) expect(await accessibilityFindings(page)).toEqual([])
    await page.keyboard.press('Escape')
    await page.locator('dialog').waitFor({ state: 'detached' })
    // After the dialog closes, the button that opened the dialog has the focus again.
    expect(await page.evaluate('document.activeElement.textContent')).toBe('Run now')
    await page.keyboard.press('Enter')
    await page.locator('dialog[open]').waitFor()
    await type(page, 'Data', '{"fail": true}')
    await type(page, 'Priority', '11')
    await type(page, 'Reason', 'a customer asked')
    await press(page, 'Run')
    await page
      .locator('dialog .form-error')
      .getByText(/priority is not .*: 11/)
      .waitFor()
    // The browser logs every answer with an error status, so `complaints` contains the answer 400.
    expect(browser.complaints()).toEqual([expect.stringContaining('400')])
    await tabTo(page, 'Priority')
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.type('7')
    await press(page, 'Run')
    await page.waitForURL(/\/run\?run=occ_/)
    await page.getByText('the disk is full').first().waitFor()
    const run = await world.client.waitFor(idOfPage())
    expect(run).toMatchObject({
      input: { fail: true },
      priority: 7,
      requestActor: 'anna',
      requestReason: 'a customer asked',
    })
  })

  it('replays a run from a chosen task on', async () => {
    const failed = idOfPage()
    await settled(page)
    await opens(page, 'Replay')
    await tabTo(page, 'From task')
    await page.keyboard.press('ArrowDown')
    await tabTo(page, 'Data')
    await page.keyboard.press('ControlOrMeta+a')
    await page.keyboard.type('{"fail": false}')
    await type(page, 'Priority', '-3')
    await press(page, 'Replay')
    await page.waitForURL((url) => url.searchParams.get('run') !== failed)
    const run = await world.client.waitFor(idOfPage())
    expect([run.replayOf, run.state, run.priority]).toEqual([failed, 'completed', -3])
    expect(run.tasks.map(({ name }) => name)).toEqual(['upload'])
    await page.getByText('an earlier run').waitFor()
  })

  it('pauses a job, and resumes the job', async () => {
    await show(page, origin, '/job?job=hourly')
    await opens(page, 'Pause')
    await type(page, 'Reason', 'the disk is full')
    await press(page, 'Pause')
    await told('hourly is paused.')
    await page.getByText(/Paused .* by anna: the disk is full/).waitFor()
    expect((await world.client.job('hourly')).paused).toMatchObject({
      actor: 'anna',
      reason: 'the disk is full',
      until: null,
    })
    await opens(page, 'Resume')
    await type(page, 'Reason', 'there is room')
    await press(page, 'Resume')
    await told('hourly is resumed.')
    await page.getByText(/Resumed .* by anna: there is room/).waitFor()
    const { paused, resumed } = await world.client.job('hourly')
    expect([paused, resumed?.actor, resumed?.reason]).toEqual([null, 'anna', 'there is room'])
  })

  it('cancels a slot, removes the slot from the list of next slots, and explains the slot', async () => {
    await show(page, origin, '/job?job=nightly-report&tab=upcoming')
    const [slot] = await world.client.nextRuns('nightly-report', 1)
    await opens(page, 'Cancel slot')
    await press(page, 'Cancel the slot')
    await told(/is canceled/)
    await page.locator(`ul.lines time[datetime="${slot?.toISOString()}"]`).first().waitFor({ state: 'detached' })
    const { occurrence } = await world.client.explain('nightly-report', slot as Date)
    expect([occurrence?.state, occurrence?.requestActor]).toEqual(['canceled', 'anna'])
    await press(page, 'Explain')
    await page.locator('.callout').getByText(/\w/).first().waitFor()
  })

  it('shows the plan of a backfill of a past day, starts the backfill, and shows its progress', async () => {
    await show(page, origin, '/job?job=hourly')
    await opens(page, 'Backfill')
    await tabTo(page, 'Which slots')
    await page.keyboard.press('End')
    await press(page, 'Show what would run')
    await page.getByText(/2[345] of 2[345] slots would run/).waitFor()
    const before = await world.client.occurrences({ job: 'hourly' })
    expect(before.items.filter(({ backfill }) => backfill !== null)).toEqual([])
    await tabTo(page, 'Back')
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    await page.getByText(/2[345] completed, 0 failed, 0 canceled, 0 under way, 0 to come/).waitFor({ timeout: 40_000 })
    await press(page, 'Close')
    await page.locator('dialog').waitFor({ state: 'detached' })
  })

  it('lets a user stop a backfill that another user started, and continue the backfill', async () => {
    const day = 86_400_000
    const span = { from: Date.now() - 5 * day, to: Date.now(), which: 'all' } as const
    const data = { table: 'orders' }
    await world.client.backfill('rebuild', { ...span, key: 'k', actor: 'bob', reason: 'rows are missing', data })
    const isRunning = async (): Promise<void> => {
      await show(page, origin, '/queue')
      await page.getByRole('link', { name: 'rebuild' }).waitFor()
    }
    await isRunning()
    await show(page, origin, '/backfills')
    await page.getByText('by bob: rows are missing').waitFor()
    await page.getByText('0 completed, 0 failed, 0 canceled, 1 under way, 4 to come.').waitFor()
    if (isThorough) expect(await accessibilityFindings(page)).toEqual([])
    await opens(page, 'Stop')
    await type(page, 'Reason', 'it is too slow')
    await press(page, 'Stop it')
    await told(/The backfill is stopped: \d canceled, 1 may end/)
    const running = (await world.client.live({ state: 'running' })).items.find(({ job }) => job === 'rebuild')
    await world.client.cancel(running?.id as OccurrenceId)
    await show(page, origin, '/job?job=rebuild&tab=backfills')
    await page.locator('.badge').getByText('stopped').waitFor()
    const [stopped] = (await world.client.occurrences({ job: 'rebuild', states: ['canceled'] })).items.filter(
      ({ reason }) => reason?.startsWith('backfill_stopped'),
    )
    expect([stopped?.reason, stopped?.cancelRequest?.actor]).toEqual(['backfill_stopped: it is too slow', 'anna'])
    await opens(page, 'Go on')
    await page.getByText('4 of its slots are still to be run.').waitFor()
    await press(page, 'Go on')
    await told('The backfill goes on.')
    await page.getByText('0 completed, 0 failed, 1 canceled, 1 under way, 3 to come.').waitFor()
    await isRunning()
    const again = (await world.client.live({ state: 'running' })).items.find(({ job }) => job === 'rebuild')
    expect([again?.requestActor, again?.input, again?.backfill?.key]).toEqual(['anna', data, 'k'])
    await world.client.stopBackfill('rebuild', 'k')
    await world.client.cancel(again?.id as OccurrenceId)
  })

  it('cancels a run in a dialog, which reports if another user has already canceled the run', async () => {
    const { id } = await world.client.trigger('blocked')
    const waiting = await world.client.trigger('blocked')
    await show(page, origin, `/run?run=${waiting.id}`)
    await opens(page, 'Cancel run')
    await tabTo(page, 'Reason')
    // Another user cancels the run while the request of this user is on its way. If the other user canceled the run before,
    // the page could read the run again and close the dialog before this user presses the button.
    await page.route(
      '**/api/cancel',
      async (route) => {
        await world.client.cancel(waiting.id)
        await route.continue()
      },
      { times: 1 },
    )
    await press(page, 'Cancel the run')
    await told(/Nothing was done: the run had already ended as canceled/)
    await show(page, origin, `/run?run=${id}`)
    await page.getByText('copying').first().waitFor()
    await opens(page, 'Cancel run')
    await press(page, 'Cancel the run')
    await told('Its node was asked to stop it.')
    const run = await world.client.waitFor(id)
    expect([run.state, run.cancelRequest?.actor]).toEqual(['canceled', 'anna'])
    await page.locator('.badges').getByText('canceled').first().waitFor()
  })

  // `npm test` tests this action in `lost-answers.test.ts`, and the keys in the dialog with the actions of the next test.
  it.runIf(isThorough)('lists all jobs that match the filter, and then pauses and resumes all these jobs', async () => {
    await show(page, origin, '/jobs?tag=eu')
    await opens(page, 'Pause all')
    await page.getByText('2 jobs').waitFor()
    expect((await world.client.jobs({ paused: true })).items).toEqual([])
    await type(page, 'Reason', 'a move')
    await press(page, 'Pause them')
    await page.getByText('2 of 2 done.').waitFor()
    await press(page, 'Done')
    expect((await world.client.jobs({ paused: true })).items.map(({ paused }) => paused?.reason)).toEqual([
      'a move',
      'a move',
    ])
    await opens(page, 'Resume all')
    await page.getByText('2 jobs').waitFor()
    await press(page, 'Resume them')
    await page.getByText('2 of 2 done.').waitFor()
    await press(page, 'Done')
    expect((await world.client.jobs({ paused: true })).items).toEqual([])
  })

  it('replays all failed runs of a job, and cancels all waiting runs', async () => {
    const failed = await world.client.trigger('nightly-report', { data: { fail: true } })
    await world.client.waitFor(failed.id)
    await show(page, origin, '/failures?of=nightly-report')
    await opens(page, 'Replay all')
    await page.getByText('1 failure').waitFor()
    await press(page, 'Replay them')
    await page.getByText('1 of 1 done.').waitFor()
    await press(page, 'Done')
    const first = await world.client.trigger('blocked')
    for (let count = 0; count < 3; count++) await world.client.trigger('blocked')
    await show(page, origin, '/queue?state=queued')
    await opens(page, 'Cancel all')
    await page.getByText('3 runs').waitFor()
    await press(page, 'Cancel them')
    await page.getByText('3 of 3 done.').waitFor()
    await press(page, 'Done')
    expect((await world.client.counts('blocked')).queued).toBe(0)
    await world.client.cancel(first.id)
    await world.client.waitFor(first.id)
  })

  // `npm test` tests this action in `lost-answers.test.ts`.
  it.runIf(isThorough)('creates one run for each job that matches the filter', async () => {
    await show(page, origin, '/jobs?text=large')
    await opens(page, 'Run all')
    await page.getByText('1 job', { exact: true }).waitFor()
    await press(page, 'Run them')
    await page.getByText('1 of 1 done.').waitFor()
    expect((await world.client.occurrences({ job: 'large' })).items).toHaveLength(1)
  })

  it('finds a job by the search, and opens a task from the grid with arrow keys', async () => {
    await show(page, origin, '/')
    await page.keyboard.press('/')
    await page.keyboard.type('nightly')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'Search for nightly' }).waitFor()
    await press(page, 'nightly-report')
    await page.getByRole('heading', { name: 'nightly-report' }).waitFor()
    await page.locator('.grid-cell').first().waitFor()
    await page.locator('.grid [tabindex="0"]').focus()
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('ArrowDown')
    await page.keyboard.press('Home')
    expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toMatch(
      /^upload: failed, 2 attempts/,
    )
    await page.keyboard.press('Enter')
    await page.waitForURL(/task=upload/)
    await page.goBack()
    await page.getByRole('heading', { name: 'nightly-report' }).waitFor()
  })

  it('shows changes on an open page without a reload', async () => {
    await show(page, origin, '/queue')
    const { id } = await world.client.trigger('blocked')
    await page.getByRole('link', { name: 'blocked' }).waitFor()
    await world.client.cancel(id)
    await page.getByText('Nothing runs at the moment.').waitFor()
  })

  it('causes no errors in the browser’s console', () => {
    expect(browser.complaints()).toEqual([])
  })
})
