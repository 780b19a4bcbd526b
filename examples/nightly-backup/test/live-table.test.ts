import { defineJob, type Occurrence, createScheduler } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'
import { expect, it, onTestFinished } from 'vitest'
import { describeChanges } from '../src/ledger-changes.ts'
import { type TableOptions, tableOf } from '../src/live-table.ts'
import { anyNode, type NodeOf } from '../src/nodes.ts'
import { colour, noColour } from '../src/style.ts'

const taskNames = ['copy', 'compress']

/**
 * Returns an occurrence that a real scheduler has run: `copy` succeeded at its first attempt, and `compress` at its second
 * attempt.
 */
async function realOccurrence(): Promise<Occurrence> {
  let tries = 0
  const job = defineJob({
    name: 'backup',
    schedule: cron('0 0 1 1 *'),
    tasks: [
      { name: 'copy', run: () => undefined },
      {
        name: 'compress',
        retryPolicy: { maxRetries: 1, retryInterval: 1 },
        run: () => {
          if (tries++ === 0) throw new Error('no space left')
        },
      },
    ],
  })
  // On the virtual clock, all durations are shorter than 1 s, however slow the machine is. So the table prints them in ms.
  const clock = virtualClock('2026-01-01T02:00:00Z')
  const scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], clock })
  onTestFinished(() => scheduler.shutdown())
  await scheduler.start()
  await scheduler.trigger('backup')
  await clock.advance({ seconds: 1 })
  const [occurrence] = (await scheduler.occurrences({ job: 'backup' })).items
  return { ...(occurrence as Occurrence), scheduledAt: new Date('2026-01-01T02:00:03Z') }
}

async function tableOptions(columns: number): Promise<TableOptions> {
  const now = new Date('2026-01-01T02:00:07Z')
  const slots = [3, 6, 9].map((seconds) => new Date(Date.UTC(2026, 0, 1, 2, 0, seconds)))
  return { taskNames, slots, occurrences: [await realOccurrence()], nodeOf: anyNode, now, columns, paint: noColour }
}

it('the live table shows a line for each slot, with every attempt of every task', async () => {
  const { lines, complete } = tableOf(await tableOptions(120))
  expect(complete).toBe(true)
  expect(lines.map(({ text }) => text.trimEnd())).toEqual([
    expect.stringMatching(/^ {2}slot {6}state {6}copy +compress +took$/),
    expect.stringMatching(/^ {2}02:00:03 {2}completed {2}✓ \d+ ms +✗ failed, ✓ \d+ ms +\d+ ms$/),
    '  02:00:06  due',
    '  02:00:09  to come',
  ])
})

/** Maps the first attempt of each task to node A, and later attempts to node B. */
const twoNodes: NodeOf = (_, __, attempt) => (attempt === 1 ? 'A' : 'B')

it('the live table shows the node of every attempt, even if the terminal is too narrow for durations', async () => {
  const options = { ...(await tableOptions(120)), nodeOf: twoNodes }
  expect(tableOf(options).lines[1]?.text).toMatch(/✓ \d+ ms A {2,}✗ failed A, ✓ \d+ ms B /)
  expect(tableOf({ ...options, columns: 34 }).lines[1]?.text).toMatch(/✓A +✗A✓B/)
})

it('the live table of the demo marks interrupted attempts, and missed slots that ran late', async () => {
  const options = await tableOptions(200)
  const [occurrence] = options.occurrences
  const occurrences = [{ ...(occurrence as Occurrence), recovered: true, fencingToken: 2 }]
  expect(tableOf({ ...options, occurrences }).lines[1]?.text).toContain('missed, made up, interrupted, taken up again')
})

it('a live table on a narrow terminal omits its notes first, then its durations, and then parts of its headings', async () => {
  for (const columns of [100, 60, 45, 34, 10]) {
    const { lines, complete } = tableOf(await tableOptions(columns))
    for (const { text, width } of lines) {
      expect(text.trimEnd().length).toBeLessThanOrEqual(columns)
      expect(width).toBeLessThanOrEqual(columns)
    }
    expect(complete).toBe(columns >= 60)
  }
  const narrow = tableOf(await tableOptions(34)).lines.map(({ text }) => text.trimEnd())
  expect(narrow[0]).toBe('  slot      state      cop  com')
  expect(narrow[1]).toBe('  02:00:03  completed  ✓    ✗✓')
})

it('the live table counts escape codes for colors as width 0, and cuts no escape code in two', async () => {
  const options = await tableOptions(16)
  const plain = tableOf(options).lines
  const coloured = tableOf({ ...options, paint: colour }).lines
  expect(coloured.map(({ width }) => width)).toEqual(plain.map(({ width }) => width))
  const escapeCodes = new RegExp(`${String.fromCharCode(27)}\\[\\d+m`, 'g')
  expect(coloured.map(({ text }) => text.replaceAll(escapeCodes, ''))).toEqual(plain.map(({ text }) => text))
})

it('describeChanges returns the changes between two reads of the ledger as lines of text', async () => {
  const occurrence = await realOccurrence()
  const before = { at: new Date('2026-01-01T02:00:03Z'), occurrences: [] }
  const now = { at: new Date('2026-01-01T02:00:04Z'), occurrences: [occurrence] }
  expect(describeChanges(before, now, anyNode)).toEqual([
    expect.stringMatching(/^02:00:03 {2}copy {6}attempt 1 succeeded in \d+ ms$/),
    '02:00:03  compress  attempt 1 failed: no space left',
    expect.stringMatching(/^02:00:03 {2}compress {2}attempt 2 succeeded in \d+ ms$/),
    '02:00:03  completed',
  ])
  expect(describeChanges(before, now, twoNodes)).toContain('02:00:03  compress  attempt 1 on A failed: no space left')
  expect(describeChanges(now, now, anyNode)).toEqual([])
})

it('describeChanges reports the start of an attempt once, even if several reads of the ledger show the attempt as running', async () => {
  const occurrence = await realOccurrence()
  const [copy] = occurrence.tasks
  const startedAt = new Date('2026-01-01T02:00:03Z')
  const attempt = { ...copy!.attempts[0]!, state: 'running', startedAt, endedAt: null, durationMs: null } as const
  const running = {
    ...occurrence,
    state: 'running',
    finishedAt: null,
    tasks: [{ ...copy!, attempts: [attempt] }],
  } as const
  const looks = [3.1, 3.9, 4.1, 4.9].map((seconds) => ({
    at: new Date(Date.UTC(2026, 0, 1, 2, 0, 0) + seconds * 1000),
    occurrences: [running],
  }))
  const told = looks.slice(1).map((look, index) => describeChanges(looks[index]!, look, anyNode))
  expect(told).toEqual([[], ['02:00:03  copy      attempt 1 running'], []])
})
