import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { accessibilityFindings, openBrowser, overflow, type TestBrowser } from '@jobistemer/test-servers/browser'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import { addressOf, packagesFolder, readPages } from '../src/pages.ts'
import { serveSite } from '../src/serve-site.mjs'
import { builtFiles, buildSite } from './built-site.ts'

const pages = readPages().map(addressOf)
const dist = fileURLToPath(new URL('../dist', import.meta.url))
let site: Awaited<ReturnType<typeof serveSite>>
let browser: TestBrowser

beforeAll(async () => {
  buildSite()
  site = await serveSite()
  browser = await openBrowser()
}, 300_000)

afterAll(async () => {
  await browser?.close()
  site?.close()
})

it('each link on the site leads to an existing page and anchor', () => {
  const files = builtFiles('.html')
  const anchors = new Map(
    files.map(({ path, text }) => [
      path.replace(/(index)?\.html$/, ''),
      new Set([...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id)),
    ]),
  )
  const wrong = files.flatMap(({ path, text }) =>
    [...text.matchAll(/<a [^>]*?href="([^"]+)"/g)]
      .map(([, link]) => new URL(String(link).replaceAll('&amp;', '&'), `http://site${path}`))
      .filter(({ host, pathname, hash }) => {
        if (host !== 'site') return false
        const target = anchors.get(pathname.replace(/\.html$/, ''))
        if (target === undefined) return !existsSync(dist + pathname)
        return hash !== '' && !target.has(decodeURIComponent(hash.slice(1)))
      })
      .map(({ pathname, hash }) => `${path}: ${pathname}${hash}`),
  )
  expect([...new Set(wrong)]).toEqual([])
})

it('llms.txt lists the Markdown file of each page, and the relative links in these files lead to existing files', () => {
  const listed = [...readFileSync(`${dist}/llms.txt`, 'utf8').matchAll(/\]\((.+?)\)/g)].map(([, file]) => `/${file}`)
  const files = builtFiles('.md')
  expect(listed.sort()).toEqual(
    files
      .map(({ path }) => path)
      .filter((path) => path !== '/index.md')
      .sort(),
  )
  const wrong = files.flatMap(({ path, text }) =>
    [...text.replaceAll(/^ *```[\s\S]*?^ *```/gm, '').matchAll(/\]\(([^)\s#]+)/g)]
      .map(([, link]) => new URL(String(link), `http://site${path}`))
      .filter(({ host, pathname }) => host === 'site' && !existsSync(dist + pathname))
      .map(({ pathname }) => `${path}: ${pathname}`),
  )
  expect(wrong).toEqual([])
})

/** `npm test` opens two pages only: the first page and a page with a diagram. `npm run test:extra` opens all pages. */
const opened = isThorough ? pages : ['/', pageWithDiagram()]

/** Loads a page of the site, unless the browser shows the page. */
async function open(path: string): Promise<void> {
  const address = site.origin + path
  if (browser.page.url() !== address) await browser.page.goto(address)
}

describe.each(opened)('the page %s of the site', (path) => {
  it.each(['light', 'dark'] as const)(
    'causes no error in the browser’s console and passes the accessibility check in the %s color scheme',
    async (colorScheme) => {
      const { page } = browser
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
      await open(path)
      await page.locator('h1').first().waitFor()
      await page.locator(colorScheme === 'dark' ? 'html.dark' : 'html:not(.dark)').waitFor()
      // In the dark scheme, only contrast is checked, because the elements are the same as in the light scheme.
      const rules = colorScheme === 'light' ? undefined : ['color-contrast']
      expect(await accessibilityFindings(page, rules)).toEqual([])
      expect(browser.complaints()).toEqual([])
    },
  )

  it('fits into a window that is 390 pixels wide', async () => {
    const { page } = browser
    await page.setViewportSize({ width: 390, height: 844 })
    await open(path)
    expect(await overflow(page)).toBeLessThanOrEqual(0)
    await page.setViewportSize({ width: 1280, height: 900 })
  })
})

it('the first press of Tab on a page focuses a link that skips the navigation', async () => {
  const { page } = browser
  await page.goto(`${site.origin}/reference/core/log`)
  // The link `Skip to content` moves the focus only after the page's scripts have loaded.
  await page.waitForFunction("document.querySelector('#app').__vue_app__ !== undefined")
  await page.keyboard.press('Tab')
  expect(await page.evaluate('document.activeElement.textContent.trim()')).toBe('Skip to content')
  await page.keyboard.press('Enter')
  // The link moves the focus in the next frame.
  await page.waitForFunction('document.activeElement.id === "VPContent"')
  await page.keyboard.press('Tab')
  expect(await page.evaluate('document.activeElement.closest("main, .VPDoc") !== null')).toBe(true)
})

describe('the search of the site', () => {
  /** Opens the search, types a question, and returns the addresses of the first three results. */
  async function search(question: string): Promise<readonly string[]> {
    const { page } = browser
    const input = page.locator('#localsearch-input')
    // Presses the search key until the search opens, because the page reacts to keys only after its scripts have loaded.
    await expect
      .poll(
        async () => {
          if (!(await input.isVisible())) await page.keyboard.press('Control+k')
          return input.isVisible()
        },
        { interval: 200, timeout: 20_000 },
      )
      .toBe(true)
    const results = page.locator('.VPLocalSearchBox .result')
    // Clears the previous question and waits until its results have disappeared. Otherwise the test could read the old
    // results in place of the new results.
    await input.fill('')
    await results.first().waitFor({ state: 'detached' })
    await input.fill(question)
    await results.first().waitFor()
    const links = await results.evaluateAll((all) => all.map((one) => String(one.getAttribute('href'))))
    return links.slice(0, 3).map((link) => link.replace(/#.*/, ''))
  }

  it.each([
    ['cron timezone daylight saving', '/concepts/time-zones'],
    ['run job only once in cluster', '/how-to/once-in-a-cluster'],
    ['retry failed job', '/how-to/retry'],
    ['job stuck running', '/how-to/runbook'],
    ['delete old history', '/how-to/size-and-cost'],
  ])('answers %j with the page %s', async (question, answer) => {
    // The questions share one page, because each load builds the search index again.
    await open('/reference/')
    expect(await search(question)).toContain(answer)
  })

  it('works without a network, and Enter opens the first result', async () => {
    const { context, page } = browser
    await open('/reference/')
    await search('glossary')
    await context.setOffline(true)
    expect(await search('STORAGE_BUSY')).toContain('/reference/core/errors')
    await context.setOffline(false)
    await page.keyboard.press('Enter')
    await page.waitForURL('**/reference/core/errors*')
    expect(browser.complaints()).toEqual([])
  })
})

function pageWithDiagram(): string {
  const page = readPages().find(({ source }) => readFileSync(packagesFolder + source, 'utf8').includes('```mermaid'))
  if (page === undefined) throw new Error('No page has a diagram.')
  return addressOf(page)
}
