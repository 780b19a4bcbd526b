import { openBrowser as openTestBrowser, type TestBrowser } from '@jobistemer/test-servers/browser'
import type { Page } from 'playwright-core'
import { ownFonts } from './still/fonts.ts'
import { basePath } from './world.ts'

export { accessibilityFindings, overflow, type TestBrowser } from '@jobistemer/test-servers/browser'

/** Opens a browser with its own fonts instead of those of the machine, so that texts have the same width everywhere. */
export const openBrowser = (): Promise<TestBrowser> => openTestBrowser(ownFonts)

/** Opens a view, and waits until all its data are shown and the change stream is connected. */
export async function open(page: Page, origin: string, path: string): Promise<void> {
  await page.goto(`${origin}${basePath}${path}`)
  await settled(page)
}

/**
 * Opens a view as {@link open} does. If the page shows another view of the same dashboard, replaces the view in the page, as the
 * back button of the browser does. That takes less processor time than a load. If the page already shows the view, only waits.
 */
export async function show(page: Page, origin: string, path: string): Promise<void> {
  const [from, to] = [new URL(page.url()), new URL(`${origin}${basePath}${path}`)]
  if (from.href === to.href) return settled(page)
  const isInPage = from.origin === to.origin && from.pathname.startsWith(basePath)
  if (!isInPage) return open(page, origin, path)
  // A view of the same kind would keep its state, for example an open dialog. So the page shows another kind in between: a
  // page that names no run or no job, which needs no request.
  const between = new URL(`${origin}${basePath}${from.pathname.endsWith('/run') ? '/job' : '/run'}`)
  const steps = from.pathname === to.pathname ? [between, to] : [to]
  // Waits for two frames after each step, so that the page no longer contains the elements of the earlier view.
  await page.evaluate(`(async () => {
    for (const address of ${JSON.stringify(steps.map(({ href }) => href))}) {
      history.pushState(null, '', address)
      dispatchEvent(new PopStateEvent('popstate'))
      scrollTo(0, 0)
      await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))
    }
  })()`)
  await settled(page)
}

/**
 * Opens an address without a view on the same server, so that the previous view stops reading data. The test does not open
 * `about:blank`, because the browser would need a new process for that page.
 */
export async function leave({ page, complaints }: TestBrowser, origin: string): Promise<void> {
  await page.goto(`${origin}/no-view`)
  complaints()
}

export async function settled(page: Page): Promise<void> {
  await page.locator('.live-live').waitFor()
  await page.locator('h1').first().waitFor()
  await page.locator('.loading').first().waitFor({ state: 'detached' })
}
