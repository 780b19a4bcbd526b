import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, defineJob, type JobId, jobId, occurrenceId, silentLogger } from '@jobistemer/core'
import type { CreateRequested, SettleItem, Storage, TaskRunRecord } from '@jobistemer/core/storage'
import { createDashboard } from '@jobistemer/dashboard'
import { nodeListener } from '@jobistemer/dashboard/node'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { programPath } from '@jobistemer/test-servers'
import { type CDPSession, chromium, type Page } from 'playwright-core'
import { loadNote } from '../load-note.ts'
import type { Suite } from '../suite.ts'

interface Shape {
  readonly job: string
  readonly tasks: number
  readonly runs: number
}

const owner = { node: 'bench', incarnation: 'bench-1' }

/** Uses a browser's trace to measure whether a grid of 10,000 cells scrolls smoothly. */
export const gridSuite: Suite = {
  name: 'grid',
  title: 'The grid of a job in the dashboard, scrolled from end to end: milliseconds, as Chromium traces them',
  async run({ smoke }) {
    const shapes: readonly Shape[] = smoke
      ? [{ job: 'high', tasks: 100, runs: 3 }]
      : [
          { job: 'high', tasks: 1000, runs: 10 },
          { job: 'wide', tasks: 1, runs: 10_000 },
          { job: 'both', tasks: 100, runs: 500 },
        ]
    const folder = await mkdtemp(join(tmpdir(), 'jobistemer-bench-'))
    const storage = sqliteStorage({ file: join(folder, 'jobs.db'), synchronous: 'normal' })
    const client = createClient({ storage, logger: silentLogger })
    const server = createServer(nodeListener(createDashboard({ client, authorize: () => true })))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const browser = await chromium.launchPersistentContext(join(folder, 'profile'), {
      executablePath: programPath('chromium'),
      headless: true,
      viewport: { width: 1280, height: 900 },
      args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-sync'],
    })
    try {
      const page = browser.pages()[0] ?? (await browser.newPage())
      const rows: string[][] = []
      for (const shape of shapes) {
        const tasks = Array.from({ length: shape.tasks }, (_, index) => `task-${index}`)
        await client.add(
          defineJob({
            name: shape.job,
            overlapPolicy: 'allow',
            tasks: tasks.map((name) => ({ name, handler: 'none' })),
          }),
        )
        await fill(storage, shape, tasks)
        rows.push(...(await scroll(page, origin, shape, smoke ? 2 : 40)))
      }
      return {
        columns: ['', 'elements', 'frames', 'frame p50', 'p99', 'longest', 'longest task', 'its processor time'],
        rows,
        notes: [
          'A frame lasts from its commit to the commit of the next one. A task is work of the page without a break.',
          'Smoothly: 120 pixels in each frame. By jumps: a whole window in each frame, so that no cell stays visible.',
          loadNote(),
        ],
      }
    } finally {
      await browser.close()
      server.closeAllConnections()
      server.close()
      await client.close()
      await storage.close()
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function scroll(page: Page, origin: string, { job, tasks, runs }: Shape, frames: number): Promise<string[][]> {
  await page.goto(`${origin}/job?job=${job}`)
  await page.locator('.grid-cell').first().waitFor()
  const select = page.locator('.inline-field select').first()
  const choices = (await page.evaluate(
    '[...document.querySelector(".inline-field select").options].map(({ value }) => value)',
  )) as string[]
  const wanted = choices.find((choice) => Number(choice) >= runs) ?? choices.at(-1)
  await select.selectOption(String(wanted))
  await page.locator(`[role="grid"][aria-colcount="${runs + 1}"]`).waitFor()
  const session = await page.context().newCDPSession(page)
  const rows: string[][] = []
  for (const [how, stepShare] of [
    ['smoothly', 0],
    ['by jumps', 1],
  ] as const) {
    const events = await traced(session, () => page.evaluate(scrolling(frames, stepShare)))
    const elements = (await page.evaluate('document.querySelectorAll("*").length')) as number
    const cells = (tasks * runs).toLocaleString('en-US')
    rows.push([
      `${tasks.toLocaleString('en-US')} tasks x ${runs.toLocaleString('en-US')} runs, ${cells} cells, ${how}`,
      elements.toLocaleString('en-US'),
      ...framesOf(events),
    ])
  }
  await session.detach()
  return rows
}

/** Returns a script that scrolls the grid diagonally towards the opposite corner and back, one step per frame. */
function scrolling(frames: number, stepShare: number): string {
  return `new Promise((resolve) => {
    const box = document.querySelector('.grid-box')
    const width = ${stepShare} === 0 ? 120 : box.clientWidth
    const height = ${stepShare} === 0 ? 120 : box.clientHeight
    let left = ${frames} * 6
    const step = () => {
      const isBack = left > ${frames} * 3
      box.scrollLeft += isBack ? -width : width
      box.scrollTop += isBack ? height : -height
      if (--left > 0) requestAnimationFrame(step)
      else requestAnimationFrame(() => requestAnimationFrame(resolve))
    }
    box.scrollLeft = box.scrollWidth
    box.scrollTop = 0
    requestAnimationFrame(step)
  })`
}

interface TraceEvent {
  readonly name: string
  readonly ph: string
  /** Time of the trace event, in microseconds. */
  readonly ts: number
  readonly dur?: number
  /** Processor time of the trace event, in microseconds. */
  readonly tdur?: number
  readonly pid: number
  readonly tid: number
  readonly args: { readonly name?: string }
}

async function traced(session: CDPSession, act: () => Promise<unknown>): Promise<readonly TraceEvent[]> {
  const events: TraceEvent[] = []
  const collect = ({ value }: { readonly value: readonly object[] }): void => {
    events.push(...(value as readonly TraceEvent[]))
  }
  session.on('Tracing.dataCollected', collect)
  const ended = new Promise<void>((resolve) => session.once('Tracing.tracingComplete', () => resolve()))
  const categories = 'devtools.timeline,disabled-by-default-devtools.timeline'
  await session.send('Tracing.start', { categories, transferMode: 'ReportEvents' })
  await act()
  await session.send('Tracing.end')
  await ended
  session.off('Tracing.dataCollected', collect)
  return events
}

function framesOf(events: readonly TraceEvent[]): readonly string[] {
  const main = events.find(({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain')
  const isOfPage = ({ pid, tid }: TraceEvent) => pid === main?.pid && tid === main.tid
  const tasks = events.filter((event) => isOfPage(event) && event.name === 'RunTask')
  const longest = (times: readonly number[]): string =>
    (times.reduce((most, one) => Math.max(most, one), 0) / 1000).toFixed(1)
  const drawn = events
    .filter(({ name, pid }) => name === 'BeginCommitCompositorFrame' && pid === main?.pid)
    .map(({ ts }) => ts / 1000)
    .sort((one, other) => one - other)
  const lengths = drawn
    .slice(1)
    .map((at, index) => at - (drawn[index] as number))
    .sort((one, other) => one - other)
  const part = (share: number): string => (lengths[Math.floor((lengths.length - 1) * share)] ?? 0).toFixed(1)
  return [
    String(lengths.length),
    part(0.5),
    part(0.99),
    part(1),
    longest(tasks.map(({ dur = 0 }) => dur)),
    longest(tasks.map(({ tdur = 0 }) => tdur)),
  ]
}

async function fill(storage: Storage, { job, runs }: Shape, tasks: readonly string[]): Promise<void> {
  const id = jobId(job)
  const { maxBatch } = storage.capabilities
  const last = Date.now() - 60_000
  const size = Math.max(1, Math.min(maxBatch, Math.floor(5000 / tasks.length)))
  for (let start = 0; start < runs; start += size) {
    const count = Math.min(size, runs - start)
    const items = Array.from({ length: count }, (_, index) => begun(id, tasks, last - (runs - start - index) * 60_000))
    const now = (items.at(-1) as CreateRequested).scheduledAt
    await storage.createOccurrences({ now, owner, items })
    await storage.settle({ now: now + 20, items: items.map((item, index) => ended(item, (start + index) % 7 === 3)) })
  }
}

function begun(job: JobId, tasks: readonly string[], at: number): CreateRequested {
  const runs: readonly TaskRunRecord[] = tasks.map((task) => ({
    task,
    state: 'running',
    attempts: [{ number: 1, state: 'running', startedAt: at, endedAt: null }],
  }))
  const times = { scheduledAt: at, dueAt: at, executionTimeoutMs: 3_600_000 }
  return { kind: 'trigger', id: occurrenceId(job, at), jobId: job, jobVersion: 1, ...times, details: {}, runs }
}

function ended({ id, jobId: job, scheduledAt, runs }: CreateRequested, hasFailed: boolean): SettleItem {
  const attempt = { number: 1, startedAt: scheduledAt, endedAt: scheduledAt + 20 }
  const error = { name: 'Error', message: 'The printer has no paper.' }
  const results = (runs ?? []).map(({ task }, index): TaskRunRecord => {
    return hasFailed && index === 0
      ? { task, state: 'failed', attempts: [{ ...attempt, state: 'failed', error }] }
      : { task, state: 'completed', attempts: [{ ...attempt, state: 'succeeded' }] }
  })
  const change = { kind: 'finish', state: hasFailed ? 'failed' : 'completed', reason: null } as const
  return { id, jobId: job, scheduledAt, token: 1, sequence: 1, runs: results, change }
}
