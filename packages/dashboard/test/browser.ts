import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { programPath } from '@jobistemer/test-servers'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { ownFonts } from './still/fonts.ts'
import { basePath } from './world.ts'

/** A browser with one page, which tests share. */
export interface TestBrowser {
  readonly context: BrowserContext
  readonly page: Page
  /** Returns errors and violations of the content security policy since the last call. */
  complaints(): readonly string[]
  close(): Promise<void>
}

export async function openBrowser(): Promise<TestBrowser> {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-chromium-'))
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: programPath('chromium'),
    headless: true,
    viewport: { width: 1280, height: 900 },
    // The fonts of the machine are not seen: texts have the same width everywhere.
    env: { ...process.env, FONTCONFIG_FILE: ownFonts(folder) },
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--disable-lcd-text',
      '--font-render-hinting=none',
      '--force-color-profile=srgb',
    ],
  })
  const page = context.pages()[0] ?? (await context.newPage())
  page.setDefaultTimeout(20_000)
  let said: string[] = []
  page.on('pageerror', (error) => said.push(`${error.message} ${error.stack}`))
  page.on('console', (message) => {
    // A page that names no icon makes the browser ask for this one.
    if (message.location().url.endsWith('/favicon.ico')) return
    if (message.type() === 'error' || message.type() === 'warning') said.push(message.text())
  })
  page.on('dialog', (dialog) => {
    said.push(`a dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  page.on('request', (request) => {
    if (!request.url().startsWith('http://127.0.0.1:')) said.push(`asked ${request.url()}`)
  })
  return {
    context,
    page,
    complaints: () => {
      const all = said
      said = []
      return all
    },
    close: async () => {
      await context.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

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

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface AxeResult {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
  }[]
}

/** Returns the violations of accessibility rules: of all rules, or of some. */
export async function accessibilityFindings(page: Page, rules?: readonly string[]): Promise<readonly string[]> {
  const isThere = await page.evaluate('typeof axe')
  if (isThere === 'undefined') await page.evaluate(`${axeSource}; undefined`)
  const options = { resultTypes: ['violations'], ...(rules !== undefined && { runOnly: rules }) }
  const { violations } = (await page.evaluate(`axe.run(${JSON.stringify(options)})`)) as AxeResult
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  )
}

/** By how many pixels the page is wider than the window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - window.innerWidth') as Promise<number>
}
