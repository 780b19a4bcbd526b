import { mkdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startPostgres, startRedis } from '@jobistemer/test-servers'
import * as bullmq6 from 'bullmq'
import * as bullmq5 from 'bullmq-5'
import { PgBoss } from 'pg-boss'
import { cron } from '@jobistemer/ticker-cron'
import { expect, it } from 'vitest'
import { isThorough } from '../../../workspace/test-effort.ts'
import type { CheckedJob } from '../../src/import/checked-jobs.ts'
import { type ComparableSource, compareJob } from '../../src/import/compare.ts'
import { useScratch } from '../ledger.ts'
import { runCli } from '../run-cli.ts'

const scratch = useScratch()
const howMany = isThorough ? 200 : 8
const limitMs = isThorough ? 1_800_000 : 180_000
const seed = 30

/** Time zones whose clocks change by an hour or by half an hour, at midnight, on varying days, or never. */
const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Santiago',
  'Africa/Cairo',
  'Pacific/Chatham',
  'Asia/Kolkata',
  'Africa/Casablanca',
]

/** Which optional cron syntax an import source accepts. */
interface Syntax {
  readonly seconds?: boolean
  readonly nth?: boolean
  readonly last?: boolean
}

/**
 * Returns cron expressions with at most a few thousand instants a year, some of them with instants near a clock change.
 */
function expressions(syntax: Syntax): readonly { readonly expression: string; readonly timezone: string }[] {
  let state = seed
  const random = (below: number): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T
  const between = (low: number, high: number): number => low + random(high - low + 1)
  const range = (low: number, high: number): string => {
    const from = between(low, high)
    return `${from}-${between(from, high)}`
  }
  const minute = (): string =>
    pick([`${between(0, 59)}`, '0', '30', `${between(0, 29)},${between(30, 59)}`, '*/20', '10-50/20'])
  const hour = (): string =>
    pick([`${between(0, 4)}`, `${between(0, 23)}`, '1-3', '0,2,3', '*/6', range(0, 23), random(6) === 0 ? '*' : '9'])
  const day = (): string => {
    const plain = ['*', '*', '*', `${between(1, 28)}`, '1,15', range(1, 31), '*/5']
    return pick(syntax.last === true ? [...plain, 'L'] : plain)
  }
  const month = (): string => pick(['*', '*', '*', '1,4,7,10', '3-5', 'jan-mar', `${between(1, 12)}`])
  const weekday = (): string => {
    const plain = ['*', '*', '*', '1-5', '0', '6,0', 'MON', 'mon-fri', '7']
    return pick(syntax.nth === true ? [...plain, '5#2', 'MON#1'] : plain)
  }
  return Array.from({ length: howMany }, () => {
    const fields = [minute(), hour(), day(), month(), weekday()]
    const seconds = syntax.seconds === true && random(4) === 0 ? [pick(['0', '15', '20,40'])] : []
    return { expression: [...seconds, ...fields].join(' '), timezone: pick(zones) }
  })
}

/** Compares all schedules, and expects a rule for every difference and a note for every schedule that is left out. */
async function expectExplained(argv: readonly string[], cwd: string, count = howMany): Promise<void> {
  const { out, err } = await runCli(['import', ...argv, '--zone', 'UTC', '--compare', '--json'], { now: null, cwd })
  expect(err).toBe('')
  const { jobs, notes, comparisons } = JSON.parse(out)
  const leftOut = notes.filter(({ kind }: { kind: string }) => kind === 'left_out')
  const scheduled = jobs.filter(({ schedule }: { schedule: unknown }) => schedule !== null)
  expect(scheduled.length + leftOut.length).toBe(count)
  expect(scheduled.length).toBeGreaterThan(count / 4)
  expect(comparisons).toHaveLength(scheduled.length)
  const differences = comparisons.flatMap((comparison: { differences: readonly object[] }) => comparison.differences)
  expect(differences.filter(({ rule }: { rule: string | null }) => rule === null)).toEqual([])
  const equal = comparisons.reduce((sum: number, comparison: { equal: number }) => sum + comparison.equal, 0)
  expect(equal).toBeGreaterThan(20 * scheduled.length)
  if (isThorough)
    console.info(
      `${argv[0]}: ${scheduled.length} compared, ${leftOut.length} left out, ${equal} equal instants, ${differences.length} groups of differences`,
    )
}

it(
  'jobistemer import --compare states a reason for each instant at which the imported job differs from cron',
  async () => {
    const folder = scratch.folder()
    const lines = expressions({}).map(({ expression, timezone }, n) => `CRON_TZ=${timezone}\n${expression} job ${n}`)
    writeFileSync(join(folder, 'tab'), `${lines.join('\n')}\n`)
    await expectExplained(['crontab', 'tab'], folder)
  },
  limitMs,
)

it.each([
  ['node-cron', 'fromNodeCron', { seconds: true, nth: false, last: true }],
  ['croner', 'fromCroner', { seconds: true, nth: true, last: true }],
] as const)(
  'jobistemer import --compare states a reason for each instant at which the imported job differs from %s',
  async (_, adapter, syntax) => {
    const entries = expressions(syntax).map(({ expression, timezone }, n) => {
      return { name: `job ${n}`, expression, options: { timezone } }
    })
    // The built module needs no compilation, unlike the sources of the CLI.
    const cli = import.meta.resolve('../../dist/index.js')
    const file = join(scratch.folder(), 'schedules.mjs')
    writeFileSync(file, `import { ${adapter} } from '${cli}'\nexport default ${adapter}(${JSON.stringify(entries)})\n`)
    await expectExplained([file], process.cwd())
  },
  limitMs,
)

/**
 * Expressions for BullMQ 5 in `npm test`, because its library cron-parser 4 takes 10 ms for an instant. The instants of the first
 * two differ: one by a repeated local time, one by a weekday with #.
 */
const fewExpressions = [
  { expression: '0 3 * 1,4,7,10 7', timezone: 'Pacific/Chatham' },
  { expression: '0 12 1-20 * 5#2', timezone: 'UTC' },
  { expression: '12 0,2,3 L 3-5 *', timezone: 'Asia/Kolkata' },
]

it.each([
  ['bullmq', bullmq6.Queue],
  ['bullmq-5', bullmq5.Queue as unknown as typeof bullmq6.Queue],
] as const)(
  'jobistemer import --compare states a reason for each instant at which the imported job differs from %s',
  async (name, Queue) => {
    // The command loads the BullMQ that is installed in the user's project.
    const project = scratch.folder()
    mkdirSync(join(project, 'node_modules'))
    const installed = fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url))
    symlinkSync(realpathSync(installed), join(project, 'node_modules/bullmq'))
    const server = await startRedis()
    const queue = new Queue('q', { connection: { url: server.url } })
    const all = expressions({ seconds: true, nth: true, last: true })
    const asked = isThorough || name === 'bullmq' ? all : fewExpressions
    for (const [n, { expression: pattern, timezone: tz }] of asked.entries()) {
      await queue.upsertJobScheduler(`job ${n}`, { pattern, tz })
    }
    await expectExplained(['bullmq', '--from', server.url], project, asked.length)
    await queue.close()
    await server.stop()
  },
  limitMs,
)

it(
  'jobistemer import --compare states a reason for each instant at which the imported job differs from pg-boss',
  async () => {
    const server = await startPostgres({ quick: true })
    const boss = new PgBoss({ connectionString: server.url, schedule: false, supervise: false })
    await boss.start()
    await boss.createQueue('q')
    for (const [n, { expression, timezone: tz }] of expressions({ seconds: true, nth: true, last: true }).entries()) {
      await boss.schedule('q', expression, null, { tz, key: `job${n}` })
    }
    await boss.stop({ graceful: false })
    await expectExplained(['pg-boss', '--from', server.url], process.cwd())
    await server.stop()
  },
  limitMs,
)

it('jobistemer import --compare ends at once when the user interrupts it', async () => {
  const interruption = new AbortController()
  const schedule = cron('* * * * *')
  const job: CheckedJob = {
    name: 'pulse',
    origin: 'line 1',
    handler: 'pulse',
    settings: {},
    schedule: schedule.toJSON(),
    checked: schedule,
  }
  const source: ComparableSource = {
    name: 'clock',
    rules: { gap: '', fold: '' },
    read: async () => [],
    async instantsAfter(_, afterMs) {
      setImmediate(() => interruption.abort())
      return everyMinute(afterMs)
    },
  }
  const now = Date.parse('2026-01-01T00:00:30Z')
  const state = { now, cwd: process.cwd(), timezone: 'UTC', cutOver: null, signal: interruption.signal }
  await expect(compareJob(source, job, state)).rejects.toThrow('aborted')
})

function* everyMinute(afterMs: number): Generator<number, void> {
  for (let at = Math.ceil(afterMs / 60_000) * 60_000; ; at += 60_000) yield at
}
