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

export async function settled(page: Page): Promise<void> {
  await page.locator('.live-live').waitFor()
  await page.locator('h1').first().waitFor()
  await page.locator('.loading').first().waitFor({ state: 'detached' })
}
