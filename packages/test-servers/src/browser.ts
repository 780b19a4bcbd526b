import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Page } from 'playwright-core'
import { programPath } from './programs.ts'

/** A browser with one page, which all tests of a file share. */
export interface TestBrowser {
  readonly context: BrowserContext
  readonly page: Page
  /** Returns the errors, violations of the content security policy, and requests to foreign hosts since the last call. */
  complaints(): readonly string[]
  close(): Promise<void>
}

/**
 * Starts Chromium without a window.
 * @param fonts writes a configuration file of fontconfig into a folder, and returns the path of this file. Default: the
 * browser uses the fonts of the machine
 */
export async function openBrowser(fonts?: (folder: string) => string): Promise<TestBrowser> {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-chromium-'))
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: programPath('chromium'),
    headless: true,
    viewport: { width: 1280, height: 900 },
    env: { ...process.env, ...(fonts !== undefined && { FONTCONFIG_FILE: fonts(folder) }) },
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
  // Ends before the test, so that the error names the missing element. A busy machine may need 20 s for a page.
  page.setDefaultTimeout(50_000)
  let said: string[] = []
  page.on('pageerror', (error) => said.push(`${error.message} ${error.stack}`))
  page.on('console', (message) => {
    // The page names no icon, so the browser requests `/favicon.ico`. The test expects this request to fail.
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

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

interface AxeResult {
  readonly violations: readonly {
    readonly id: string
    readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[]
  }[]
}

/** Returns the violations of accessibility rules: of the given rules, or of all. */
export async function accessibilityFindings(page: Page, rules?: readonly string[]): Promise<readonly string[]> {
  const isThere = await page.evaluate('typeof axe')
  if (isThere === 'undefined') await page.evaluate(`${axeSource}; undefined`)
  const options = { resultTypes: ['violations'], ...(rules !== undefined && { runOnly: rules }) }
  const { violations } = (await page.evaluate(`axe.run(${JSON.stringify(options)})`)) as AxeResult
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
  )
}

/** Returns the number of pixels by which the page is wider than the window. */
export function overflow(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - window.innerWidth') as Promise<number>
}
