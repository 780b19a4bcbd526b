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
