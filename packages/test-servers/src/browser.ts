import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core'
import { programPath } from './programs.ts'

/** A private session of a browser with one page, which all tests of a file share. */
export interface TestBrowser {
  readonly context: BrowserContext
  readonly page: Page
  /** Returns the errors, violations of the content security policy, and requests to foreign hosts since the last call. */
  complaints(): readonly string[]
  close(): Promise<void>
}

type FontsWriter = (folder: string) => string

/**
 * The browsers of this process, by their fonts. Test files of a package share a process, so they also share a browser. A
 * start of Chromium takes about 1.2 s of processor time, and a new context takes 0.1 s.
 */
const browsers = new Map<FontsWriter | undefined, Promise<Browser>>()

function sharedBrowser(fonts: FontsWriter | undefined): Promise<Browser> {
  const known = browsers.get(fonts)
  if (known !== undefined) return known
  const started = startBrowser(fonts)
  browsers.set(fonts, started)
  started.catch(() => browsers.delete(fonts))
  return started
}

async function startBrowser(fonts: FontsWriter | undefined): Promise<Browser> {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-chromium-'))
  // Playwright ends its browsers when this process ends.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  return chromium.launch({
    executablePath: programPath('chromium'),
    headless: true,
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
}

/**
 * Opens a private session with its own cookies and stored data in Chromium without a window. The first call in a process starts
 * Chromium, which runs until the process ends.
 * @param fonts writes a configuration file of fontconfig into a folder, and returns the path of this file. Default: the
 * browser uses the fonts of the machine
 */
export async function openBrowser(fonts?: FontsWriter): Promise<TestBrowser> {
  const browser = await sharedBrowser(fonts)
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  const page = await context.newPage()
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
    close: () => context.close(),
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
