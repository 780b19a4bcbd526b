import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { defineJob, type OccurrenceId } from '@jobistemer/core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import { nodeListener } from '../src/node.ts'
import {
  accessibilityFindings,
  leave,
  open,
  openBrowser,
  overflow,
  settled,
  show,
  type TestBrowser,
} from './browser.ts'
import { largeResult } from './jobs.ts'
import { basePath, createWorld, type World } from './world.ts'

let world: World
let browser: TestBrowser
const runs: Record<string, OccurrenceId> = {}

beforeAll(async () => {
  world = await createWorld()
  const { client } = world
  runs.failed = (await client.trigger('nightly-report', { data: { fail: true, card: 'secret-card' } })).id
  runs.large = (await client.trigger('large')).id
  for (const id of Object.values(runs)) await client.waitFor(id)
  runs.running = (await client.trigger('blocked')).id
  runs.queued = (await client.trigger('blocked')).id
  await client.add(
    Array.from({ length: 60 }, (_, index) =>
      defineJob({ name: `more-${index}`, owner: 'many', tasks: [{ name: 'only', handler: 'none' }] }),
    ),
  )
  browser = await openBrowser()
})
afterAll(async () => {
  await browser?.close()
  await world.end()
})

const paths = (): readonly string[] => [
  '/',
  '/job?job=hourly',
  '/jobs',
  '/job?job=hourly&tab=upcoming',
  `/run?run=${runs.failed}`,
  '/failures',
  `/run?run=${runs.running}`,
  '/queue',
  '/nodes',
]

describe('a read-only dashboard', () => {
  it('shows no button for an action', async () => {
    const { page } = browser
    const origin = await world.serve(world.dashboard({ readOnly: true }))
    for (const path of paths()) {
      await show(page, origin, path)
      const names = await page.getByRole('button').allTextContents()
      expect([path, names.filter((name) => !['Clear', 'Explain', 'Next page'].includes(name))]).toEqual([path, []])
    }
    await page.getByText('This dashboard is read-only.').waitFor()
  })
})

describe('the rights of a user', () => {
  it('decide which buttons a job’s page shows; a hidden job’s page says that the user may not see the job', async () => {
    const { page } = browser
    const authorize: Parameters<World['dashboard']>[0] = {
      authorize: (_, { action, job }) =>
        action === 'open' || (job === 'hourly' && ['view', 'trigger'].includes(action)),
    }
    const origin = await world.serve(world.dashboard(authorize))
    await show(page, origin, '/job?job=hourly')
    expect(await page.locator('.page-head button').allTextContents()).toEqual(['Run now'])
    await show(page, origin, '/job?job=large')
    await page.getByText('You may not see this.').waitFor()
    expect(await accessibilityFindings(page)).toEqual([])
  })

  it('that allow nothing lead to a page that reports the missing right', async () => {
    const { page } = browser
    const origin = await world.serve(world.dashboard({ authorize: () => false }))
    const response = await page.goto(`${origin}${basePath}/jobs`)
    expect(response?.status()).toBe(403)
    await page.getByText('You have no right to open.').waitFor()
    expect(await accessibilityFindings(page)).toEqual([])
  })

  it('are granted to a user who opens the link with the dashboard’s token', async () => {
    const { page } = browser
    const token = 'a-token-of-24-characters'
    const origin = await world.serve(world.dashboard({ authorize: undefined as never, token }))
    expect((await page.goto(`${origin}${basePath}/jobs`))?.status()).toBe(401)
    await page.goto(`${origin}${basePath}/jobs?text=hour&token=${token}`)
    await settled(page)
    await page.locator('tbody').getByText('hourly').waitFor()
    expect(page.url()).toBe(`${origin}${basePath}/jobs?text=hour`)
  })
})

describe('data that the option `hide` names', () => {
  it('are marked as hidden on the page, and are not sent to the page', async () => {
    const { page } = browser
    const origin = await world.serve(world.dashboard({ hide: ['payloads', 'results', 'logs', 'errors'] }))
    await show(page, origin, `/run?run=${runs.failed}`)
    await page.getByText('Hidden from you.').first().waitFor()
    const text = await page.locator('body').textContent()
    for (const secret of ['secret-card', 'the disk is full', 'nearly full']) expect(text).not.toContain(secret)
    expect(text).toContain('ENOSPC')
    expect(await accessibilityFindings(page)).toEqual([])
  })
})

describe('a page of the dashboard', () => {
  let origin: string
  beforeAll(async () => {
    origin = await world.serve(world.dashboard())
  })

  it('shows instants in the chosen time zone, even after a reload', async () => {
    const { page } = browser
    await show(page, origin, '/job?job=nightly-report&tab=upcoming')
    const slot = page.locator('.lines time').first()
    await page.getByLabel('Times in').selectOption('job')
    expect(await slot.textContent()).toMatch(/ 02:00:00 UTC\+[12]$/)
    await page.getByLabel('Times in').selectOption('utc')
    expect(await slot.textContent()).toMatch(/ 0[01]:00:00 UTC$/)
    await page.reload()
    await settled(page)
    expect(await page.getByLabel('Times in').inputValue()).toBe('utc')
  })

  it('uses the chosen color scheme, even if the system prefers the other one', async () => {
    const { page } = browser
    await page.emulateMedia({ colorScheme: 'light' })
    await show(page, origin, '/nodes')
    const background = () => page.evaluate('getComputedStyle(document.body).backgroundColor')
    const light = await background()
    await page.getByLabel('Colours').selectOption('dark')
    expect(await background()).not.toBe(light)
    if (isThorough) expect(await accessibilityFindings(page)).toEqual([])
    await page.getByLabel('Colours').selectOption('system')
    expect(await background()).toBe(light)
  })

  it('keeps its filters and its page number in the address, and the back button of the browser restores them', async () => {
    const { page } = browser
    await show(page, origin, '/jobs')
    await page.getByLabel('Owner').fill('many')
    await page.keyboard.press('Enter')
    await page.waitForURL(/owner=many/)
    // The list moves its button `Next page` when it shows the jobs of this owner.
    const others = page.locator('tbody .name-cell > a').filter({ hasNotText: /^more-/ })
    await others.first().waitFor({ state: 'detached' })
    await page.getByRole('button', { name: 'Next page' }).click()
    await page.waitForURL(/cursor=/)
    await page.locator('tbody tr').nth(9).waitFor()
    const names = await page.locator('tbody .name-cell > a').allTextContents()
    expect(names).toHaveLength(10)
    // The address contains the whole state of the view. So another user who opens this address sees the same view.
    const link = page.url()
    await page.goto(link)
    await settled(page)
    expect(await page.locator('tbody .name-cell > a').allTextContents()).toEqual(names)
    await page.getByRole('button', { name: 'First page' }).click()
    await page.locator('tbody tr').nth(49).waitFor()
    await page.goBack()
    await page.waitForURL(/cursor=/)
  })

  it('keeps the text that a user types into a filter when it reads its list again', async () => {
    const { page } = browser
    await show(page, origin, '/jobs')
    await page.getByLabel('Owner').fill('man')
    await world.client.pause('hourly')
    await page.locator('tbody').getByText('paused').first().waitFor()
    await page.getByLabel('Owner').press('End')
    await page.keyboard.type('y')
    await page.keyboard.press('Enter')
    await page.waitForURL(/owner=many/)
    await world.client.resume('hourly')
  })

  it('shows an error if its address is invalid', async () => {
    const { page } = browser
    await show(page, origin, '/jobs?cursor=forged')
    await page.getByText('The request is not valid.').waitFor()
    expect(await overflow(page)).toBeLessThanOrEqual(0)
    if (isThorough) expect(await accessibilityFindings(page)).toEqual([])
  })

  it('offers a large result as a download', async () => {
    const { page } = browser
    await show(page, origin, `/run?run=${runs.large}`)
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Save the whole').click()])
    const chunks: Buffer[] = []
    for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer)
    expect(JSON.parse(Buffer.concat(chunks).toString())).toBe(largeResult)
  })

  it('shows a task’s function, handler or module, and whether the module runs in a thread or a process', async () => {
    const { page } = browser
    const module = new URL('file:///srv/app/render.js')
    await world.client.add(
      defineJob({
        name: 'rendering',
        tasks: [
          { name: 'draw', module, isolation: 'process' },
          { name: 'fold', module },
          { name: 'send', handler: 'mail' },
        ],
      }),
    )
    await show(page, origin, '/job?job=rendering&tab=settings')
    expect(await page.locator('.tasks .quiet').allTextContents()).toEqual([
      'module of the job, in a process',
      'module of the job, in a thread',
      'handler mail',
    ])
    await show(page, origin, '/job?job=large&tab=settings')
    expect(await page.locator('.tasks .quiet').allTextContents()).toEqual(['function of the job'])
    if (isThorough) expect(await accessibilityFindings(page)).toEqual([])
  })

  it('shows that its server is unreachable, and recovers when the server answers again', async () => {
    const { page } = browser
    const server = createServer(nodeListener(world.dashboard()))
    // The server keeps its port while it is unreachable, because another process could take a free port.
    let isAway = false
    server.on('connection', (socket) => {
      if (isAway) socket.destroy()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()))
    const { port } = server.address() as AddressInfo
    await open(page, `http://127.0.0.1:${port}`, '/queue?state=queued')
    await page.locator('tbody').getByText('blocked').waitFor()
    isAway = true
    server.closeAllConnections()
    await page.locator('.banner').getByText('The server of this dashboard does not answer.').waitFor()
    expect(await page.locator('tbody').getByText('blocked').count()).toBe(1)
    await world.client.cancel(runs.queued as OccurrenceId)
    isAway = false
    await page.locator('.live-live').waitFor()
    await page.getByText('Nothing waits behind an earlier run of its job.').waitFor()
    await page.getByText('The server of this dashboard does not answer.').first().waitFor({ state: 'detached' })
    await leave(browser, origin)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
})
