import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createClient, createScheduler, defineJob, silentLogger, stateMeanings } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { cron } from '@jobistemer/ticker-cron'
import { describe, expect, it } from 'vitest'
import { useScratch } from './ledger.ts'
import { type Ran, type RunOptions, runCli } from './run-cli.ts'

const scratch = useScratch()

describe('jobistemer trigger with --at or --delay', () => {
  it.each([
    [['--at', '2026-01-02T14:00:00Z'], '2026-01-02T14:00:00.000Z'],
    [['--at', '+2h'], '2026-01-02T14:30:00.000Z'],
    [['--delay', '90s'], '2026-01-02T12:31:30.000Z'],
  ])(
    'with the option %j creates a run that waits until the given instant, and the command `run` shows why the run waits',
    async (when, scheduledAt) => {
      const { place } = await scratch.ledger()
      const ask = (...argv: string[]) => runCli([...argv, '-s', place])
      const asked = JSON.parse((await ask('trigger', 'nightly-report', ...when, '--json')).out)
      expect(asked).toMatchObject({ state: 'pending', reason: 'delayed' })
      expect(JSON.parse((await ask('run', asked.id, '--json')).out)).toMatchObject({
        why: 'It was requested for a later time.',
        occurrence: { state: 'pending', scheduledAt },
      })
    },
  )

  it('refuses --at together with --delay, and an invalid instant', async () => {
    const { place } = await scratch.ledger()
    const ask = (...argv: string[]) => runCli(['trigger', 'nightly-report', ...argv, '-s', place])
    expect(await ask('--at', '+1h', '--delay', '1h')).toMatchObject({
      code: 2,
      err: expect.stringContaining('(USAGE, --delay)'),
    })
    expect(await ask('--at', 'tomorrow')).toMatchObject({ code: 2, err: expect.stringContaining('INVALID_INSTANT') })
    expect(JSON.parse((await runCli(['counts', 'nightly-report', '-s', place, '--json'])).out).counts.pending).toBe(0)
  })
})

describe('the option --priority', () => {
  it.each([
    [['trigger', 'nightly-report', '--priority', '7'], 7],
    [['trigger', 'nightly-report', '--priority', '-10'], -10],
    [['trigger', 'nightly-report', '--priority=0'], 0],
    [['trigger', 'nightly-report'], 0],
  ])('sets the priority of the run that the command line %j creates', async (argv, priority) => {
    const { place } = await scratch.ledger()
    const ask = (...words: readonly string[]) => runCli([...words, '-s', place])
    const { id } = JSON.parse((await ask(...argv, '--json')).out)
    expect(JSON.parse((await ask('run', id, '--json')).out).occurrence.priority).toBe(priority)
    const shown = (await ask('run', id)).out.split('\n').filter((line) => line.startsWith('priority'))
    expect(shown).toEqual(priority === 0 ? [] : [`priority   ${priority}`])
  })

  it('sets the priority of a replay and of the runs of a backfill', async () => {
    const { place, storage } = await scratch.ledger()
    const ask = (...argv: string[]) => runCli([...argv, '--priority', '-3', '-s', place, '--json'])
    const { items } = await createClient({ storage: storage(), logger: silentLogger }).failures()
    const { id } = JSON.parse((await ask('replay', items[0]?.id ?? '')).out)
    const span = ['--from', '2025-12-30T00:00:00Z', '--to', '2026-01-02T00:00:00Z', '--all']
    await ask('backfill', 'nightly-report', ...span, '--no-wait')
    const client = createClient({ storage: storage(), logger: silentLogger })
    expect((await client.occurrence(id)).priority).toBe(-3)
    const runs = (await client.occurrences({ job: 'nightly-report' })).items.filter(({ backfill }) => backfill !== null)
    expect(runs.length).toBeGreaterThan(0)
    expect(new Set(runs.map(({ priority }) => priority))).toEqual(new Set([-3]))
  })

  it.each(['11', '-11', '1.5', 'high', ''])('refuses the invalid value %j', async (level) => {
    const { place } = await scratch.ledger()
    const { code, err } = await runCli(['trigger', 'nightly-report', '--priority', level, '-s', place])
    expect(code).toBe(2)
    expect(err).toContain(`--priority is not a whole number from -10 to 10: "${level}". (INVALID_ARGUMENT)`)
  })
})

describe('jobistemer trigger --wait', () => {
  /** Starts a node with three jobs. Returns a function that runs the CLI while virtual time passes. */
  async function world(at?: readonly string[]) {
    const { place, storage } = scratch.empty()
    const clock = virtualClock('2026-01-01T00:00:00Z')
    const job = (name: string, run: () => Promise<unknown>) =>
      defineJob({ name, overlapPolicy: 'skip', tasks: [{ name: 'a', run }] })
    const scheduler = createScheduler({
      storage: storage(),
      clock,
      nodeId: 'node-1',
      logger: silentLogger,
      jobs: [
        job('quick', async () => ({ rows: 3 })),
        job('broken', () => Promise.reject(new Error('no rows'))),
        job('long', () => clock.sleep({ minutes: 4 })),
      ],
    })
    await scheduler.start()
    const ask = async (argv: readonly string[], options: RunOptions = {}): Promise<Ran> => {
      let isOver = false
      const running = runCli([...argv, ...(at ?? ['-s', place])], { now: clock, ...options }).finally(() => {
        isOver = true
      })
      while (!isOver) await clock.advance({ seconds: 1 })
      return running
    }
    return { ask, scheduler }
  }

  it('prints the run as the command `run` prints it, and exits with 0 when the run is completed', async () => {
    const { ask, scheduler } = await world()
    const waited = await ask(['trigger', 'quick', '--wait'])
    expect(waited).toMatchObject({ code: 0, err: expect.stringMatching(/^quick: \w+\njobistemer run occ_\S+\n$/) })
    const [id = ''] = /occ_\S+/.exec(waited.err) as RegExpExecArray
    const ages = / \(.*\)|\d+ s ago|now/g
    expect(waited.out.replace(ages, '')).toBe((await ask(['run', id])).out.replace(ages, ''))
    expect(waited.out).toContain('result {"rows":3}')
    const { code, out } = await ask(['replay', id, '--wait', '--json'])
    expect({ code, ...JSON.parse(out) }).toMatchObject({
      code: 0,
      job: 'quick',
      state: 'completed',
      why: 'All of its tasks completed.',
      occurrence: { replayOf: id, tasks: [{ result: { rows: 3 } }] },
    })
    await scheduler.shutdown()
  })

  it('exits with 1 if the run failed or was skipped', async () => {
    const { ask, scheduler } = await world()
    expect(await ask(['trigger', 'broken', '--wait'])).toMatchObject({
      code: 1,
      out: expect.stringContaining('Error: no rows'),
    })
    expect(await ask(['trigger', 'long'])).toMatchObject({ code: 0 })
    expect(await ask(['trigger', 'long', '--wait'])).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^state +skipped$/m),
    })
    await scheduler.shutdown()
  })

  it('exits with 6 after the time in --timeout, and the run continues', async () => {
    const { ask, scheduler } = await world()
    const { code, out, err } = await ask(['trigger', 'long', '--wait', '--timeout', '1m', '--json'])
    expect({ code, out, ...JSON.parse(err) }).toMatchObject({
      code: 6,
      out: '',
      error: {
        code: 'WAIT_TIMEOUT',
        message: expect.stringMatching(/^Occurrence occ_\S+ has not ended within 60000 ms/),
      },
    })
    expect(JSON.parse((await ask(['counts', 'long', '--json'])).out)).toMatchObject({ counts: { running: 1 } })
    await scheduler.shutdown()
  })

  it('does not change the timeout of storage calls, which is 10 s', async () => {
    const { folder } = scratch.empty()
    writeFileSync(
      join(folder, 'jobistemer.config.mjs'),
      `import { sqliteStorage } from '${import.meta.resolve('@jobistemer/storage-sqlite')}'
const storage = sqliteStorage({ file: ':memory:' })
export default { storage: Object.assign(storage, { serverTime: () => new Promise(() => {}) }) }`,
    )
    const { ask, scheduler } = await world([])
    const { code, err } = await ask(['trigger', 'quick', '--wait', '--timeout', '1m', '-c', 'jobistemer.config.mjs'], {
      cwd: folder,
    })
    expect({ code, err }).toEqual({ code: 3, err: expect.stringContaining('has not answered within 10000 ms') })
    await scheduler.shutdown()
  })

  it('prints the id of the run and exits with 130 at Ctrl-C, and the run continues', async () => {
    const { ask, scheduler } = await world()
    const { code, out, err } = await ask(['trigger', 'long', '--wait'], {
      interruptible: (interrupt) => {
        // Presses Ctrl-C while the run is in progress.
        scheduler.on('occurrence.started', interrupt)
      },
    })
    expect({ code, out }).toEqual({ code: 130, out: '' })
    expect(err).toMatch(/The run continues: occ_\S+\. \(INTERRUPTED\)/)
    expect(await scheduler.isRunning('long')).toBe(true)
    await scheduler.shutdown()
  })
})

describe('a replay, and a run of a backfill,', () => {
  it('appear in `history` with the slot for which they work, and the replay resolves the failure of its original', async () => {
    const { place, storage } = await scratch.ledger()
    const ask = (...argv: string[]) => runCli([...argv, '-s', place, '--utc'])
    const json = async (...argv: string[]) => JSON.parse((await ask(...argv, '--json')).out)
    const [{ id: failed }] = (await json('failures')).failures
    const { id: replayed } = await json('replay', failed)
    const span = ['--from', '2026-01-01T00:00:00Z', '--to', '2026-01-02T00:00:00Z', '--all', '--key', 'first']
    await ask('backfill', 'nightly-report', ...span, '--no-wait')
    const run = async () => ({ rows: 7 })
    const tasks = [
      { name: 'export', run },
      { name: 'upload', run },
    ]
    const schedule = cron('0 2 * * *', { timezone: 'Europe/Berlin' })
    const clock = virtualClock('2026-01-02T12:40:00Z')
    const job = defineJob({ name: 'nightly-report', owner: 'reports', schedule, overlapPolicy: 'queue', tasks })
    const scheduler = createScheduler({ storage: storage(), clock, jobs: [job], nodeId: 'day-1', logger: silentLogger })
    await scheduler.start()
    await clock.advance({ minutes: 1 })
    await scheduler.shutdown()
    const lines = (await ask('history', 'nightly-report')).out.split('\n')
    expect(lines[0]).toMatch(/^SCHEDULED +SLOT +STATE/)
    const shown = lines
      .map((line) => /(\S+ \S+Z) {2}completed .* (replay|backfill)/.exec(line)?.slice(1))
      .filter(Boolean)
    expect(shown.sort()).toEqual([
      ['2026-01-01 01:00:00Z', 'backfill'],
      ['2026-01-02 01:00:00Z', 'replay'],
    ])
    expect((await ask('run', replayed)).out).toMatch(/^slot +2026-01-02 01:00:00Z/m)
    expect((await ask('failures', '--since', '-9d')).out).toContain('No unresolved failures since')
    expect((await ask('failures', '--since', '-9d', '--resolved')).out).toContain(`resolved by ${replayed}`)
    expect((await json('failures', '--since', '-9d', '--resolved')).failures).toMatchObject([{ resolvedBy: replayed }])
  })
})

describe('a slot that was canceled ahead', () => {
  it('is not shown as the next slot in the output of `next`, `jobs` and `job`', async () => {
    const { place } = await scratch.ledger()
    const ask = (...argv: string[]) => runCli([...argv, '-s', place, '--utc'])
    const [first, second] = JSON.parse((await ask('next', 'nightly-report', '--json')).out).slots
    await ask('cancel-slot', 'nightly-report', first)
    expect(JSON.parse((await ask('next', 'nightly-report', '--json')).out).slots[0]).toBe(second)
    const { jobs } = JSON.parse((await ask('jobs', 'nightly', '--json')).out)
    expect(jobs).toMatchObject([{ nextAt: second }])
    expect(JSON.parse((await ask('job', 'nightly-report', '--json')).out).job).toMatchObject({ nextAt: second })
  })
})

it('the help of `history` explains each state', async () => {
  const { out } = await runCli(['history', '--help'])
  for (const [state, meaning] of Object.entries(stateMeanings))
    expect(out).toMatch(new RegExp(`^  ${state} +${meaning}$`, 'm'))
})
