import { createClient, defineJob, type Schedule, type ScheduleType, silentLogger } from '@jobistemer/core'
import { registerScheduleType } from '@jobistemer/core/schedule'
import { virtualClock } from '@jobistemer/core/testing'
import { cron } from '@jobistemer/ticker-cron'
import { describe, expect, it } from 'vitest'
import { useScratch } from './ledger.ts'
import { type RunOptions, runCli } from './run-cli.ts'

const scratch = useScratch()

/** A user's type of schedules, whose stored `timezone` is not an IANA name. */
const plantType: ScheduleType = {
  name: 'plant-calendar',
  revive: () => {
    const daily = cron('0 2 * * *', { timezone: 'UTC' })
    const plant: Schedule = {
      type: plantType,
      next: (after) => daily.next(after),
      previous: (before) => daily.previous(before),
      between: (from, to) => daily.between(from, to),
      describe: () => 'as plant 3',
      toJSON: () => ({ type: 'plant-calendar', timezone: 'plant 3' }),
      nextMs: (after) => daily.nextMs(after),
      previousMs: (before) => daily.previousMs(before),
    }
    return plant
  },
}
registerScheduleType(plantType)

async function ledger() {
  const { place, storage } = await scratch.ledger()
  const ask = (argv: readonly string[], options: RunOptions = {}) => runCli([...argv, '-s', place], options)
  const json = async (...argv: string[]) => JSON.parse((await ask([...argv, '--json'])).out)
  const client = createClient({ storage: storage(), clock: virtualClock('2026-01-02T12:10:00Z'), logger: silentLogger })
  return { ask, json, client }
}

describe('versions', () => {
  it('versions lists the changes of each version with old and new values, newest first', async () => {
    const { ask, json, client } = await ledger()
    await client.update('import', { description: 'orders\u001b[31m', executionTimeout: { hours: 2 } })
    await client.update('import', { schedule: cron('0 3 * * *', { timezone: 'UTC' }), retention: 'forever' })
    await client.close()
    expect((await ask(['versions', 'import'])).out).toMatchInlineSnapshot(`
      "version 3  from 2026-01-02 12:10:00Z (20 min ago), in force
        schedule   {"type":"cron","expression":"0 0 1 1 *","timezone":"UTC"} → {"type":"cron","expression":"0 3 * * *","timezone":"UTC"}
        retention  {"olderThanMs":2592000000,"keep":10} → forever

      version 2  from 2026-01-02 12:10:00Z (20 min ago)
        description       null → orders\\x1b[31m
        executionTimeout  1 h → 2 h

      version 1  from 2026-01-02 12:00:00Z (30 min ago)
        the first
      "
    `)
    expect((await ask(['versions', 'import', '-n', '1'])).out).toMatchInlineSnapshot(`
      "version 3  from 2026-01-02 12:10:00Z (20 min ago), in force
        schedule   {"type":"cron","expression":"0 0 1 1 *","timezone":"UTC"} → {"type":"cron","expression":"0 3 * * *","timezone":"UTC"}
        retention  {"olderThanMs":2592000000,"keep":10} → forever
      "
    `)
    expect(await json('versions', 'import', '-n', '1')).toMatchObject({
      job: 'import',
      versions: [{ version: 3, changes: [{ part: 'schedule' }, { part: 'retention', after: null }] }],
    })
  })

  it('versions with the name of a missing job names similar jobs', async () => {
    const { ask, client } = await ledger()
    await client.close()
    expect(await ask(['versions', 'imprt'])).toMatchObject({ code: 4, err: expect.stringContaining('"import"') })
  })
})

describe('update', () => {
  it('update stores a new version with the actor and the reason', async () => {
    const { ask, json, client } = await ledger()
    await client.close()
    const said = ['--reason', 'the backup takes longer', '--actor', 'ann']
    const { code, out } = await ask(['update', 'nightly-report', '--cron', '0 3 * * *', '--zone', 'UTC', ...said])
    expect([code, out]).toEqual([0, 'nightly-report: version 2; next 2026-01-03 03:00:00Z (in 14 h)\n'])
    expect(await json('versions', 'nightly-report', '-n', '1')).toMatchObject({
      versions: [{ version: 2, reason: 'the backup takes longer', actor: 'ann', changes: [{ part: 'schedule' }] }],
    })
    expect((await ask(['versions', 'nightly-report', '-n', '1'])).out).toMatch(
      /^ +by +ann\n +reason +the backup takes longer\n +schedule/m,
    )
    const again = await ask(['update', 'nightly-report', '--cron', '0 3 * * *', '--zone', 'UTC'])
    expect(again).toMatchObject({ code: 1, out: expect.stringContaining('as it was before') })
    const zoned = ['update', 'nightly-report', '--cron', '0 3 * * *', '--zone', 'Europe/Berlin']
    expect(await json(...zoned)).toMatchObject({ version: 3, changed: true, nextAt: '2026-01-03T02:00:00.000Z' })
    expect(await json('update', 'nightly-report', '--no-schedule')).toMatchObject({ version: 4, nextAt: null })
  })

  it('update --cron without --zone keeps the time zone of the stored schedule', async () => {
    const { place, storage } = scratch.empty()
    const client = createClient({ storage: storage(), logger: silentLogger })
    const tasks = [{ name: 'a', handler: 'nothing' }]
    const settings = { timezone: 'Asia/Tokyo' }
    await client.add(defineJob({ name: 'own', schedule: cron('0 2 * * *', { timezone: 'Europe/Berlin' }), tasks }))
    await client.add(defineJob({ name: 'bound', ...settings, schedule: cron('0 2 * * *'), tasks }))
    await client.add(defineJob({ name: 'bare', ...settings, tasks }))
    const plant = plantType.revive({ type: 'plant-calendar' })
    await client.add(defineJob({ name: 'foreign', ...settings, schedule: plant, tasks }))
    await client.close()
    // Without an offset, an instant has the time zone of the job.
    const asked = ['explain', 'foreign', '2026-01-01 11:00', '-s', place, '--json']
    const explained = await runCli(asked, { isLocal: true })
    expect(JSON.parse(explained.out)).toMatchObject({ at: '2026-01-01T02:00:00.000Z' })
    const zoneOf = async (name: string) => {
      await runCli(['update', name, '--cron', '0 3 * * *', '-s', place])
      return JSON.parse((await runCli(['job', name, '-s', place, '--json'])).out).job.schedule
    }
    const schedule = { type: 'cron', expression: '0 3 * * *' }
    expect(await zoneOf('own')).toEqual({ ...schedule, timezone: 'Europe/Berlin' })
    expect(await zoneOf('bound')).toEqual({ ...schedule, timezone: 'Asia/Tokyo' })
    // This job has no schedule, so its own time zone applies.
    expect(await zoneOf('bare')).toEqual({ ...schedule, timezone: 'Asia/Tokyo' })
    // The stored `timezone` of this job's schedule is not an IANA name.
    expect(await zoneOf('foreign')).toEqual({ ...schedule, timezone: 'Asia/Tokyo' })
  })

  it('update refuses an invalid cron expression, an outdated expected version, and a command without a change', async () => {
    const { ask, client } = await ledger()
    await client.close()
    expect(await ask(['update', 'import', '--cron', 'never'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('INVALID_SCHEDULE'),
    })
    expect(await ask(['update', 'import', '--cron', '0 3 * * *', '--expected-version', '7'])).toMatchObject({
      err: expect.stringContaining('VERSION_CONFLICT'),
    })
    expect(await ask(['update', 'import'])).toMatchObject({ code: 2, err: expect.stringContaining('USAGE') })
    expect(await ask(['update', 'import', '--zone', 'UTC', '--no-schedule'])).toMatchObject({ code: 2 })
    expect(await ask(['update', 'import', '--cron', '0 3 * * *', '--zone', 'Foo'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--zone is not a known time zone: "Foo". (INVALID_TIMEZONE)'),
    })
  })
})

describe('remove', () => {
  it('remove asks on a terminal, and removes nothing unless the answer is yes', async () => {
    const { ask, json, client } = await ledger()
    await client.close()
    const asked = await ask(['remove', 'import'], { terminal: 80, input: '\n' })
    expect(asked).toMatchObject({ code: 1, out: '' })
    expect(asked.err).toContain('Remove import? 3 runs that wait will be canceled. [y/N] ')
    expect((await json('counts', 'import')).counts).toMatchObject({ pending: 1, queued: 2 })
    expect(await ask(['remove', 'import'], { terminal: 80, input: 'yes\n' })).toMatchObject({
      code: 0,
      out: 'import\nRemoved 1.\n',
    })
    expect((await json('counts')).counts).toEqual({ pending: 0, queued: 0, running: 0 })
    expect(await ask(['job', 'import'])).toMatchObject({ code: 4 })
  })

  it('remove requires --yes without a terminal, and --dry-run removes nothing', async () => {
    const { ask, json, client } = await ledger()
    await client.close()
    const both = ['remove', 'import', 'nightly-report']
    expect(await ask(both)).toMatchObject({ code: 2, err: expect.stringContaining('NOT_CONFIRMED') })
    // With `--json`, the command asks no question even on a terminal, because a program may read the output.
    const onTerminal = await ask([...both, '--json'], { terminal: 80, input: 'y\n' })
    expect(JSON.parse(onTerminal.err)).toMatchObject({ error: { code: 'NOT_CONFIRMED', exitCode: 2 } })
    expect((await ask([...both, '--dry-run'])).out).toBe(
      'Would remove import, nightly-report. 3 runs that wait will be canceled. Nothing was done.\n',
    )
    expect((await json('jobs')).jobs).toHaveLength(3)
    expect(await json(...both, '--yes')).toEqual({ dryRun: false, jobs: ['import', 'nightly-report'] })
    expect((await json('jobs')).jobs).toHaveLength(1)
  })

  it('remove removes no job if one of the given names is unknown', async () => {
    const { ask, json, client } = await ledger()
    await client.close()
    expect(await ask(['remove', 'import', 'nightly', '--yes'])).toMatchObject({
      code: 4,
      err: expect.stringContaining('Did you mean "nightly-report"?'),
    })
    expect((await json('jobs')).jobs).toHaveLength(3)
  })
})
