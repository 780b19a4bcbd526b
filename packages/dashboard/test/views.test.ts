import type { OccurrenceId } from '@jobistemer/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accessibilityFindings, open, openBrowser, overflow, type TestBrowser } from './browser.ts'
import { isThorough } from './effort.ts'
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

const job = (name: string, tab = 'runs'): string => `/job?${new URLSearchParams({ job: name, tab })}`

/** Each view, with a text that it has to show. */
const views: readonly (readonly [string, () => string, string])[] = [
  ['overview', () => '/', 'Jobs that need a look'],
  ['jobs', () => '/jobs', 'nightly-report'],
  ['jobs that match none', () => '/jobs?text=nothing-like-it', 'No job matches.'],
  ['a job', () => job('nightly-report'), 'Exports what was sold'],
  ['a paused job', () => job('hourly'), 'the disk is full'],
  ['what is to come', () => job('hourly', 'upcoming'), 'Next slots'],
  ['versions', () => job('hourly', 'versions'), 'Version 2, in force'],
  ['settings', () => job('nightly-report', 'settings'), 'Overlap policy'],
  ['a job without slots', () => job('large', 'upcoming'), 'it runs on request'],
  ['a job that is not there', () => job('none'), 'Not found.'],
  ['a run that is not there', () => '/run?run=none', 'Not found.'],
  ['a job that is not named', () => '/job', 'No job is named'],
  ['a run that is not named', () => '/run', 'No run is named'],
  ['a task that has not started', () => `/run?run=${runs.failed}&task=none`, 'Not found.'],
  ['a job of markup', () => job(oddNames.markup), oddNames.markup],
  ['a job of 255 characters', () => job(oddNames.long), oddNames.long],
  ['a job from right to left', () => job(oddNames.rightToLeft), oddNames.rightToLeft],
  ['a job named like a path', () => job(oddNames.path), oddNames.path],
  ['a failed run', () => `/run?run=${runs.failed}`, 'the disk is full'],
  ['a run with a long error', () => `/run?run=${runs.deep}`, 'step99'],
  ['a run with a large result', () => `/run?run=${runs.large}`, 'Save the whole'],
  ['a running run', () => `/run?run=${runs.running}`, 'copying'],
  ['a queued run', () => `/run?run=${runs.queued}`, 'No task has started yet.'],
  ['a run of markup', () => `/run?run=${runs.markup}`, oddNames.markup],
  ['a run of 255 characters', () => `/run?run=${runs.long}`, oddNames.long],
  ['failures', () => '/failures', 'the disk is full'],
  ['late jobs', () => '/late', 'Every slot that was due'],
  ['backfills', () => '/backfills', 'all slots, oldest first'],
  ['backfills of a job', () => job('rebuild', 'backfills'), 'all slots, oldest first'],
  ['a job without backfills', () => job('large', 'backfills'), 'No backfill of it runs'],
  ['queue', () => '/queue', 'blocked'],
  ['what is queued', () => '/queue?state=queued', 'blocked'],
  ['nodes', () => '/nodes', 'worker-1'],
  ['search', () => '/search?q=night', 'nightly-report'],
  ['search for a run', () => `/search?q=${runs.failed}`, 'nightly-report'],
]

const looks = [
  [1280, 'light'],
  [390, 'dark'],
  ...(isThorough
    ? ([
        [1280, 'dark'],
        [390, 'light'],
      ] as const)
    : []),
] as const

describe.each(looks)('%i pixels wide, %s', (width, colorScheme) => {
  beforeAll(async () => {
    await browser.page.setViewportSize({ width, height: 900 })
    await browser.page.emulateMedia({ colorScheme })
  })

  it.each(views)('%s', async (_, path, text) => {
    const { page } = browser
    // The page before may still read, and be told of what is not there.
    await page.goto('about:blank')
    browser.complaints()
    await open(page, origin, path())
    const shown = page.getByText(text, { exact: false }).first()
    await shown.waitFor()
    expect(await overflow(page)).toBeLessThanOrEqual(0)
    expect(await accessibilityFindings(page)).toEqual([])
    const complaints = browser.complaints()
    // What is not there is answered with 404, which the browser notes.
    expect(complaints.filter((one) => text !== 'Not found.' || !one.includes('404'))).toEqual([])
  })
})
