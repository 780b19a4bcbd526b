import { defineJob } from '@jobistemer/core'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import { scrolledTo, widthOf, windowOf } from '../src/page/grid-geometry.ts'
import { accessibilityFindings, open, openBrowser, overflow, show, type TestBrowser } from './browser.ts'
import { fillHistory } from './fill.ts'
import { createWorld, type World } from './world.ts'

let world: World
let browser: TestBrowser
let origin: string
const tasks = Array.from({ length: 1000 }, (_, index) => `task-${index}`)
const last = Date.now() - 600_000
/**
 * The number of runs of the job `wide`. The page reads these runs in parts of 500. Without a window, a grid of 3,000 runs would
 * exceed {@link mostElements}.
 */
const wideRuns = isThorough ? 10_000 : 3000
/** The number of runs of the job `high`. */
const highRuns = isThorough ? 10 : 4
/** Timeout in ms that only ends a hook that hangs. */
const fillTimeoutMs = 180_000

beforeAll(async () => {
  world = await createWorld()
  const { client, storage } = world
  const handler = 'none'
  await client.add([
    defineJob({ name: 'high', overlapPolicy: 'allow', tasks: tasks.map((name) => ({ name, handler })) }),
    defineJob({ name: 'wide', overlapPolicy: 'allow', tasks: [{ name: 'only', handler }] }),
  ])
  await fillHistory(storage, { job: 'high', tasks, runs: highRuns, last })
  await fillHistory(storage, { job: 'wide', tasks: ['only'], runs: wideRuns, last })
  origin = await world.serve(world.dashboard())
  browser = await openBrowser()
}, fillTimeoutMs)
afterAll(async () => {
  await browser?.close()
  await world.end()
})

/** Returns the number of elements in the page. More elements need more memory, and more time for layout and drawing. */
const elements = (page: Page): Promise<number> =>
  page.evaluate('document.querySelectorAll("*").length') as Promise<number>
/**
 * Maximum number of elements in the page. A page of 50 runs has about 900 elements, and a grid has at most two elements for
 * each visible cell.
 */
const mostElements = 5000

/**
 * Scrolls the grid to a position, and waits until all visible cells are drawn. `left` and `top` are shares of the scrollable
 * size, from 0 to 1. Default: the right end (`left` 1) and the top (`top` 0). If the grid shows new data before the browser
 * reports the scroll, the grid returns to its earlier position. So this function waits until the browser has reported the scroll,
 * and scrolls again if the grid has returned.
 */
async function scrollTo(page: Page, share: { readonly left?: number; readonly top?: number }): Promise<void> {
  await page.evaluate(`new Promise((resolve) => {
    const box = document.querySelector('.grid-box')
    const left = () => ${share.left ?? 1} * (box.scrollWidth - box.clientWidth)
    const top = () => ${share.top ?? 0} * (box.scrollHeight - box.clientHeight)
    let isReported = true
    box.addEventListener('scroll', () => {
      isReported = true
    })
    const scroll = () => {
      const earlier = [box.scrollLeft, box.scrollTop]
      box.scrollLeft = left()
      box.scrollTop = top()
      if (box.scrollLeft !== earlier[0] || box.scrollTop !== earlier[1]) isReported = false
    }
    scroll()
    let before = -1
    const look = () => {
      const count = box.querySelectorAll('.grid-cell').length
      const isThere = Math.abs(box.scrollLeft - left()) < 2 && Math.abs(box.scrollTop - top()) < 2
      if (isThere && isReported && count === before && count > 0) return resolve()
      if (!isThere) scroll()
      before = isThere ? count : -1
      requestAnimationFrame(() => requestAnimationFrame(look))
    }
    requestAnimationFrame(look)
  })`)
}

/** Returns the label of the cell in the middle of the visible part of the grid; `null` if no cell is there. */
function middle(page: Page): Promise<string | null> {
  return page.evaluate(`(() => {
    const { left, top, width, height } = document.querySelector('.grid-box').getBoundingClientRect()
    const below = document.elementsFromPoint(left + width / 2, top + height / 2)
    return below.find((one) => one.dataset.cell !== undefined)?.dataset.cell ?? below.find((one) => one.querySelector('[data-cell]'))?.querySelector('[data-cell]').dataset.cell ?? null
  })()`) as Promise<string | null>
}

// `npm test` tests each of the two grids at one width, and the other grid at the other width.
describe.each([
  [1280, 'light'],
  [390, 'dark'],
] as const)('on a page that is %i pixels wide, in the %s color scheme,', (width, colorScheme) => {
  beforeAll(async () => {
    await browser.page.setViewportSize({ width, height: 900 })
    await browser.page.emulateMedia({ colorScheme })
  })

  it.runIf(isThorough || width === 390)(
    'a grid of 1,000 tasks has few DOM elements at every scroll position',
    async () => {
      const { page } = browser
      await open(page, origin, '/job?job=high')
      await page.locator('.grid-cell').first().waitFor()
      for (const top of [0, 0.37, 1]) {
        await scrollTo(page, { top })
        expect(await elements(page)).toBeLessThan(mostElements)
        const row = await page.locator('.grid-row:not(.grid-head) .grid-name').allTextContents()
        expect(row).toContain(tasks[Math.round(top * 999)])
      }
      expect(await page.getByRole('grid').getAttribute('aria-rowcount')).toBe('1001')
      expect(await overflow(page)).toBeLessThanOrEqual(0)
      expect(await accessibilityFindings(page)).toEqual([])
    },
  )

  it.runIf(isThorough || width === 1280)(
    `a grid of ${wideRuns} runs is loaded in parts, and has few DOM elements`,
    async () => {
      const { page } = browser
      await open(page, origin, '/job?job=wide')
      await page.locator('.grid-cell').first().waitFor()
      await page.locator('.inline-field select').first().selectOption('10000')
      await page.locator(`[role="grid"][aria-colcount="${wideRuns + 1}"]`).waitFor()
      for (const left of [1, 0.5, 0]) {
        await scrollTo(page, { left })
        expect(await elements(page)).toBeLessThan(mostElements)
        const place = Number((await middle(page))?.split(' ')[1])
        expect(Math.abs(place - (1 - left) * (wideRuns - 1))).toBeLessThan(80)
      }
      expect(await overflow(page)).toBeLessThanOrEqual(0)
      // A grid of many tasks has the same elements.
      if (isThorough) expect(await accessibilityFindings(page)).toEqual([])
    },
  )
})

/** Opens the grid of the latest 500 runs of the job `wide` in a new page, whose clock the test sets. */
async function openWide(): Promise<Page> {
  const page = await browser.context.newPage()
  await page.clock.install()
  await open(page, origin, '/job?job=wide')
  await page.locator('.inline-field select').first().selectOption('500')
  await page.locator('[role="grid"][aria-colcount="501"]').waitFor()
  return page
}

/** Adds three runs to the job `wide`, the last at the instant `at`, and waits until the grid of the page shows these runs. */
async function addRuns(page: Page, at: number): Promise<void> {
  const first = await page.locator('.grid-span span').last().textContent()
  await fillHistory(world.storage, { job: 'wide', tasks: ['only'], runs: 3, last: at })
  // The grid reads its runs again every 10 s.
  await page.clock.fastForward(10_000)
  await page.locator('.grid-span span:last-child', { hasNotText: first as string }).waitFor()
}

describe('in a grid used by keyboard', () => {
  it('keys reach every cell and scroll the cell into view, and Tab returns to the last focused cell', async () => {
    const { page } = browser
    await page.setViewportSize({ width: 1280, height: 900 })
    await show(page, origin, '/job?job=high')
    await page.locator('.grid-cell').first().waitFor()
    await page.locator('.grid [tabindex="0"]').focus()
    const focused = () => page.evaluate('document.activeElement.dataset.cell')
    expect(await focused()).toBe('0 0')
    for (const key of ['ArrowDown', 'ArrowLeft', 'PageDown']) await page.keyboard.press(key)
    const [row, column] = ((await focused()) as string).split(' ').map(Number)
    expect([Number(row) > 20, column]).toEqual([true, 1])
    for (let count = 0; count < 60 && !String(await focused()).startsWith('1000 '); count++) {
      await page.keyboard.press('PageDown')
    }
    await page.keyboard.press('Home')
    expect(await focused()).toBe(`1000 ${highRuns - 1}`)
    const isSeen = await page.evaluate(`(() => {
      const cell = document.activeElement.getBoundingClientRect()
      const box = document.querySelector('.grid-box').getBoundingClientRect()
      return cell.top >= box.top && cell.bottom <= box.bottom && cell.left >= box.left && cell.right <= box.right
    })()`)
    expect(isSeen).toBe(true)
    await scrollTo(page, { top: 0 })
    await page.keyboard.press('Tab')
    await page.keyboard.press('Shift+Tab')
    expect(await focused()).toBe(`1000 ${highRuns - 1}`)
    await page.keyboard.press('Enter')
    await page.waitForURL(/\/run\?run=occ_[0-9a-f-]+&task=task-999$/)
  })

  it('new runs do not move the visible columns', async () => {
    const page = await openWide()
    await scrollTo(page, { left: 0.5 })
    const labels = () =>
      page.evaluate(`(() => {
        const box = document.querySelector('.grid-box').getBoundingClientRect()
        return [...document.querySelectorAll('.grid-bar')]
          .map((bar) => [Math.round(bar.getBoundingClientRect().left), bar.getAttribute('aria-label')])
          .filter(([left]) => left > box.left + 300 && left < box.right - 300)
      })()`) as Promise<readonly (readonly [number, string])[]>
    const before = new Map(await labels())
    await addRuns(page, last + 180_000)
    const after = new Map(await labels())
    const both = [...after].filter(([left]) => before.has(left))
    expect(both.length).toBeGreaterThan(10)
    expect(both.filter(([left, label]) => before.get(left) !== label)).toEqual([])
    await page.close()
  })
})

it('new runs do not undo a scroll by keyboard that the browser has not reported yet', async () => {
  const page = await openWide()
  // Holds back all reports of the browser.
  await page.evaluate(`window.addEventListener('scroll', (event) => {
    if (event.isTrusted) event.stopImmediatePropagation()
  }, true)`)
  await page.locator('.grid [tabindex="0"]').focus()
  await page.keyboard.press('Home')
  const scrolled = () => page.evaluate(`document.querySelector('.grid-box').scrollLeft`) as Promise<number>
  expect(await scrolled()).toBe(0)
  await addRuns(page, last + 360_000)
  expect(await scrolled()).toBeLessThan(100)
  await page.close()
})

describe('the rendered part of a grid', () => {
  const size = { rows: 1000, columns: 10_000, nameWidth: 176 }
  const view = { left: 0, top: 0, width: 1000, height: 600 }

  it('covers the visible part of the grid and a few more rows and columns', () => {
    for (const left of [0, 77_777, widthOf(size) - view.width]) {
      const drawn = windowOf({ ...view, left, top: 7777 }, size)
      expect(drawn.endRow - drawn.firstRow).toBeLessThan(44)
      expect((drawn.endSegment - drawn.firstSegment) * 8).toBeLessThan(64)
    }
    expect(windowOf(view, { rows: 2, columns: 3, nameWidth: 176 })).toEqual({
      firstRow: 0,
      endRow: 2,
      firstSegment: 0,
      endSegment: 1,
    })
  })

  it('contains each cell to which the grid was scrolled', () => {
    for (const [row, column] of [
      [0, 0],
      [1, 9999],
      [1000, 0],
      [500, 5000],
    ] as const) {
      const drawn = windowOf({ ...view, ...scrolledTo(row, column, view, size) }, size)
      expect(drawn.firstRow).toBeLessThanOrEqual(Math.max(0, row - 1))
      expect(drawn.endRow).toBeGreaterThanOrEqual(row)
      expect(drawn.firstSegment * 8).toBeLessThanOrEqual(column)
      expect(drawn.endSegment * 8).toBeGreaterThan(column)
    }
  })
})
