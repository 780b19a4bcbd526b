import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { once } from '@jobistemer/ticker-once'
import { Cron } from 'croner'
import { createTask } from 'node-cron'
import { expect, it, vi } from 'vitest'
import type { ImportedJob } from '../../src/import/import-source.ts'
import { fromNodeCron } from '../../src/import/in-code.ts'
import { useScratch } from '../ledger.ts'
import { runCli } from '../run-cli.ts'

const scratch = useScratch()
const cli = import.meta.resolve('../../src/index.ts')

/** Writes and imports a module whose default export is an import source. */
async function imported(source: string, ...argv: string[]) {
  const folder = scratch.folder()
  const file = join(folder, 'schedules.ts')
  writeFileSync(file, `import { fromCroner, fromNodeCron, type ImportSource } from '${cli}'\n${source}`)
  const output = join(folder, 'jobs.json')
  const { out, err } = await runCli(['import', file, '--zone', 'Europe/Berlin', '-o', output, '--json', ...argv], {
    now: null,
    cwd: process.cwd(),
  })
  expect(err).toBe('')
  const { jobs } = JSON.parse(readFileSync(output, 'utf8'))
  return { ...JSON.parse(out), jobs }
}

/** Returns the notes about schedules that the import leaves out. */
function leftOut(notes: readonly { readonly kind: string; readonly origin: string; readonly text: string }[]): object {
  return Object.fromEntries(notes.filter(({ kind }) => kind === 'left_out').map(({ origin, text }) => [origin, text]))
}

it('the pattern of a node-cron task and of a croner job is imported as a cron expression', async () => {
  const task = createTask('0 2 * * *', () => undefined, { name: 'task', timezone: 'UTC' })
  const job = new Cron('0 3 * * FRI#2', { name: 'job', paused: true })
  const entries = [task, job].map((one) => ({ name: one.name, expression: one.getPattern() }))
  for (const adapter of ['fromNodeCron', 'fromCroner']) {
    const { jobs } = await imported(`export default ${adapter}(${JSON.stringify(entries)})`)
    expect(
      jobs.map(({ name, schedule }: { name: string; schedule: { expression: string } }) => [name, schedule.expression]),
    ).toEqual([
      ['task', '0 2 * * *'],
      ['job', '0 3 * * FRI#2'],
    ])
  }
})

it('the page of the documentation site about the importer names only members that an entry of fromCroner has', () => {
  const page = readFileSync(new URL('../../../site/docs/move-from/import.md', import.meta.url), 'utf8')
  const paragraph = /^For croner, .*?^$/ms.exec(page)?.[0] ?? ''
  const words = [...paragraph.matchAll(/`(\w+)`/g)].map(([, word]) => word)
  expect(words).toContain('fromCroner')
  const known = ['fromCroner', 'fromNodeCron', 'name', 'expression', 'options', 'handler']
  expect(words.filter((word) => !known.includes(word as string))).toEqual([])
})

it('a node-cron schedule is imported unless it restricts both the day of the month and the weekday', async () => {
  const { jobs, notes } = await imported(`export default fromNodeCron([
    { name: 'backup', expression: '0 2 * * *', options: { timezone: 'Asia/Tokyo', noOverlap: true } },
    { expression: '*/5 * * * * *', options: { name: 'poll', maxRandomDelay: 5 }, handler: 'poller' },
    { name: 'friday', expression: '0 0 13 * 5' },
    { expression: '* * * * *' },
    { name: 'broken', expression: '99 * * * *' },
    { name: 'too short', expression: 'x' },
  ])`)
  expect(jobs).toEqual([
    {
      name: 'backup',
      schedule: { type: 'cron', expression: '0 2 * * *', timezone: 'Asia/Tokyo' },
      overlapPolicy: 'skip',
      recoveryStrategy: 'mark_as_missed',
      tasks: [{ name: 'run', handler: 'backup' }],
    },
    {
      name: 'poll',
      schedule: { type: 'cron', expression: '*/5 * * * * *', timezone: 'Europe/Berlin' },
      overlapPolicy: 'allow',
      recoveryStrategy: 'mark_as_missed',
      tasks: [{ name: 'run', handler: 'poller' }],
    },
  ])
  expect(leftOut(notes)).toEqual({
    friday: expect.stringContaining('days that match both day fields'),
    'entry 4': 'It needs a name and an expression.',
    broken: expect.stringContaining('Jobistemer refuses it'),
    'too short': expect.stringContaining('Jobistemer refuses it: The cron expression "x" has 1 fields.'),
  })
  expect(notes).toContainEqual({
    origin: 'poll',
    kind: 'differs',
    text: expect.stringContaining('maxRandomDelay is not carried over'),
  })
})

it('an import from node-cron names expressions and options that versions before 4.6 treat differently', async () => {
  const expressions = [
    '0 0 */2 * *',
    '0 20/2 * * *',
    '10-50/20 3 * * *',
    '0 0 * * 5-7',
    '0 0 * * sat-sun',
    '0 0 * * fri-mon',
  ]
  const nodes = [...expressions, '0 0 * * 5L', '0 0 * * MON#1']
  const same = [
    '*/5 */2 * * *',
    '0 9-17 1,15 * *',
    '0 0 * * mon-fri',
    '0 0 * * 0',
    '0 0 2-8/2 jul *',
    '*/10 0 0 * * WED',
  ]
  const entries = [...nodes, ...same].map((expression) => ({ name: expression, expression }))
  const { jobs, notes } = await imported(`export default fromNodeCron([
    ...${JSON.stringify(entries)},
    { name: 'idle', expression: '* * * * *', options: { scheduled: false } },
    { name: 'recovers', expression: '* * * * *', options: { scheduled: true, recoverMissedExecutions: true, runOnInit: true } },
  ])`)
  expect(jobs.map(({ name }: { name: string }) => name)).toEqual([...nodes, ...same, 'recovers'])
  const named = notes.filter(({ text }: { text: string }) => text.includes('before 4.6'))
  expect(named.map(({ origin }: { origin: string }) => origin)).toEqual(nodes)
  expect(leftOut(notes)).toEqual({ idle: 'Its option scheduled has no counterpart: false.' })
  for (const option of ['recoverMissedExecutions', 'runOnInit']) {
    const text = expect.stringContaining(`${option} is not carried over`)
    expect(notes).toContainEqual({ origin: 'recovers', kind: 'differs', text })
  }
})

it('a comparison with a version of node-cron that computes no instants rejects, and names the version that does', async () => {
  const cwd = scratch.folder()
  mkdirSync(join(cwd, 'node_modules/node-cron'), { recursive: true })
  // As node-cron 3, which has no `createTask`.
  writeFileSync(join(cwd, 'node_modules/node-cron/index.js'), 'exports.schedule = () => undefined\n')
  const source = fromNodeCron([{ name: 'a', expression: '0 2 * * *' }])
  const context = { now: 0, cwd, timezone: 'UTC', cutOver: null, signal: AbortSignal.timeout(60_000) }
  const [job] = await source.read(context, { leftOut: () => undefined, differs: () => undefined })
  await expect(source.instantsAfter?.(job as ImportedJob, 0, context)).rejects.toMatchObject({
    code: 'PACKAGE_OUTDATED',
    field: '--compare',
    remedy: expect.stringContaining('4.4'),
  })
})

it('croner schedules with Quartz weekdays, with a start and an end, or for a single date are imported as jobs', async () => {
  const { jobs, notes, comparisons } = await imported(
    `export default fromCroner([
    { name: 'quartz', expression: '0 9 * * 2-6', options: { timezone: 'UTC', alternativeWeekdays: true, protect: true } },
    { name: 'window', expression: '0 12 * * *', options: { timezone: 'UTC', startAt: new Date('2090-01-01'), stopAt: new Date('2090-02-01') } },
    { name: 'date', expression: '2090-05-01T10:00:00', options: { timezone: 'UTC' } },
    { name: 'second friday', expression: '0 9 * * FRI#2' },
    { name: 'both', expression: '0 0 13 * +FRI' },
    { name: 'times', expression: '* * * * *', options: { maxRuns: 3 } },
    { name: 'stopped', expression: '* * * * *', options: { paused: true } },
    { name: 'day', expression: '0 0 L * *', options: { dayOffset: -1 } },
  ])`,
    '--compare',
  )
  const schedules = Object.fromEntries(
    jobs.map(({ name, schedule }: { name: string; schedule: object }) => [name, schedule]),
  )
  expect(schedules).toEqual({
    quartz: { type: 'cron', expression: '0 9 * * 1-5', timezone: 'UTC' },
    window: {
      type: 'cron',
      expression: '0 12 * * *',
      timezone: 'UTC',
      start: '2090-01-01T00:00:00.000Z',
      end: '2090-02-01T00:00:00.000Z',
    },
    date: { type: 'once', at: '2090-05-01T10:00:00', timezone: 'UTC' },
    'second friday': { type: 'cron', expression: '0 9 * * FRI#2', timezone: 'Europe/Berlin' },
  })
  const { at, timezone } = schedules.date as { readonly at: string; readonly timezone: string }
  expect(once(at, { timezone }).at).toEqual(
    new Cron('2090-05-01T10:00:00', { timezone: 'UTC', paused: true }).nextRun(),
  )
  expect(leftOut(notes)).toEqual({
    both: expect.stringContaining('because of the +'),
    times: 'Its option maxRuns has no counterpart: 3.',
    stopped: 'Its option paused has no counterpart: true.',
    day: 'Its option dayOffset has no counterpart: -1.',
  })
  expect(comparisons.map(({ differences }: { differences: object[] }) => differences)).toEqual([[], [], [], []])
})

it('a day field */1 of croner means every day, and the report names day fields that versions before 11 read differently', async () => {
  const expressions = [
    '0 0 */1 * 1',
    '0 0 1 * */1',
    '0 0 12 */1 * FRI',
    '0 0 */1 * *',
    '0 0 ? * 1',
    '0 0 * * 5L',
    '0 0 L * *',
  ]
  const entries = expressions.map((expression) => ({ name: expression, expression, options: { timezone: 'UTC' } }))
  const { jobs, notes, comparisons } = await imported(
    `export default fromCroner(${JSON.stringify(entries)})`,
    '--compare',
  )
  expect(jobs.map(({ schedule }: { schedule: { expression: string } }) => schedule.expression)).toEqual([
    '0 0 1-31 * 1',
    '0 0 1 * 0-6',
    '0 0 12 1-31 * FRI',
    '0 0 */1 * *',
    '0 0 ? * 1',
    '0 0 * * 5L',
    '0 0 L * *',
  ])
  expect(comparisons.flatMap(({ differences }: { differences: object[] }) => differences)).toEqual([])
  const named = notes.filter(({ text }: { text: string }) => text.includes('before 11'))
  expect(named.map(({ origin }: { origin: string }) => origin)).toEqual(['0 0 ? * 1', '0 0 * * 5L'])
})

it('jobistemer import reads the jobs of a module that exports its own implementation of ImportSource', async () => {
  const { jobs, source, notes } = await imported(`const source: ImportSource = {
  name: 'Quartz',
  async read({ timezone }, notes) {
    notes.leftOut('trigger 2', 'It has a calendar.')
    return [{ name: 'nightly', origin: 'trigger 1', schedule: { type: 'cron', expression: '0 2 * * *', timezone }, handler: 'night', settings: {} }]
  },
}
export default source`)
  expect(source).toBe('Quartz')
  expect(jobs).toHaveLength(1)
  expect(notes).toEqual([{ origin: 'trigger 2', kind: 'left_out', text: 'It has a calendar.' }])
})

it('a comparison with node-cron contains each instant of the node-cron task, even if the wall clock advances', async () => {
  const start = Date.parse('2026-01-01T00:00:00.500Z')
  const schedule = { type: 'cron', expression: '* * * * * *', timezone: 'UTC' }
  const job = {
    name: 'poll',
    origin: 'poll',
    schedule,
    handler: 'poll',
    settings: {},
    original: { name: 'poll', expression: '* * * * * *' },
  }
  vi.useFakeTimers({ toFake: ['Date'], now: start })
  try {
    const { signal } = new AbortController()
    const context = { now: start, timezone: 'UTC', cwd: process.cwd(), cutOver: null, signal }
    const instants = await fromNodeCron([]).instantsAfter?.(job, start, context)
    const taken = Array.from({ length: 100 }, (_, done) => {
      vi.setSystemTime(start + done * 100)
      return instants?.next().value
    })
    expect(taken).toEqual(Array.from({ length: 100 }, (_, done) => start + 500 + done * 1000))
  } finally {
    vi.useRealTimers()
  }
})
