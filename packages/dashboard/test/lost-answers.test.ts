import { JobistemerError } from '@jobistemer/core'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { Dashboard } from '../src/index.ts'
import { leave, open, openBrowser, show, type TestBrowser } from './browser.ts'
import { createWorld, type World } from './world.ts'

let world: World
let browser: TestBrowser
let page: Page
let origin: string
/** The path of the action whose next answer is lost; `null` if no answer is lost. */
let lostPath: string | null = null
/** `true`: the lost request does not reach the dashboard either. */
let isRequestLost = false

/** Puts a gateway in front of a dashboard. The gateway answers 502 in place of the answer that a test loses. */
function behindGateway(dashboard: Dashboard): Dashboard {
  return async (request) => {
    const isDry = request.method === 'POST' && (await request.clone().text()).includes('dryRun')
    const isLost = lostPath !== null && !isDry && request.url.endsWith(lostPath)
    if (!isLost) return dashboard(request)
    lostPath = null
    if (!isRequestLost) await dashboard(request)
    return new Response('<h1>Bad gateway</h1>', { status: 502, headers: { 'content-type': 'text/html' } })
  }
}

beforeAll(async () => {
  world = await createWorld()
  browser = await openBrowser()
  page = browser.page
  origin = await world.serve(behindGateway(world.dashboard()))
})
afterEach(() => {
  isRequestLost = false
  // The browser logs each answer with an error status.
  browser.complaints()
})
afterAll(async () => {
  await leave(browser, origin)
  await browser?.close()
  await world.end()
})

const click = (name: string) => page.locator('dialog').getByRole('button', { name, exact: true }).click()
const runsOf = async (job: string) => (await world.client.occurrences({ job })).items

/** Waits until all runs of a job have ended. While a run is active, the overlap policy of the job skips requests. */
async function idle(job: string): Promise<void> {
  for (const { id } of await runsOf(job)) await world.client.waitFor(id)
}

async function openDialog(path: string, button: string): Promise<void> {
  await show(page, origin, path)
  await page.locator('dialog').waitFor({ state: 'detached' })
  await page.locator('main').getByRole('button', { name: button, exact: true }).click()
  await page.locator('dialog[open]').waitFor()
}

/** Opens a dialog without loading the page again, if the page is open. */
async function openDialogAgain(path: string, button: string): Promise<void> {
  if (!page.url().endsWith(path)) return openDialog(path, button)
  await page.locator('dialog').waitFor({ state: 'detached' })
  await page.locator('main').getByRole('button', { name: button, exact: true }).click()
  await page.locator('dialog[open]').waitFor()
}

const status = () => page.locator('dialog [role=status]').last()
const error = () => page.locator('dialog [role=alert]')

describe('a bulk action of the dashboard whose answer is lost', () => {
  it('is continued with the same key, so that each job runs once', async () => {
    await openDialog('/jobs?text=large', 'Run all')
    lostPath = '/api/bulk-jobs'
    await click('Run them')
    await error().waitFor()
    expect(await status().textContent()).toBe('At least 0 of 1 done, stopped')
    await click('Try again')
    await status().getByText('1 of 1 done.', { exact: true }).waitFor()
    expect(await error().count()).toBe(0)
    expect(await runsOf('large')).toHaveLength(1)
  })

  it('keeps its key if the user closes the dialog and opens it again', async () => {
    await leave(browser, origin)
    await idle('large')
    const before = (await runsOf('large')).length
    for (const lost of ['/api/bulk-jobs', null]) {
      await openDialogAgain('/jobs?text=large', 'Run all')
      lostPath = lost
      await click('Run them')
      await status()
        .getByText(lost === null ? '1 of 1 done.' : 'stopped')
        .waitFor()
      await click('Done')
    }
    expect(await runsOf('large')).toHaveLength(before + 1)
    await idle('large')
    await openDialogAgain('/jobs?text=large', 'Run all')
    await click('Run them')
    await status().getByText('1 of 1 done.').waitFor()
    expect(await runsOf('large')).toHaveLength(before + 2)
  })

  it('keeps its reason, and its count says that further items may be done', async () => {
    await openDialog('/jobs?tag=eu', 'Pause all')
    await page.getByLabel('Reason').fill('a move')
    lostPath = '/api/bulk-jobs'
    isRequestLost = true
    await click('Pause them')
    await error().waitFor()
    await click('Try again')
    await status().getByText('2 of 2 done.', { exact: true }).waitFor()
    const { items } = await world.client.jobs({ paused: true })
    expect(items.map(({ paused }) => paused?.reason)).toEqual(['a move', 'a move'])
    await click('Done')
    await openDialog('/jobs?tag=eu', 'Resume all')
    lostPath = '/api/bulk-jobs'
    isRequestLost = false
    await click('Resume them')
    await error().waitFor()
    await click('Try again')
    await status().getByText('At least 0 of 2 done.', { exact: true }).waitFor()
    expect((await world.client.jobs({ paused: true })).items).toEqual([])
  })
})

describe('a bulk action of the dashboard that an error of the storage stops', () => {
  it('shows how many jobs are done, and continues with the rest', async () => {
    let failures = 1
    const client = new Proxy(world.client, {
      get: (of, name) => {
        const member: unknown = Reflect.get(of, name)
        if (typeof member !== 'function') return member
        return (...values: unknown[]) =>
          name === 'trigger' && values[0] === 'hourly' && failures-- > 0
            ? Promise.reject(new JobistemerError('STORAGE_UNREACHABLE', { message: 'The line is dead.' }))
            : member.apply(of, values)
      },
    })
    const logger = { error: () => undefined }
    await open(page, await world.serve(world.dashboard({ client, logger })), '/jobs?tag=eu')
    const before = [await runsOf('hourly'), await runsOf('nightly-report')].flat().length
    await page.locator('main').getByRole('button', { name: 'Run all', exact: true }).click()
    await click('Run them')
    await error().getByText('The storage does not answer.').waitFor()
    expect(await status().textContent()).toBe('1 of 2 done, stopped')
    await click('Try again')
    await status().getByText('2 of 2 done.', { exact: true }).waitFor()
    expect([await runsOf('hourly'), await runsOf('nightly-report')].flat()).toHaveLength(before + 2)
  })
})

describe('a request for a run whose answer is lost', () => {
  const mayRun = 'The request may have started a run.'

  it('is repeated with the same key if the values are the same', async () => {
    await idle('hourly')
    await openDialog('/job?job=hourly', 'Run now')
    await page.getByRole('textbox', { name: 'Data' }).fill('{"amount": 10}')
    lostPath = '/api/trigger'
    await click('Run')
    await error().getByText(mayRun).waitFor()
    await click('Run')
    await page.waitForURL(/\/run\?run=occ_/)
    const runs = (await runsOf('hourly')).filter(({ input }) => input !== undefined)
    expect(runs.map(({ input }) => input)).toEqual([{ amount: 10 }])
  })

  it.each([
    ['Run now', 'Run', '/api/trigger', () => '/job?job=nightly-report'],
    [
      'Replay',
      'Replay',
      '/api/replay',
      async () => {
        const { id } = await world.client.trigger('nightly-report', { data: { amount: 1 } })
        await world.client.waitFor(id)
        return `/run?run=${id}`
      },
    ],
  ])('gets a new key in the dialog %s if the user changes the values', async (button, submit, path, place) => {
    await idle('nightly-report')
    const address = await place()
    const before = (await runsOf('nightly-report')).map(({ id }) => id)
    await openDialog(address, button)
    await page.getByRole('textbox', { name: 'Data' }).fill('{"amount": 1000}')
    lostPath = path
    await click(submit)
    await error().getByText(mayRun).waitFor()
    await idle('nightly-report')
    await page.getByRole('textbox', { name: 'Data' }).fill('{"amount": 5}')
    const earlier = page.url()
    await click(submit)
    await page.waitForURL((url) => url.pathname.endsWith('/run') && url.href !== earlier)
    const runs = (await runsOf('nightly-report')).filter(({ id }) => !before.includes(id))
    expect(runs).toHaveLength(2)
    expect(runs.map(({ input }) => input)).toEqual(expect.arrayContaining([{ amount: 1000 }, { amount: 5 }]))
  })

  it('that the dashboard has refused is shown without a remark about a run', async () => {
    await openDialog('/job?job=large', 'Run now')
    await page.getByLabel('Priority').fill('11')
    await click('Run')
    await error()
      .getByText(/priority is not/)
      .waitFor()
    expect(await error().textContent()).not.toContain(mayRun)
  })
})

describe('the button `Stop it` of a backfill', () => {
  it('shows the error if the dashboard does not stop the backfill', async () => {
    await openDialog('/job?job=rebuild', 'Backfill')
    await page.getByLabel('Which slots').selectOption('all')
    await click('Show what would run')
    await page
      .locator('dialog')
      .getByRole('button', { name: /^Run \d+ slots/ })
      .click()
    await page.getByRole('button', { name: 'Stop it' }).waitFor()
    lostPath = '/api/stop-backfill'
    isRequestLost = true
    await click('Stop it')
    await error().getByText('The server answered with status 502').waitFor()
    await click('Stop it')
    await page.locator('.notices').getByText('The backfill is stopped').waitFor()
  })
})
