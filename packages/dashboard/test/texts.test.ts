import { createClient, defineJob, silentLogger, systemClock } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import { createDashboard } from '../src/index.ts'
import { accessibilityFindings, open, openBrowser, overflow, settled, show, type TestBrowser } from './browser.ts'
import { basePath, createWorld, type World } from './world.ts'

let world: World
let browser: TestBrowser
let origin: string
let failed: string

beforeAll(async () => {
  world = await createWorld()
  const tasks = [{ name: 'only', handler: 'none' }]
  const schedule = cron('*/20 * * * * *', { timezone: 'Asia/Tokyo' })
  await world.client.add(defineJob({ name: 'every-20-seconds', schedule, overlapPolicy: 'allow', tasks }))
  const data = { fail: true, shop: 7 }
  failed = (await world.client.trigger('nightly-report', { data })).id
  await world.client.waitFor(failed as never)
  await world.client.waitFor((await world.client.trigger('deep-stack')).id)
  browser = await openBrowser()
  origin = await world.serve(world.dashboard())
})
afterAll(async () => {
  await browser?.close()
  await world.end()
})
beforeEach(async () => {
  await browser.page.setViewportSize({ width: 1280, height: 900 })
})

describe('on a page that is 390 pixels wide', () => {
  it.each(isThorough ? (['light', 'dark'] as const) : (['light'] as const))(
    'the text of an error is complete and fits into the window, in the %s color scheme',
    async (colorScheme) => {
      const { page } = browser
      await page.setViewportSize({ width: 390, height: 900 })
      await page.emulateMedia({ colorScheme })
      for (const path of ['/failures', '/', '/job?job=deep-stack']) {
        await show(page, origin, path)
        const line = page.locator('.error-line').filter({ hasText: 'long message' }).first()
        await line.waitFor()
        const { left, right, isWhole } = (await page.evaluate(`(() => {
        const one = [...document.querySelectorAll('.error-line')].find((line) => line.textContent.includes('long message'))
        const { left, right } = one.getBoundingClientRect()
        return { left, right, isWhole: one.scrollHeight <= one.clientHeight }
      })()`)) as { readonly left: number; readonly right: number; readonly isWhole: boolean }
        expect([path, left >= 0, right <= 390, right - left > 300, isWhole]).toEqual([path, true, true, true, true])
        expect(await overflow(page)).toBeLessThanOrEqual(0)
        // `npm test` runs axe on these views in `pictures.test.ts`.
        if (isThorough) expect(await accessibilityFindings(page)).toEqual([])
      }
    },
  )
})

describe('a dialog of the dashboard', () => {
  it('has only one button with the word cancel if it cancels a run', async () => {
    const { page } = browser
    const { id } = await world.client.trigger('blocked')
    await show(page, origin, `/run?run=${id}`)
    await page.getByRole('button', { name: 'Cancel run' }).click()
    expect(await page.locator('dialog .form-foot button').allTextContents()).toEqual(['Keep the run', 'Cancel the run'])
    await page.getByRole('button', { name: 'Keep the run' }).click()
    await page.locator('dialog').waitFor({ state: 'detached' })
    await show(page, origin, '/queue?state=running')
    await page.getByRole('button', { name: 'Cancel all' }).click()
    await page.getByText(/Nothing was done yet/).waitFor()
    expect(await page.locator('dialog .form-foot button').allTextContents()).toEqual(['Keep them', 'Cancel them'])
    await world.client.cancel(id)
  })

  it('contains the data of the run if it replays a run, and sends the changed data', async () => {
    const { page } = browser
    const replay = async (change: string | null) => {
      await show(page, origin, `/run?run=${failed}`)
      await page.getByRole('button', { name: 'Replay' }).click()
      const field = page.locator('dialog').getByLabel('Data')
      expect(JSON.parse(await field.inputValue())).toEqual({ fail: true, shop: 7 })
      if (change !== null) await field.fill(change)
      await page.locator('dialog').getByRole('button', { name: 'Replay' }).click()
      await page.waitForURL((url) => url.searchParams.get('run') !== failed)
      return (await world.client.waitFor(new URL(page.url()).searchParams.get('run') as never)).input
    }
    expect(await replay(null)).toEqual({ fail: true, shop: 7 })
    expect(await replay('{ "shop": 8 }')).toEqual({ shop: 8 })
  })

  it('that runs all jobs opens only after the user has set a filter', async () => {
    const { page } = browser
    await show(page, origin, '/jobs')
    await page.getByRole('button', { name: 'Run all' }).click()
    await page.getByText('Set a filter first').waitFor()
    expect(await page.locator('dialog .form-foot button').allTextContents()).toEqual(['Close'])
    await show(page, origin, '/jobs?text=large')
    await page.getByRole('button', { name: 'Run all' }).click()
    await page.getByRole('button', { name: 'Run them' }).waitFor()
  })
})

describe('the page of a job', () => {
  it('with a slot each 20 s shows no future day as past, and marks each day of which it does not show all slots', async () => {
    const { page } = browser
    await show(page, origin, '/job?job=every-20-seconds&tab=upcoming')
    const days = page.locator('.day')
    expect(await days.count()).toBe(35)
    const classes = (await page.evaluate(
      "[...document.querySelectorAll('.day')].map((day) => day.className)",
    )) as string[]
    const today = classes.findIndex((name) => name.includes('today'))
    expect(classes.slice(today).filter((name) => name.includes('past'))).toEqual([])
    expect(await days.last().textContent()).toMatch(/0 or more slots.*…$/)
    await page.getByText(/The calendar shows the next 500 slots, up to \d{4}-\d\d-\d\d \d\d:\d\d\./).waitFor()
  })

  it('shows all slots of a job with few slots, and marks no day of the calendar as incomplete', async () => {
    const { page } = browser
    await show(page, origin, '/job?job=nightly-report&tab=upcoming')
    await page.locator('.calendar').waitFor()
    expect(await page.locator('.calendar').textContent()).not.toContain('…')
  })

  it('shows the time zone of the schedule in its settings', async () => {
    const { page } = browser
    await show(page, origin, '/job?job=every-20-seconds&tab=settings')
    const zone = page.locator('.facts div').filter({ hasText: 'Timezone' })
    expect(await zone.locator('dd').textContent()).toBe('Asia/Tokyo')
  })
})

describe('an error in the dashboard', () => {
  it('is printed with a stack that does not repeat its name and its message', async () => {
    const { page } = browser
    await show(page, origin, `/run?run=${failed}`)
    await page.locator('.stack').first().waitFor()
    for (const stack of await page.locator('.stack').allTextContents()) expect(stack).toMatch(/^ +at /)
  })

  it('about an unavailable storage is shown in the banner, and not also in the lists of the page', async () => {
    const page = await browser.context.newPage()
    await page.clock.install()
    const state = { isAway: false }
    const storage = wrapStorage(sqliteStorage({ file: ':memory:' }), {
      around: async (call) => {
        if (state.isAway) throw new Error('the line is dead')
        return call.proceed()
      },
    })
    const client = createClient({ storage, callTimeout: 300, logger: silentLogger })
    const logger = { error: () => undefined }
    // The time in ms by which the test has moved the dashboard's clock ahead. The dashboard's survey, a cached read of all
    // jobs, is valid for 5 s. So after 15 s, the dashboard makes a new survey. The test also moves the page's clock by 15 s, so
    // that the page reads its data again.
    let passedMs = 0
    const clock = {
      ...systemClock,
      now: () => systemClock.now() + passedMs,
      monotonic: () => systemClock.monotonic() + passedMs,
    }
    const away = await world.serve(createDashboard({ client, basePath, authorize: () => true, logger, clock }))
    await open(page, away, '/')
    state.isAway = true
    await page.locator('.banner').waitFor()
    passedMs = 15_000
    await page.clock.fastForward(passedMs)
    await page.locator('.error-box').nth(1).waitFor()
    expect(await page.getByText('The storage does not answer.').count()).toBe(1)
    await page.close()
    await client.close()
    await storage.close()
  })
})

describe('a user of the dashboard without a session', () => {
  it.each(isThorough ? [390, 1280] : [390])(
    'signs in with the token on a page of %i pixels, and reaches the requested page',
    async (width) => {
      const { page } = browser
      const token = `a-token-of-one-page-of-${width}`
      const gate = await world.serve(world.dashboard({ authorize: undefined as never, token }))
      await page.setViewportSize({ width, height: 900 })
      expect((await page.goto(`${gate}${basePath}/jobs?text=hourly`))?.status()).toBe(401)
      await page.getByLabel('Token').fill('another-token-of-a-length')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByText('This is not the token of this dashboard.').waitFor()
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme })
        expect(await accessibilityFindings(page)).toEqual([])
      }
      expect(await overflow(page)).toBeLessThanOrEqual(0)
      await page.getByLabel('Token').fill(token)
      await page.keyboard.press('Enter')
      await settled(page)
      await page.locator('tbody').getByText('hourly').waitFor()
      expect(page.url()).toBe(`${gate}${basePath}/jobs?text=hourly`)
    },
  )

  it('can open the first page of a list after the cursor of another process was refused', async () => {
    const { page } = browser
    await show(page, origin, '/failures?cursor=another-process')
    await page.getByText('Begin at the first page').waitFor()
    await page.getByRole('button', { name: 'First page' }).first().click()
    await page.locator('tbody').getByText('deep-stack').first().waitFor()
  })
})

describe('the texts on the page of a job', () => {
  it('contain none of the unclear phrases `It is`, `Paused or not` and `code of its own`', async () => {
    const { page } = browser
    await show(page, origin, `/run?run=${failed}`)
    const text = (await page.locator('main').textContent()) ?? ''
    await show(page, origin, '/jobs')
    const jobs = (await page.locator('main').textContent()) ?? ''
    await show(page, origin, '/job?job=nightly-report&tab=settings')
    const settings = (await page.locator('main').textContent()) ?? ''
    expect([text, jobs, settings].join(' ')).not.toMatch(/It is|Paused or not|code of its own/)
    expect(settings).toContain('function of the job')
    expect(text).toContain('Kind')
  })
})
