import type { OccurrenceId } from '@jobistemer/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import type { AuditEntry } from '../src/index.ts'
import type { BulkAnswer, Page, RunLine } from '../src/wire.ts'
import { accessibilityFindings, openBrowser, overflow, show, type TestBrowser } from './browser.ts'
import { ask, createWorld, jsonOf, post, type World } from './world.ts'

let world: World
let browser: TestBrowser
let origin: string
const runs: OccurrenceId[] = []

beforeAll(async () => {
  world = await createWorld()
  browser = await openBrowser()
  origin = await world.serve(world.dashboard())
})
afterAll(async () => {
  for (const id of runs) await world.client.cancel(id)
  await browser?.close()
  await world.end()
})

async function started(): Promise<OccurrenceId> {
  const { id } = await world.client.trigger('blocked')
  runs.push(id)
  return id
}

/**
 * Submits the form of a dialog, and returns the error that the dialog shows. Checks that the error is visible in
 * a window of 390 pixels, and of 1280 pixels in `npm run test:extra`.
 */
async function errorOf(button: string, submit: string): Promise<string> {
  const { page } = browser
  await page.locator('main').getByRole('button', { name: button, exact: true }).click()
  await page.locator('dialog').getByRole('button', { name: submit, exact: true }).click()
  const error = page.locator('dialog .form-error')
  await error.waitFor()
  for (const width of isThorough ? [390, 1280] : [390]) {
    await page.setViewportSize({ width, height: 900 })
    await error.scrollIntoViewIfNeeded()
    const box = await error.boundingBox()
    expect([width, (box?.x ?? -1) >= 0, (box?.x ?? 0) + (box?.width ?? 0) <= width]).toEqual([width, true, true])
    expect(await overflow(page)).toBeLessThanOrEqual(0)
  }
  // The dialogs for one job have the elements of the dialog `Run now`, of which `pictures.test.ts` runs axe.
  if (isThorough || button === 'Run all') expect(await accessibilityFindings(page)).toEqual([])
  expect(await error.getAttribute('role')).toBe('alert')
  return (await error.textContent()) ?? ''
}

const skipped =
  'The request was skipped and does not run: another run of the job is active, and its overlapPolicy is skip.'

describe('a request to run a job that the overlap policy skips', () => {
  let ended: OccurrenceId
  beforeAll(async () => {
    ended = await started()
    await world.client.cancel(ended)
    await world.client.waitFor(ended)
    await world.client.update('blocked', { overlapPolicy: 'skip' })
    await started()
  })

  it.each([
    ['Run now', 'Run', () => '/job?job=blocked'],
    ['Replay', 'Replay', () => `/run?run=${ended}`],
  ])('is reported as an error in the dialog %s, and the dialog stays open', async (button, submit, path) => {
    await show(browser.page, origin, path())
    expect(await errorOf(button, submit)).toBe(`${skipped} Repeat the request when the active run has ended.`)
    expect(await browser.page.locator('dialog[open]').count()).toBe(1)
  })

  it('is reported as an error in the dialog Run all, with the name of the job', async () => {
    await show(browser.page, origin, '/jobs?text=blocked')
    expect(await errorOf('Run all', 'Run them')).toBe(`Nothing was done for:blocked: ${skipped}`)
    await browser.page.getByText('0 of 1 done, 1 refused.').waitFor()
  })

  it('is marked as skipped in the list of runs, and on the page of the run', async () => {
    const { page } = browser
    const { items } = await jsonOf<Page<RunLine>>(ask(world.dashboard(), '/api/history?job=blocked&states=skipped'))
    expect(items).toHaveLength(3)
    await show(page, origin, '/job?job=blocked')
    await page.locator('.error-line').getByText('The request did not run.').first().waitFor()
    expect(await page.locator('.error-line').getByText('The request did not run.').count()).toBe(3)
    await show(page, origin, `/run?run=${items[0]?.id}`)
    await page.locator('.callout').getByText('The request did not run.').waitFor()
  })
})

describe('a request to run a job whose queue is full', () => {
  beforeAll(async () => {
    await world.client.update('blocked', {
      overlapPolicy: 'queue',
      maxQueued: 1,
    })
    await started()
  })

  it('is answered with 429 and QUEUE_FULL, and is reported to the audit', async () => {
    const told: AuditEntry[] = []
    const dashboard = world.dashboard({
      audit: (entry) => void told.push(entry),
    })
    const response = await post(dashboard, '/api/trigger', { job: 'blocked' })
    expect([response.status, await response.json()]).toEqual([
      429,
      {
        error: {
          code: 'QUEUE_FULL',
          message: expect.stringContaining('maxQueued is 1'),
          field: 'maxQueued',
        },
      },
    ])
    const body = { action: 'trigger', key: 'all', filter: { text: 'blocked' } }
    expect(await jsonOf<BulkAnswer>(post(dashboard, '/api/bulk-jobs', body))).toMatchObject({
      done: 0,
      failed: [{ what: 'blocked', message: expect.stringContaining('maxQueued is 1') }],
    })
    expect(told.map(({ job, error }) => [job, error])).toEqual([
      ['blocked', 'QUEUE_FULL'],
      ['blocked', 'QUEUE_FULL'],
    ])
  })

  it('is reported as an error in the dialogs Run now and Run all', async () => {
    const text = 'The queue of job "blocked" is full: maxQueued is 1. The request is not stored.'
    await show(browser.page, origin, '/job?job=blocked')
    expect(await errorOf('Run now', 'Run')).toContain(text)
    await show(browser.page, origin, '/jobs?text=blocked')
    expect(await errorOf('Run all', 'Run them')).toContain(`blocked: ${text}`)
  })
})
