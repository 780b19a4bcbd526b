import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import { accessibilityFindings, openBrowser, overflow, settled, show, type TestBrowser } from './browser.ts'
import { complaintAbout, differenceOf, keepDrawnBy, reduced } from './still/picture.ts'
import { createStillWorld, present, type StillWorld } from './still/world.ts'
import { basePath } from './world.ts'

/**
 * Timeout in ms that only ends a hook that hangs. The hook advances a node by 6 h of virtual time, which may take a minute on a
 * busy machine.
 */
const fillTimeoutMs = 180_000

let world: StillWorld
let browser: TestBrowser
let drawnBy: string

beforeAll(async () => {
  world = await createStillWorld()
  browser = await openBrowser()
  const agent = (await browser.page.evaluate('navigator.userAgent')) as string
  drawnBy = `Chromium ${/Chrome\/(\d+)/.exec(agent)?.[1]}`
  keepDrawnBy(drawnBy)
  await browser.page.clock.setFixedTime(present)
}, fillTimeoutMs)
afterAll(async () => {
  await browser?.close()
  await world?.end()
})

interface View {
  readonly name: string
  readonly path: () => string
  /** A CSS selector that matches an element once the view is complete. */
  readonly whole: string
  /** The number of elements that the selector `whole` must match. */
  readonly count?: number
  /** `true`: the test loads the page again, because the box for the search shows the search of the loaded page. */
  readonly isLoaded?: boolean
  /** Opens a dialog of the view, and fills in its form. */
  readonly opens?: (page: Page) => Promise<unknown>
}

const job = (name: string, tab = 'runs'): string => `/job?${new URLSearchParams({ job: name, tab })}`
const error = '.error-box'

const filled: readonly View[] = [
  { name: 'overview', path: () => '/', whole: '.lines' },
  { name: 'job-runs', path: () => job('nightly-report'), whole: '.grid-cell' },
  { name: 'jobs', path: () => '/jobs', whole: '.sparkline' },
  { name: 'job-upcoming', path: () => job('nightly-report', 'upcoming'), whole: '.calendar' },
  { name: 'run-failed', path: () => `/run?run=${world.runs.failed}`, whole: '.stack' },
  { name: 'job-backfills', path: () => job('rebuild-index', 'backfills'), whole: '.backfill' },
  { name: 'failures', path: () => '/failures', whole: 'tbody' },
  { name: 'job-versions', path: () => job('newsletter', 'versions'), whole: '.changes' },
  { name: 'run-running', path: () => `/run?run=${world.runs.running}`, whole: '.attempt' },
  { name: 'job-settings', path: () => job('thumbnails', 'settings'), whole: '.tasks' },
  { name: 'late', path: () => '/late', whole: 'tbody' },
  { name: 'queue', path: () => '/queue', whole: 'tbody' },
  { name: 'backfills', path: () => '/backfills', whole: '.backfill' },
  { name: 'nodes', path: () => '/nodes', whole: 'tbody' },
  { name: 'search', path: () => '/search?q=re', whole: '.lines', isLoaded: true },
  {
    name: 'dialog-run',
    isLoaded: true,
    path: () => job('nightly-report'),
    whole: '.grid-cell',
    opens: async (page) => {
      await page.getByRole('button', { name: 'Run now' }).click()
      await page.getByLabel('Data').fill('{"fail": ')
      await page.getByRole('button', { name: 'Run', exact: true }).click()
      await page.getByText('This is not JSON.').waitFor()
    },
  },
  {
    name: 'dialog-backfill',
    path: () => job('exchange-rates'),
    whole: '.grid-cell',
    opens: async (page) => {
      await page.getByRole('button', { name: 'Backfill' }).click()
      await page.getByLabel('Which slots').selectOption('all')
      await page.getByRole('button', { name: 'Show what would run' }).click()
      await page.getByText(/slots would run/).waitFor()
    },
  },
  {
    name: 'dialog-bulk',
    path: () => '/jobs?tag=eu',
    whole: '.sparkline',
    opens: async (page) => {
      await page.getByRole('button', { name: 'Pause all' }).click()
      await page.getByText(/Nothing was done yet/).waitFor()
    },
  },
  // This view must be the last one: its dialog stores a skipped run, and later pictures would show this run.
  {
    name: 'dialog-refused',
    path: () => job('exchange-rates', 'settings'),
    whole: '.tasks',
    opens: async (page) => {
      await page.getByRole('button', { name: 'Run now' }).click()
      await page.getByRole('button', { name: 'Run', exact: true }).click()
      await page.getByText('The request was skipped').waitFor()
    },
  },
]

const nothing: readonly View[] = [
  { name: 'overview', path: () => '/', whole: '.tiles' },
  { name: 'jobs', path: () => '/jobs', whole: '.empty' },
  { name: 'failures', path: () => '/failures', whole: '.empty' },
  { name: 'late', path: () => '/late', whole: '.empty' },
  { name: 'queue', path: () => '/queue', whole: '.empty' },
  { name: 'backfills', path: () => '/backfills', whole: '.empty' },
  { name: 'nodes', path: () => '/nodes', whole: '.empty' },
  { name: 'search', path: () => '/search?q=nothing', whole: '.empty' },
]

/** Views that have nothing to show for one job or one run, although the storage has data of other jobs. */
const partlyNothing: readonly View[] = [
  { name: 'job-runs', path: () => job('never-run'), whole: '.empty' },
  { name: 'job-upcoming', path: () => job('never-run', 'upcoming'), whole: '.empty' },
  { name: 'job-backfills', path: () => job('never-run', 'backfills'), whole: '.empty' },
  { name: 'run', path: () => `/run?run=${world.runs.queued}`, whole: '.empty' },
]

const failing: readonly View[] = [
  { name: 'overview', path: () => '/', whole: error, count: 2 },
  { name: 'jobs', path: () => '/jobs', whole: error },
  { name: 'job', path: () => job('nightly-report'), whole: error },
  { name: 'run', path: () => `/run?run=${world.runs.failed}`, whole: error },
  { name: 'failures', path: () => '/failures', whole: error },
  { name: 'late', path: () => '/late', whole: error },
  { name: 'queue', path: () => '/queue', whole: error },
  { name: 'backfills', path: () => '/backfills', whole: error },
  { name: 'nodes', path: () => '/nodes', whole: error },
  { name: 'search', path: () => '/search?q=re', whole: error },
]

const allLooks = [
  { width: 1280, height: 880, colorScheme: 'light', isWhole: true },
  { width: 1280, height: 880, colorScheme: 'dark', isWhole: false },
  { width: 390, height: 1000, colorScheme: 'dark', isWhole: true },
  { width: 390, height: 1000, colorScheme: 'light', isWhole: false },
] as const

type Look = (typeof allLooks)[number]
type Looks = readonly [Look, ...Look[]]

/**
 * Returns the sizes and color schemes in which the tests draw the view with this index. `npm test` draws each view in one of
 * the two entries with `isWhole`, and the next view in the other one.
 */
function looksOf(index: number): Looks {
  return isThorough ? allLooks : [index % 2 === 0 ? allLooks[0] : allLooks[2]]
}

/**
 * Returns the views of a state to test. In the states `empty` and `error`, every view consists of the same elements: the frame
 * of the page, the filters of the filled view, and boxes. So `npm test` uses one view of each of these states: `jobs` without data
 * in the width 390, and `overview` with errors in the width 1280.
 */
function viewsOf(
  state: 'filled' | 'empty' | 'error',
  views: readonly View[],
): readonly (readonly [string, View, number])[] {
  const all = views.map((view, index) => [view.name, view, index] as const)
  if (isThorough || state === 'filled') return all
  return all.filter(([name]) => name === (state === 'empty' ? 'jobs' : 'overview'))
}

/** Waits for two animation frames, and takes a screenshot of the visible part of the page. */
async function pictureOf(page: Page): Promise<Buffer> {
  await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))')
  return page.screenshot({ animations: 'disabled', caret: 'hide' })
}

describe.each([
  ['filled', 'filled', filled],
  ['empty', 'empty', nothing],
  ...(isThorough ? ([['empty', 'filled', partlyNothing]] as const) : []),
  ['error', 'error', failing],
] as const)('the dashboard in the state %s on the %s test storage', (state, origin, views) => {
  it.each(viewsOf(state, views))('looks like the reference picture of the page %s', async (name, view, index) => {
    const { page } = browser
    const looks = looksOf(index)
    await page.setViewportSize(looks[0])
    await page.emulateMedia(looks[0])
    browser.complaints()
    if (state === 'filled' && !view.isLoaded) await show(page, world.origins[origin], view.path())
    else await page.goto(`${world.origins[origin]}${basePath}${view.path()}`)
    await page.locator(state === 'error' ? '.live-away' : '.live-live').waitFor()
    await page
      .locator(view.whole)
      .nth((view.count ?? 1) - 1)
      // The list of jobs hides its sparklines on a narrow page.
      .waitFor({ state: 'attached' })
    await page.locator('.loading').first().waitFor({ state: 'detached' })
    await view.opens?.(page)
    const complaints = state === 'error' ? [] : [...browser.complaints()]
    for (const { width, height, colorScheme, isWhole } of looks) {
      await page.emulateMedia({ colorScheme })
      await page.setViewportSize({ width, height })
      const complaint = await complaintAbout(`${name}-${state}-${width}-${colorScheme}`, await pictureOf(page), drawnBy)
      if (complaint !== null) complaints.push(complaint)
      if ((await overflow(page)) > 0) complaints.push(`It is wider than ${width} pixels.`)
      // Both color schemes of a size show the same elements. So for the second scheme of a size, the test checks only the
      // contrast.
      const findings = await (isWhole ? accessibilityFindings(page) : accessibilityFindings(page, ['color-contrast']))
      for (const finding of findings) complaints.push(`${width}, ${colorScheme}: ${finding}`)
    }
    expect(complaints).toEqual([])
  })
})

describe('the comparison of pictures', () => {
  it('ignores that a reference picture has fewer colors, and detects a changed word, color or position', async () => {
    const { page } = browser
    await page.setViewportSize({ width: 1280, height: 880 })
    await page.emulateMedia({ colorScheme: 'light' })
    await page.goto(`${world.origins.filled}${basePath}/failures`)
    // Until the change stream is connected, the page shows `Connecting` in place of `Live`.
    await settled(page)
    await page.locator('tbody').waitFor()
    const before = await pictureOf(page)
    expect((await differenceOf(await reduced(before), before)).perMillion).toBeLessThan(5)
    await page.evaluate('window.earlier = document.body.cloneNode(true); undefined')
    for (const change of [
      `document.querySelector('.badge').lastChild.textContent = 'timed'`,
      `document.querySelector('.badge').className = 'badge tone-warn'`,
      `document.querySelector('h1').style.marginBottom = '17px'`,
      `document.querySelector('.main-nav a:nth-child(2)').remove()`,
    ]) {
      await page.evaluate(change)
      expect([change, (await differenceOf(before, await pictureOf(page))).perMillion > 60]).toEqual([change, true])
      await page.evaluate('document.body.replaceWith(window.earlier.cloneNode(true))')
    }
    expect((await differenceOf(before, await pictureOf(page))).perMillion).toBeLessThan(5)
  })
})
