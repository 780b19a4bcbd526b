import { defineJob, type OccurrenceId } from '@jobistemer/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { accessibilityFindings, open, openBrowser, overflow, show, type TestBrowser } from './browser.ts'
import { isThorough } from '../../workspace/test-effort.ts'
import { oddNames } from './jobs.ts'
import { createWorld, type World } from './world.ts'

let world: World
let browser: TestBrowser
let origin: string
const runs: Record<string, OccurrenceId> = {}

beforeAll(async () => {
  world = await createWorld()
  const { client } = world
  const done = async (name: string, options: object = {}) => {
    const { id } = await client.trigger(name, { actor: 'anna', reason: 'a customer asked', ...options })
    await client.waitFor(id)
    return id
  }
  await done('nightly-report')
  runs.failed = await done('nightly-report', { data: { fail: true } })
  runs.deep = await done('deep-stack')
  runs.large = await done('large')
  for (const [kind, name] of Object.entries(oddNames)) runs[kind] = await done(name)
  const day = 86_400_000
  await client.backfill('hourly', { from: Date.now() - day, to: Date.now(), which: 'all' })
  await client.backfill('rebuild', { from: Date.now() - 3 * day, to: Date.now(), which: 'all' })
  await client.add(defineJob({ name: 'renamed-since', tasks: [{ name: 'only', handler: 'gone' }] }))
  await client.update('hourly', { tags: ['eu', 'changed'], retryPolicy: { maxRetries: 2 } })
  await client.pause('hourly', { actor: 'bob', reason: 'the disk is full', for: { hours: 8 } })
  runs.running = (await client.trigger('blocked')).id
  runs.queued = (await client.trigger('blocked')).id
  origin = await world.serve(world.dashboard())
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await world.end()
})

it('a job whose name is only white space has a link and a heading with the quoted name', async () => {
  const name = ' \t'
  await world.client.add(defineJob({ name, tasks: [{ name: 'only', handler: 'gone' }] }))
  const { page } = browser
  await open(page, origin, `/jobs?text=${encodeURIComponent(name)}`)
  await page.getByRole('link', { name: '" \\t"', exact: true }).click()
  await page.getByRole('heading', { name: '" \\t"', level: 1, exact: true }).waitFor()
  await world.client.remove(name)
})

const job = (name: string, tab = 'runs'): string => `/job?${new URLSearchParams({ job: name, tab })}`

/** Unusual states of views, each with a text that the view must show. Reference pictures cover the usual states. */
const views: readonly (readonly [string, () => string, string])[] = [
  ['jobs with all kinds of names', () => '/jobs', oddNames.markup],
  ['a job without code in the list', () => '/jobs', 'no code'],
  ['failures with all kinds of errors', () => '/failures', 'the disk is full'],
  ['jobs that match none', () => '/jobs?text=nothing-like-it', 'No job matches.'],
  ['a job without code', () => job('renamed-since'), 'jobistemer remove renamed-since'],
  ['a job without code in the overview', () => '/', 'no code'],
  ['a paused job', () => job('hourly'), 'the disk is full'],
  ['a run that is not there', () => '/run?run=none', 'Not found.'],
  ['a job that is not there', () => job('none'), 'Not found.'],
  ['a run that is not named', () => '/run', 'No run is named'],
  ['a job that is not named', () => '/job', 'No job is named'],
  ['a task that has not started', () => `/run?run=${runs.failed}&task=none`, 'Not found.'],
  ['a job of markup', () => job(oddNames.markup), oddNames.markup],
  ['a run of markup', () => `/run?run=${runs.markup}`, oddNames.markup],
  ['a job of 255 characters', () => job(oddNames.long), oddNames.long],
  ['a run of 255 characters', () => `/run?run=${runs.long}`, oddNames.long],
  ['a job from right to left', () => job(oddNames.rightToLeft), oddNames.rightToLeft],
  ['a run with a long error', () => `/run?run=${runs.deep}`, 'step99'],
  ['a job named like a path', () => job(oddNames.path), oddNames.path],
  ['a run with a large result', () => `/run?run=${runs.large}`, 'Save the whole'],
  ['queued runs', () => '/queue?state=queued', 'blocked'],
  ['search for a run', () => `/search?q=${runs.failed}`, 'nightly-report'],
]

/**
 * Views that differ only in texts from another entry of {@link views}, or from a view of which `pictures.test.ts` draws a
 * picture. `npm test` runs axe only on the other view, and still tests the width of these views.
 */
const sameElements: ReadonlySet<string> = new Set([
  'a job without code in the list',
  'failures with all kinds of errors',
  'queued runs',
  'search for a run',
  'a run of markup',
  'a run that is not there',
  'a run that is not named',
  'a task that has not started',
  'a job of 255 characters',
  'a job from right to left',
  'a job named like a path',
  'a run of 255 characters',
])

/** The sizes and color schemes in which the tests open each view. `npm test` uses only the first entry. */
const allLooks = [
  { width: 390, colorScheme: 'dark' },
  { width: 1280, colorScheme: 'light' },
  { width: 1280, colorScheme: 'dark' },
  { width: 390, colorScheme: 'light' },
] as const

const looks = isThorough ? allLooks : allLooks.slice(0, 1)

it.each(views)('the page of %s fits each width and follows the accessibility rules', async (name, path, text) => {
  const { page } = browser
  browser.complaints()
  await page.setViewportSize({ width: looks[0].width, height: 900 })
  await show(page, origin, path())
  for (const { width, colorScheme } of looks) {
    await page.setViewportSize({ width, height: 900 })
    await page.emulateMedia({ colorScheme })
    await page.getByText(text, { exact: false }).first().waitFor()
    const findings = isThorough || !sameElements.has(name) ? await accessibilityFindings(page) : []
    const overflowing = await overflow(page)
    expect({ width, colorScheme, findings, isTooWide: overflowing > 0 }).toEqual({
      width,
      colorScheme,
      findings: [],
      isTooWide: false,
    })
  }
  const complaints = browser.complaints()
  // For a missing job or run, the browser logs the answer 404.
  expect(complaints.filter((one) => text !== 'Not found.' || !one.includes('404'))).toEqual([])
})
