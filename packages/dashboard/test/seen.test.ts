import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Client, createClient, defineJob, silentLogger, systemClock } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createDashboard, type Dashboard, type DashboardOptions } from '../src/index.ts'
import type { JobLine, LateView, Overview, Page, RunLine, SurveyView } from '../src/wire.ts'
import { nodeListener } from '../src/node.ts'
import { leave, open, openBrowser, show, type TestBrowser } from './browser.ts'
import { fillHistory } from './fill.ts'
import { ask, basePath, jsonOf } from './world.ts'

const others = Array.from({ length: 260 }, (_, index) => `other-${index}`)
let storage: Storage
let client: Client
let browser: TestBrowser

function dashboardOf(sees: (job: string) => boolean, now: () => number = systemClock.now): Dashboard {
  const clock = { ...systemClock, now }
  const authorize: DashboardOptions['authorize'] = (_, { job }) => job === null || sees(job)
  return createDashboard({ client, basePath, clock, secret: 'shared-by-all-dashboards', authorize: authorize as never })
}

beforeAll(async () => {
  browser = await openBrowser()
  storage = sqliteStorage({ file: ':memory:' })
  client = createClient({ storage, logger: silentLogger })
  const tasks = [{ name: 'only', handler: 'none' }]
  const schedule = cron('0 0 1 1 *')
  await client.add(['mine', ...others].map((name) => defineJob({ name, schedule, overlapPolicy: 'allow', tasks })))
  const last = Date.now() - 3_600_000
  await fillHistory(storage, { job: 'mine', tasks: ['only'], runs: 1, last, allFail: true })
  for (const job of others)
    await fillHistory(storage, { job, tasks: ['only'], runs: 1, last: last + 60_000, allFail: true })
})
afterAll(async () => {
  await browser?.close()
  await client.close()
  await storage.close()
})

describe('a user who may view only one job', () => {
  const mine = (job: string) => job === 'mine'

  it('sees that job’s failure among failures of hundreds of hidden jobs', async () => {
    const dashboard = dashboardOf(mine)
    const overview = await jsonOf<Overview>(ask(dashboard, '/api/overview'))
    expect(overview.failures.map(({ job }) => job)).toEqual(['mine'])
    expect(overview.isPart.failures).toBe(false)
    const failures = await jsonOf<Page<RunLine>>(ask(dashboard, '/api/failures'))
    expect([failures.items.map(({ job }) => job), failures.cursor]).toEqual([['mine'], null])
    const survey = await jsonOf<SurveyView>(ask(dashboard, '/api/survey'))
    expect([survey.failing.map(({ name }) => name), survey.isAskedPart]).toEqual([['mine'], false])
    const jobs = await jsonOf<Page<JobLine>>(ask(dashboard, '/api/jobs?limit=5'))
    expect([jobs.items.map(({ name }) => name), jobs.cursor]).toEqual([['mine'], null])
  })

  it('learns from the answer whether an empty page covers all failures or only a part of them', async () => {
    // The test hides 1,100 failures, because one request reads only about 1,000 failures.
    const more = await manyFailures(1100)
    const page = await jsonOf<Page<RunLine>>(ask(more.dashboard, '/api/failures'))
    expect([page.items, page.cursor === null]).toEqual([[], false])
    const overview = await jsonOf<Overview>(ask(more.dashboard, '/api/overview'))
    expect([overview.failures, overview.isPart.failures]).toEqual([[], true])
    const { page: shown } = browser
    const server = createServer(nodeListener(more.dashboard))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    await open(shown, origin, '/')
    await shown.getByText('You may see none of the latest failures.').waitFor()
    await show(shown, origin, '/failures')
    await shown.getByText('You may see none of the failures that were looked at here.').waitFor()
    await shown.getByRole('button', { name: 'Next page' }).click()
    await shown.locator('tbody').getByText('mine').waitFor()
    await leave(browser, origin)
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    const found: string[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '' : `?cursor=${encodeURIComponent(cursor)}`
      const next: Page<RunLine> = await jsonOf(ask(more.dashboard, `/api/failures${query}`))
      found.push(...next.items.map(({ job }) => String(job)))
      cursor = next.cursor
    } while (cursor !== null)
    expect(found).toEqual(['mine'])
    await more.end()
  })

  it('reads all pages of visible jobs without a gap, and no page exceeds its maximum length', async () => {
    const dashboard = dashboardOf((job) => /[05]$/.test(job))
    const found: string[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const page: Page<RunLine> = await jsonOf(ask(dashboard, `/api/failures?limit=7${query}`))
      expect(page.items.length).toBeLessThanOrEqual(7)
      found.push(...page.items.map(({ job }) => String(job)))
      cursor = page.cursor
    } while (cursor !== null)
    expect(found.toSorted()).toEqual(others.filter((name) => /[05]$/.test(name)).toSorted())
  })
})

async function manyFailures(count: number) {
  const own = sqliteStorage({ file: ':memory:' })
  const asking = createClient({ storage: own, logger: silentLogger })
  const tasks = [{ name: 'only', handler: 'none' }]
  const overlapPolicy = 'allow' as const
  await asking.add(['mine', 'busy'].map((name) => defineJob({ name, overlapPolicy, tasks })))
  const last = Date.now() - 3_600_000
  await fillHistory(own, { job: 'busy', tasks: ['only'], runs: count, last, allFail: true })
  await fillHistory(own, { job: 'mine', tasks: ['only'], runs: 1, last: last - 30 * 24 * 3_600_000, allFail: true })
  const authorize = (_: Request, { job }: { readonly job: string | null }) => job === null || job === 'mine'
  return {
    dashboard: createDashboard({ client: asking, basePath, authorize }),
    async end() {
      await asking.close()
      await own.close()
    },
  }
}

describe('a list in the dashboard that changes between two pages', () => {
  it('omits no job if jobs are filtered by their last outcome', async () => {
    const dashboard = dashboardOf(() => true)
    const one = await jsonOf<Page<JobLine>>(ask(dashboard, '/api/jobs?outcome=bad&limit=10'))
    const first = one.items.map(({ name }) => name)
    expect(first).toHaveLength(10)
    // The last run of three listed jobs now succeeds, so that the jobs leave the list.
    for (const job of first.slice(0, 3))
      await fillHistory(storage, { job, tasks: ['only'], runs: 1, last: Date.now() - 1000 })
    const later = dashboardOf(() => true)
    const query = `cursor=${encodeURIComponent(String(one.cursor))}`
    const two = await jsonOf<Page<JobLine>>(ask(later, `/api/jobs?outcome=bad&limit=200&${query}`))
    const rest = await jsonOf<Page<JobLine>>(
      ask(later, `/api/jobs?outcome=bad&limit=200&cursor=${encodeURIComponent(String(two.cursor))}`),
    )
    const seen = [...first, ...two.items.map(({ name }) => name), ...rest.items.map(({ name }) => name)]
    expect(seen.toSorted()).toEqual(['mine', ...others].toSorted())
  })

  it('omits no job in the view for late jobs', async () => {
    const [slot] = await client.nextRuns('mine', 1)
    const late = () => Number(slot) + 60_000
    const one = await jsonOf<LateView>(
      ask(
        dashboardOf(() => true, late),
        '/api/late',
      ),
    )
    const first = one.items.map(({ name }) => name)
    for (const job of first.slice(0, 3)) await client.remove(job)
    const names = [...first]
    for (let cursor = one.cursor; cursor !== null; ) {
      const page: LateView = await jsonOf(
        ask(
          dashboardOf(() => true, late),
          `/api/late?cursor=${encodeURIComponent(cursor)}`,
        ),
      )
      names.push(...page.items.map(({ name }) => name))
      cursor = page.cursor
    }
    expect(names.toSorted()).toEqual(['mine', ...others].toSorted())
  })
})
