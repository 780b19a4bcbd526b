import { defineJob, systemClock } from '@jobistemer/core'
import { cron } from '@jobistemer/ticker-cron'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { accessibilityFindings, open, openBrowser, type TestBrowser } from './browser.ts'
import type { AuditEntry } from '../src/index.ts'
import { createWorld, jsonOf, post, type World } from './world.ts'

let world: World
let browser: TestBrowser
const audited: AuditEntry[] = []

beforeAll(async () => {
  world = await createWorld()
  const schedule = cron('* * * * *')
  for (const name of ['renamed', 'kept']) {
    await world.client.add(defineJob({ name, schedule, tasks: [{ name: 'only', handler: 'gone' }] }))
  }
  await world.client.trigger('renamed')
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await world?.end()
})

describe('a job without code', () => {
  it('that is also late has only one line in the overview, which states both problems', async () => {
    const clock = { ...systemClock, now: () => systemClock.now() + 10 * 60_000 }
    const origin = await world.serve(world.dashboard({ clock }))
    const { page } = browser
    await open(page, origin, '/')
    const section = page.locator('section', { hasText: 'Jobs that need a look' })
    const lines = section
      .getByRole('listitem')
      .filter({ has: page.getByRole('link', { name: 'renamed', exact: true }) })
    const line = lines.filter({ hasText: 'no code' })
    await line.waitFor()
    expect(await lines.count()).toBe(1)
    expect(await line.textContent()).toMatch(/no code.*late/)
  })

  it('is removed through a dialog that describes the effect of the removal', async () => {
    const authorize = () => ({ actor: 'anna' })
    const audit = (entry: AuditEntry): void => void audited.push(entry)
    const origin = await world.serve(world.dashboard({ authorize, audit }))
    const { page } = browser
    await open(page, origin, '/job?job=renamed')
    await page.getByRole('button', { name: 'Remove' }).click()
    const dialog = page.locator('dialog[open]')
    await dialog.getByText('A node that has the code stores the job again when it starts.').waitFor()
    expect(await dialog.textContent()).toContain('1 waiting run is canceled.')
    expect(await accessibilityFindings(page)).toEqual([])
    await dialog.getByLabel('Reason').fill('renamed in release 7')
    await dialog.getByRole('button', { name: 'Remove the job' }).click()
    await page.waitForURL(/\/jobs/)
    await page.locator('.notices').getByText('renamed is removed.').waitFor()
    await expect(world.client.job('renamed')).rejects.toMatchObject({ code: 'JOB_NOT_FOUND' })
    expect(audited).toMatchObject([
      { action: 'remove', job: 'renamed', actor: 'anna', reason: 'renamed in release 7', error: null },
    ])
  })

  it('is not removed by a user without the right to remove it', async () => {
    const dashboard = world.dashboard({ authorize: (_, { action }) => action !== 'remove' })
    expect((await post(dashboard, '/api/remove', { job: 'kept' })).status).toBe(403)
    await open(browser.page, await world.serve(dashboard), '/job?job=kept')
    await browser.page.getByRole('button', { name: 'Pause' }).waitFor()
    expect(await browser.page.getByRole('button', { name: 'Remove' }).count()).toBe(0)
  })
})

describe('a job whose code is on a living node', () => {
  it('is not removed by the dashboard', async () => {
    const answer = await post(world.dashboard(), '/api/remove', { job: 'hourly' })
    expect([answer.status, await jsonOf(answer)]).toMatchObject([409, { error: { code: 'JOB_HAS_CODE' } }])
    expect(await world.client.job('hourly')).toMatchObject({ name: 'hourly' })
  })

  it('has one notice about its pause on the page: after a resume, the notice says that the job is resumed', async () => {
    const { page } = browser
    await open(page, await world.serve(world.dashboard()), '/job?job=hourly')
    const press = async (button: string): Promise<void> => {
      await page.getByRole('button', { name: button, exact: true }).click()
      await page.locator('dialog[open]').getByRole('button', { name: button, exact: true }).click()
      await page.locator('dialog').waitFor({ state: 'detached' })
    }
    await press('Pause')
    await page.locator('.notices').getByText('hourly is paused.').waitFor()
    await press('Resume')
    await page.locator('.notices').getByText('hourly is resumed.').waitFor()
    expect(await page.locator('.notices').textContent()).not.toContain('is paused')
  })
})

describe('a request with a key in the dashboard', () => {
  it('blocks the key for as long as the key scope of the request says', async () => {
    const dashboard = world.dashboard()
    const ask = async (more: object) => {
      const asked = { job: 'hourly', key: 'order 7', ...more }
      return jsonOf<{ id: string; created: boolean }>(post(dashboard, '/api/trigger', asked))
    }
    const first = await ask({ keyScope: 'live' })
    expect(first).toMatchObject({ created: true })
    await world.client.waitFor(first.id as never)
    const second = await ask({ keyScope: 'live' })
    expect(second).toMatchObject({ created: true })
    expect(second.id).not.toBe(first.id)
    await world.client.waitFor(second.id as never)
    const forever = { job: 'hourly', key: 'order 8', keyScope: 'forever' }
    const kept = await ask(forever)
    await world.client.waitFor(kept.id as never)
    expect(await ask(forever)).toMatchObject({ id: kept.id, created: false })
    expect((await post(dashboard, '/api/trigger', { ...forever, keyScope: 'once' })).status).toBe(400)
  })
})
