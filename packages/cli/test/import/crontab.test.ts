import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createScheduler, silentLogger } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { expect, it } from 'vitest'
import type { ImportNote } from '../../src/import/import-source.ts'
import { useScratch } from '../ledger.ts'
import { type RunOptions, runCli } from '../run-cli.ts'

const scratch = useScratch()
const now = '2026-01-02T12:30:00Z'

interface Listed {
  readonly name: string
  readonly tasks: readonly [{ readonly data: object }]
  readonly schedule: { readonly expression: string; readonly timezone: string }
}

/** Imports a crontab, and returns its jobs and notes. */
async function imported(text: string, argv: readonly string[] = [], options: RunOptions = {}) {
  const folder = scratch.folder()
  writeFileSync(join(folder, 'tab'), text)
  const { code, out, err } = await runCli(
    ['import', 'crontab', 'tab', '--zone', 'Europe/Berlin', '--output', 'jobs.json', '--json', ...argv],
    { cwd: folder, now, ...options },
  )
  expect(err).toBe('')
  expect(readFileSync(join(folder, 'tab'), 'utf8')).toBe(text)
  const { notes } = JSON.parse(out) as { readonly notes: readonly ImportNote[] }
  const { jobs } = JSON.parse(readFileSync(join(folder, 'jobs.json'), 'utf8')) as { readonly jobs: readonly Listed[] }
  const leftOut = notes.filter(({ kind }) => kind === 'left_out')
  return {
    code,
    jobs,
    folder,
    notes,
    leftOut: leftOut.map(({ origin, text }) => `${origin}: ${text}`),
  }
}

it('jobistemer import crontab imports commands, standard input, environment and time zones of a user crontab', async () => {
  const { code, jobs, leftOut } = await imported(`# comment
  # indented comment

SHELL=/bin/bash
'QUOTED NAME' = ' with spaces '
EMPTY=
0 2 * * *   /usr/bin/backup --all
CRON_TZ=America/New_York
\t*/15 8-18 * jan-mar Mon-Fri\techo "100\\%" > out/x
30 4 1,15 * 5 mail -s hi joe%Dear Joe,%%bye \\% now
@Daily /usr/bin/daily
CRON_TZ=
-*/5 * * * * quiet
0 2 * * *   /usr/bin/backup --all
5~20 3 * * 7 random`)
  expect(leftOut).toEqual([])
  expect(code).toBe(0)
  const env = { SHELL: '/bin/bash', 'QUOTED NAME': ' with spaces ', EMPTY: '' }
  expect(
    jobs.map(({ name, schedule, tasks }) => [name, schedule.expression, schedule.timezone, tasks[0].data]),
  ).toEqual([
    ['/usr/bin/backup --all', '0 2 * * *', 'Europe/Berlin', { command: '/usr/bin/backup --all', env }],
    ['echo "100%" > out/x', '*/15 8-18 * jan-mar Mon-Fri', 'America/New_York', { command: 'echo "100%" > out/x', env }],
    [
      'mail -s hi joe',
      '30 4 1,15 * 5',
      'America/New_York',
      { command: 'mail -s hi joe', stdin: 'Dear Joe,\n\nbye % now\n', env },
    ],
    ['/usr/bin/daily', '0 0 * * *', 'America/New_York', { command: '/usr/bin/daily', env }],
    ['quiet', '*/5 * * * *', 'Europe/Berlin', { command: 'quiet', env }],
    ['/usr/bin/backup --all #2', '0 2 * * *', 'Europe/Berlin', { command: '/usr/bin/backup --all', env }],
    ['random', 'H(5-20) 3 * * 7', 'Europe/Berlin', { command: 'random', env }],
  ])
})

it('jobistemer import crontab reports the number of each crontab line that it leaves out, and the reason', async () => {
  const { code, leftOut, jobs } = await imported(`MAILTO=ops@example.com
RANDOM_DELAY=30
@reboot /usr/bin/start
@hourly
@fortnightly command
0 0 */2 * 1 both days
0 0 31 2 * never
61 * * * * minute
* * * * 8 weekday
5-1 * * * * reversed
0 0 * * */0 zero step
* * * * *
a b c d e f
0 */90 * * * big step
1/5 3 * * * number with a step
0 5 * * monday long weekday
0 5 * january * long month
0 2 * * 5/1 weekday with a step`)
  expect(code).toBe(1)
  expect(jobs).toEqual([])
  expect(leftOut.map((line: string) => line.slice(0, 60)).sort()).toEqual([
    'line 10: cron ignores this line, because its time is invalid',
    'line 11: cron ignores this line, because its time is invalid',
    'line 12: cron ignores this line, because a column is missing',
    'line 13: cron ignores this line, because its time is invalid',
    'line 14: Jobistemer refuses it: The hour field "*/90" of the',
    'line 15: cron ignores this line, because its time is invalid',
    'line 16: cron ignores this line, because its time is invalid',
    'line 17: cron ignores this line, because its time is invalid',
    'line 18: cron ignores this line, because its time is invalid',
    'line 1: MAILTO is not carried over: Jobistemer sends no mail',
    'line 2: RANDOM_DELAY is not carried over: Use H in the expre',
    'line 3: @reboot is not carried over: Jobistemer has no slot ',
    'line 4: cron ignores this line, because a column is missing:',
    'line 5: @fortnightly is not carried over: Jobistemer does no',
    'line 6: A day field begins with *, so cron runs the line on ',
    'line 7: Jobistemer refuses it: The cron expression "0 0 31 2',
    'line 8: cron ignores this line, because its time is invalid:',
    'line 9: cron ignores this line, because its time is invalid:',
  ])
})

it('jobistemer import crontab --system reads the user of each command from the column after the schedule', async () => {
  const { jobs } = await imported('17 * * * * root cd / && run-parts /etc/cron.hourly\n@daily www-data clean\n', [
    '--system',
  ])
  expect(jobs.map(({ tasks }) => tasks[0].data)).toEqual([
    { command: 'cd / && run-parts /etc/cron.hourly', user: 'root' },
    { command: 'clean', user: 'www-data' },
  ])
})

it('jobistemer import crontab names the random number of ~ only for a line with ~, also if ~ lacks a bound', async () => {
  const lines = ['0 0 * * THU weekly', '~30 1 * * * until', '10~ 2 * * * from', '5 3 15~ * * day', '0 4 * * ~5 weekday']
  const { jobs, notes } = await imported(lines.join('\n'))
  expect(jobs.map(({ schedule }) => schedule.expression)).toEqual([
    '0 0 * * THU',
    'H(0-30) 1 * * *',
    'H(10-59) 2 * * *',
    '5 3 H(15-31) * *',
    '0 4 * * H(0-5)',
  ])
  const random = notes.filter(({ text }) => text.startsWith('cron picks a random number'))
  expect(random.map(({ origin }) => origin)).toEqual(['line 2', 'line 3', 'line 4', 'line 5'])
})

it('jobistemer import crontab gives each line a name of its own, and cuts no character of a long name in half', async () => {
  const long = `${'x'.repeat(199)}\u{1F600} done`
  const commands = ['sync', 'sync #2', 'sync', 'sync', 'sync #2', long, long]
  const { jobs, notes } = await imported(commands.map((command) => `0 1 * * * ${command}`).join('\n'))
  expect(notes.filter(({ kind }) => kind === 'left_out')).toEqual([])
  expect(jobs.map(({ name }) => name)).toEqual([
    'sync',
    'sync #2',
    'sync #3',
    'sync #4',
    'sync #2 #2',
    'x'.repeat(199),
    `${'x'.repeat(199)} #2`,
  ])
})

it('`jobistemer import crontab -` reads the crontab from standard input, and reports the lines that it leaves out', async () => {
  const { out, code } = await runCli(['import', 'crontab', '-', '--zone', 'UTC'], {
    input: '@reboot start\n0 1 * * * a\n',
    now,
  })
  expect(code).toBe(1)
  expect(out).toContain('left out  line 1: @reboot is not carried over')
  expect(out).toContain('1 job of cron, 1 left out.\n')
})

it('plan and apply accept the file that import crontab writes; nodes run the jobs in this file from the instant in --cut-over on', async () => {
  const folder = scratch.folder()
  writeFileSync(join(folder, 'tab'), `*/10 * * * * echo "it's \`here\` $HOME \\\\"%in\n0 14 * * * other\n`)
  const ask = (...argv: string[]) => runCli(argv, { cwd: folder, now })
  const { out } = await ask(
    'import',
    'crontab',
    'tab',
    '--zone',
    'UTC',
    '-o',
    'jobs.ts',
    '--cut-over',
    '2026-01-02T13:00:00Z',
  )
  expect(out).toContain('The jobs start at 2026-01-02 13:00:00Z. Apply them before, and stop cron at it.')
  expect(out).toContain('crontab -e')
  // This folder has no packages installed, so the test replaces package names by paths.
  const source = readFileSync(join(folder, 'jobs.ts'), 'utf8')
  expect(source).toContain("schedule: cron('0 14 * * *', { timezone: 'UTC', start: '2026-01-02T13:00:00.000Z' }),")
  const resolved = source.replace(/from '(@jobistemer\/[a-z-]+)'/g, (_, name) => `from '${import.meta.resolve(name)}'`)
  writeFileSync(join(folder, 'jobs.ts'), resolved)
  const file = join(folder, 'jobs.db')
  await sqliteStorage({ file }).close()
  const place = ['-s', 'sqlite:jobs.db', '--owner', 'cron']
  expect((await ask('plan', 'jobs.ts', ...place)).out).toContain('2026-01-02 13:00:00Z, 2026-01-02 13:10:00Z')
  expect((await ask('apply', 'jobs.ts', ...place, '--yes')).code).toBe(0)
  const clock = virtualClock('2026-01-02T12:31:00Z')
  const ran: unknown[] = []
  const scheduler = createScheduler({
    storage: sqliteStorage({ file }),
    clock,
    logger: silentLogger,
    handlers: { crontab: async ({ data, scheduledAt }) => void ran.push([scheduledAt.toISOString(), data]) },
  })
  await scheduler.start()
  await clock.advance({ minutes: 45 })
  await scheduler.shutdown()
  const data = { command: 'echo "it\'s `here` $HOME \\\\"', stdin: 'in\n' }
  expect(ran).toEqual([
    ['2026-01-02T13:00:00.000Z', data],
    ['2026-01-02T13:10:00.000Z', data],
  ])
})

it.each([
  [['nowhere'], 'INVALID_SOURCE', 'SOURCE'],
  [['crontab'], 'INVALID_SOURCE', 'FILE'],
  [['crontab', 'gone'], 'INVALID_SOURCE', 'FILE'],
  [['bullmq', 'file'], 'INVALID_SOURCE', 'FILE'],
  [['crontab', 'tab', '--output', 'jobs.yaml'], 'INVALID_ARGUMENT', '--output'],
  [['crontab', 'tab', '--output', 'gone/jobs.ts'], 'INVALID_ARGUMENT', '--output'],
  [['crontab', 'tab', '--cut-over', '2025-01-01T00:00:00Z'], 'INVALID_ARGUMENT', '--cut-over'],
  [['crontab', 'tab', '--cut-over', 'soon'], 'INVALID_INSTANT', '--cut-over'],
  [['crontab', 'tab', '--requests', 'a'], 'INVALID_ARGUMENT', '--requests'],
  [['crontab', 'tab', '--requests', 'a', '--cut-over', '2027-01-01T00:00:00Z'], 'INVALID_ARGUMENT', '--requests'],
  [['crontab', 'tab', '--requests', 'a', '--cut-over', '2026-01-01T00:00:00Z'], 'INVALID_ARGUMENT', '--requests'],
  [['./source.mjs'], 'INVALID_SOURCE', 'SOURCE'],
  [['crontab', 'tab', '--zone', 'Foo'], 'INVALID_TIMEZONE', '--zone'],
  [['crontab', 'zone'], 'ok', ''],
])(
  'jobistemer import %j answers with the code %s; an error also names the invalid argument and a remedy',
  async (argv, code, field) => {
    const folder = scratch.folder()
    writeFileSync(join(folder, 'tab'), '0 1 * * * a\n')
    writeFileSync(join(folder, 'zone'), 'CRON_TZ=Mars/Base\n0 1 * * * a\n')
    writeFileSync(join(folder, 'source.mjs'), 'export default { name: "mine" }\n')
    const { err, out } = await runCli(['import', ...argv, '--json'], { cwd: folder, now })
    if (code === 'ok')
      expect(JSON.parse(out).notes.at(-1)).toMatchObject({
        origin: 'line 2',
        kind: 'left_out',
        text: expect.stringContaining('Mars/Base'),
      })
    else expect(JSON.parse(err).error).toMatchObject({ code, field, remedy: expect.any(String), exitCode: 2 })
    expect(existsSync(join(folder, 'a'))).toBe(false)
  },
)

it('jobistemer import --output does not overwrite an existing file', async () => {
  const folder = scratch.folder()
  writeFileSync(join(folder, 'tab'), '0 1 * * * a\n')
  const ask = () => runCli(['import', 'crontab', 'tab', '-o', 'jobs.ts'], { cwd: folder, now })
  expect((await ask()).code).toBe(0)
  const written = readFileSync(join(folder, 'jobs.ts'), 'utf8')
  expect(await ask()).toMatchObject({ code: 2, err: expect.stringContaining('Give the name of a new file') })
  expect(readFileSync(join(folder, 'jobs.ts'), 'utf8')).toBe(written)
})

it('trigger-many reports the line number of a request without a key, and exits with 1 if a requested job does not exist', async () => {
  const { place, folder } = await scratch.ledger()
  const ask = (file: string) => runCli(['trigger-many', file, '-s', place, '--json'], { cwd: folder, now })
  writeFileSync(join(folder, 'bad'), '{"job":"import","key":"x"}\n\n{"job":"import"}\n')
  expect(JSON.parse((await ask('bad')).err).error).toMatchObject({ code: 'INVALID_DATA', field: 'line 3' })
  writeFileSync(join(folder, 'torn'), '{"job":"import","key"')
  expect(JSON.parse((await ask('torn')).err).error).toMatchObject({ code: 'INVALID_DATA', field: 'line 1' })
  expect(JSON.parse((await ask('gone')).err).error).toMatchObject({ code: 'INVALID_DATA', field: 'FILE' })
  writeFileSync(
    join(folder, 'good'),
    '{"job":"import","key":"x","data":{"file":"x.csv"}}\n{"job":"nothing","key":"y"}\n',
  )
  const { code, out } = await ask('good')
  expect({ code, ...JSON.parse(out) }).toMatchObject({
    code: 1,
    created: 1,
    failed: [
      {
        line: 2,
        job: 'nothing',
        key: 'y',
        code: 'JOB_NOT_FOUND',
        message: 'There is no job "nothing" here. jobistemer jobs lists the stored jobs.',
      },
    ],
  })
})

it('trigger-many - reads standard input, and errors name the line and the member of a request', async () => {
  const { place, folder } = await scratch.ledger()
  const ask = (...argv: string[]) => runCli(['trigger-many', '-', '-s', place, ...argv], { cwd: folder, now, input })
  const input = [
    '{"job":"import","key":"x"}',
    '{"job":"import","key":"y","priority":11}',
    '{"job":"import","key":"z","overrides":{"retries":1}}',
    '{"job":"import","key":"u","until":1}',
  ].join('\n')
  const { code, out } = await ask('--json')
  expect({ code, ...JSON.parse(out) }).toMatchObject({
    code: 1,
    created: 1,
    failed: [
      { line: 2, message: expect.stringMatching(/^priority /) },
      { line: 3, message: expect.stringMatching(/^overrides\.retries /) },
      { line: 4, message: expect.stringMatching(/^until /) },
    ],
  })
  expect((await ask()).out).not.toContain('items[')
})

it('jobistemer import crontab --system prints the path of its file in the stop command, and names the assumed time zone', async () => {
  const folder = scratch.folder()
  writeFileSync(join(folder, 'back up'), '0 2 * * 5-7/1 root backup')
  const argv = [
    'import',
    'crontab',
    'back up',
    '--system',
    '--zone',
    'Asia/Tokyo',
    '--cut-over',
    '2026-01-03T00:00:00Z',
  ]
  const { out, err } = await runCli([...argv, '--json'], { cwd: folder, now })
  expect(err).toBe('')
  const { jobs, notes, stop } = JSON.parse(out)
  expect(stop).toContain("sudo editor 'back up'")
  expect(notes).toContainEqual(
    expect.objectContaining({ text: expect.stringContaining('are read in the time zone Asia/Tokyo') }),
  )
  expect(jobs[0].schedule.expression).toBe('0 2 * * 5-7/1')
})
