import { openBrowser as openTestBrowser, type TestBrowser } from '@jobistemer/test-servers/browser'
import type { Page } from 'playwright-core'
import { ownFonts } from './still/fonts.ts'
import { basePath } from './world.ts'

export { accessibilityFindings, overflow, type TestBrowser } from '@jobistemer/test-servers/browser'

/** Opens a browser that does not see the fonts of the machine: texts have the same width everywhere. */
export const openBrowser = (): Promise<TestBrowser> => openTestBrowser(ownFonts)

/** Opens a view, and waits until everything that it shows is there, and it is live. */
export async function open(page: Page, origin: string, path: string): Promise<void> {
  await page.goto(`${origin}${basePath}${path}`)
  await settled(page)
}

/**
 * Leaves the current view, which may still read and log errors, and forgets its complaints. The page of the same origin
 * needs no new process of the browser, unlike `about:blank`: opening a view then costs 0.30 s of processor time, not 0.44 s.
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
