import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { programPath } from '@jobistemer/test-servers'
import { chromium, type Page } from 'playwright-core'
import { startDemo } from './demo.ts'

// This program takes the pictures for the dashboard's README from the running demo.
const folder = process.argv[2] ?? fileURLToPath(new URL('../../../packages/dashboard/docs/', import.meta.url))

interface Picture {
  readonly name: string
  readonly path: string
  readonly width: number
  readonly height: number
  readonly colorScheme: 'light' | 'dark'
}

const pictures: readonly Picture[] = [
  { name: 'overview', path: '/', width: 1280, height: 860, colorScheme: 'light' },
  { name: 'job', path: '/job?job=nightly-report', width: 1280, height: 860, colorScheme: 'light' },
  // Stack traces contain folder names of this machine. The height of 706 pixels keeps the stack traces out of the picture.
  { name: 'run', path: 'failed', width: 1280, height: 706, colorScheme: 'dark' },
]

const demo = await startDemo(console.log)
const profile = mkdtempSync(join(tmpdir(), 'jobistemer-pictures-'))
const browser = await chromium.launchPersistentContext(profile, {
  executablePath: programPath('chromium'),
  headless: true,
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync'],
})
try {
  mkdirSync(folder, { recursive: true })
  const page = browser.pages()[0] ?? (await browser.newPage())
  await page.goto(demo.link)
  const { origin } = new URL(demo.link)
  // Waits until the nodes run some jobs, so that the pictures show live work.
  await page.locator('.live-live').waitFor()
  for (const picture of pictures) await take(page, origin, picture)
} finally {
  await browser.close()
  rmSync(profile, { recursive: true, force: true })
  await demo.stop()
}

async function take(page: Page, origin: string, { name, path, width, height, colorScheme }: Picture): Promise<void> {
  await page.setViewportSize({ width, height })
  await page.emulateMedia({ colorScheme })
  if (path === 'failed') {
    await page.goto(`${origin}/failures?of=nightly-report`)
    await page.locator('tbody a[href*="/run"]').first().click()
  } else await page.goto(`${origin}${path}`)
  await page.locator('.live-live').waitFor()
  await page.locator('.loading').first().waitFor({ state: 'detached' })
  await page.locator('main section, main table, main .tiles').first().waitFor()
  const file = join(folder, `${name}.png`)
  await page.screenshot({ path: file })
  console.log(file)
}
