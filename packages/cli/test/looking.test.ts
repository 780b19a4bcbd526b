import { createClient, defineJob, silentLogger } from '@jobistemer/core'
import { beforeAll, describe, expect, it } from 'vitest'
import { evilName, useScratch } from './ledger.ts'
import { runCli } from './run-cli.ts'

const scratch = useScratch()
let place = ''
const ask = (...argv: string[]) => runCli([...argv, '-s', place])
const json = async (...argv: string[]) => JSON.parse((await ask(...argv, '--json')).out)
const failedRun = async (): Promise<string> => (await json('failures')).failures[0].id

beforeAll(async () => {
  place = (await scratch.ledger()).place
})

describe('jobs', () => {
  it('jobs lists all jobs with their next slots, and escapes control characters in names', async () => {
    expect((await ask('jobs')).out).toMatchInlineSnapshot(`
      "JOB                          STATE   NEXT                  IN        LAST    SCHEDULE                           OWNER
      evil\\x1b]0;owned\\x07\\x9b31m  paused  2026-01-03 06:00:00Z  in 17 h           at 06:00, UTC
      import                       active  2027-01-01 00:00:00Z  in 363 d          at 00:00 on day 1 of January, UTC  imports
      nightly-report               active  2026-01-03 01:00:00Z  in 12 h   failed  at 02:00, Europe/Berlin            reports
      "
    `)
  })

  it('jobs --json escapes control characters, and the parsed JSON has the original names', async () => {
    const { out } = await ask('jobs', '--json')
    expect(out).not.toMatch(/[^\n -~]/)
    expect(JSON.parse(out).jobs[0].name).toBe(evilName)
  })

  it('the command `jobs` filters by a part of the name, by owner and by pause, and --cursor continues its list', async () => {
    const names = async (...argv: string[]) =>
      (await json('jobs', ...argv)).jobs.map(({ name }: { name: string }) => name)
    expect(await names('REPORT')).toEqual(['nightly-report'])
    expect(await names('--owner', 'imports')).toEqual(['import'])
    expect(await names('--outcome', 'failed,failed_stale')).toEqual(['nightly-report'])
    expect(await names('--tag', 'none')).toEqual([])
    expect(await names('--no-paused')).toEqual(['import', 'nightly-report'])
    const page = await json('jobs', '--limit', '2')
    expect(await names('--cursor', page.cursor)).toEqual(['nightly-report'])
    expect((await ask('jobs', '--limit', '2')).out).toContain(`There are more: --cursor ${page.cursor}`)
  })

  it('jobs --names prints the names of all jobs, up to --limit', async () => {
    const { place: many, storage } = await scratch.ledger()
    const client = createClient({ storage: storage(), logger: silentLogger })
    const tasks = [{ name: 'work', handler: 'work' }]
    for (let index = 0; index < 120; index++) await client.add(defineJob({ name: `job ${index}`, tasks }))
    await client.close()
    const lines = async (...argv: string[]) =>
      (await runCli(['jobs', '--names', ...argv, '-s', many])).out.split('\n').length - 1
    expect(await lines()).toBe(123)
    expect(await lines('--limit', '7')).toBe(7)
  })
})

describe('job', () => {
  it('job shows the schedule, the settings, the tasks, and the numbers of waiting and running runs', async () => {
    expect((await ask('job', 'import')).out).toMatchInlineSnapshot(`
      "job       import
      id        job_a8652a1b-29a3-56eb-a0b3-e082465ae16d
      owner     imports
      version   1, changed 2026-01-02 12:00:00Z (30 min ago)
      created   2026-01-02 12:00:00Z (30 min ago)
      schedule  at 00:00 on day 1 of January, UTC
      next      2027-01-01 00:00:00Z (in 363 d)
      last run  none
      live      0 running, 1 pending, 2 queued

      taskExecutionMode  sequential
      failureStrategy    fail_fast
      retryPolicy        null
      executionTimeout   1 h
      taskTimeout        executionTimeout (1 h)
      keepLogs           null
      overlapPolicy      queue
      maxQueued          100000
      maxConcurrency     1
      startRate          30 in 1 min
      priority           0
      recoveryStrategy   {"type":"execute_last"}
      misfireThreshold   1 min
      onInterrupted      retry
      maxRescues         3
      whileIsolated      continue
      retention          {"olderThanMs":2592000000,"keep":10}
      alertAfter         null
      timezone           UTC

      TASK  RUNS                 DATA
      rows  handler import-rows  {"table":"orders"}
      "
    `)
    expect(await json('job', 'import')).toMatchObject({ job: { name: 'import', counts: { pending: 1, queued: 2 } } })
  })

  it('job shows a task’s function, handler or module, and whether the module runs in a thread or a process', async () => {
    const { place: other, storage } = scratch.empty()
    const module = new URL('file:///srv/app/render.js')
    await createClient({ storage: storage(), logger: silentLogger }).add(
      defineJob({
        name: 'rendering',
        tasks: [
          { name: 'draw', module, isolation: 'process' },
          { name: 'fold', module },
          { name: 'send', handler: 'mail' },
        ],
      }),
    )
    const { out } = await runCli(['job', 'rendering', '-s', other])
    expect(out.slice(out.indexOf('TASK'))).toMatchInlineSnapshot(`
      "TASK  RUNS                             DATA
      draw  module of the job, in a process
      fold  module of the job, in a thread
      send  handler mail
      "
    `)
    expect((await ask('job', 'nightly-report')).out).toMatch(/^export +function of the job$/m)
  })

  it('job with the name of a missing job names similar jobs', async () => {
    const { code, out, err } = await ask('job', 'nigthly-report')
    expect({ code, out, err }).toMatchInlineSnapshot(`
      {
        "code": 4,
        "err": "error: There is no job "nigthly-report". (JOB_NOT_FOUND, NAME)
        Did you mean "nightly-report"?
      ",
        "out": "",
      }
    `)
    expect((await ask('job', 'something else')).err).toContain('jobistemer jobs lists the stored jobs.')
  })
})

describe('next', () => {
  it('next lists slots in the time zone of --timezone', async () => {
    const { out } = await runCli(['next', 'nightly-report', '-n', '2', '-s', place, '--timezone', 'Europe/Berlin'], {
      isLocal: true,
    })
    expect(out).toMatchInlineSnapshot(`
      "2026-01-03 02:00:00+01:00  in 12 h
      2026-01-04 02:00:00+01:00  in 36 h
      "
    `)
    expect((await json('next', 'nightly-report', '-n', '1')).slots).toEqual(['2026-01-03T01:00:00.000Z'])
  })
})

describe('next, for a job without a schedule,', () => {
  it('says that the job runs on request only', async () => {
    const { place } = await scratch.ledger()
    expect(await runCli(['update', 'import', '--no-schedule', '-s', place])).toMatchObject({ code: 0 })
    expect(await runCli(['next', 'import', '-s', place])).toEqual({
      code: 0,
      out: 'The job has no schedule: it runs on request only.\n',
      err: '',
    })
  })
})

describe('history', () => {
  it('history lists the newest run first, with the errors of tasks', async () => {
    expect((await ask('history', 'nightly-report')).out).toMatchInlineSnapshot(`
      "SCHEDULED             STATE      TOOK  NODE     RUN                                       WHAT
      2026-01-02 01:00:00Z  failed     10 s  night-1  occ_69751cf7-0b2c-55c2-8fa4-766ed45ba1e4  fail_fast, upload: the disk\\x1b[2J is full
      2026-01-01 01:00:00Z  completed  10 s  night-1  occ_da93922c-dd80-5ec5-9d40-9829d11253fb
      "
    `)
  })

  it('history can filter by state and time, and --cursor continues the list', async () => {
    const states = async (...argv: string[]) =>
      (await json('history', 'nightly-report', ...argv)).occurrences.map(({ state }: { state: string }) => state)
    expect(await states('--oldest-first')).toEqual(['completed', 'failed'])
    expect(await states('--state', 'failed,missed')).toEqual(['failed'])
    expect(await states('--from', '-24h')).toEqual(['failed'])
    expect(await states('--to', '2026-01-02 02:00+01:00')).toEqual(['completed'])
    expect(await states('-n', '1')).toEqual(['failed'])
    const { cursor } = await json('history', 'nightly-report', '-n', '1')
    expect((await ask('history', 'nightly-report', '-n', '1')).out).toContain(`There are more: --cursor ${cursor}`)
    expect(await states('-n', '1', '--cursor', cursor)).toEqual(['completed'])
  })

  it('history prints `No runs.` for a job without runs, and exits with 4 for a missing job', async () => {
    expect(await ask('history', 'nightly-report', '--state', 'missed')).toMatchObject({ code: 0, out: 'No runs.\n' })
    expect(await ask('history', 'nightly')).toMatchObject({ code: 4, out: '' })
  })

  it.each([['history'], ['backfill']])('%s refuses a span whose end is not after its start', async (command) => {
    const { code, err } = await ask(command, 'nightly-report', '--from', '-1h', '--to', '-2h')
    expect({ code, err }).toEqual({
      code: 2,
      err: 'error: --to is not after --from: "2026-01-02T10:30:00.000Z". (INVALID_ARGUMENT)\n  Give an instant after 2026-01-02T11:30:00.000Z.\n',
    })
  })
})

describe('run', () => {
  it('run shows the state and its reason, the tasks, the attempts, the results, and the errors with causes and stacks', async () => {
    expect((await ask('run', await failedRun())).out).toMatchInlineSnapshot(`
      "run        occ_69751cf7-0b2c-55c2-8fa4-766ed45ba1e4
      job        nightly-report, version 1
      state      failed
      why        A task failed, and the failure strategy starts no further tasks.
      reason     fail_fast
      kind       slot
      scheduled  2026-01-02 01:00:00Z (11 h ago)
      created    2026-01-02 01:00:00Z (11 h ago)
      started    2026-01-02 01:00:00Z (11 h ago)
      finished   2026-01-02 01:00:10Z (11 h ago)
      took       10 s
      node       night-1, owner 1 of this run

      export  completed in 0 ms
        attempt 1  2026-01-02 01:00:00Z  succeeded after 0 ms
        result {"rows":7}

      upload  failed in 10 s
        attempt 1  2026-01-02 01:00:00Z  failed after 0 ms
          Error: the disk\\x1b[2J is full
              at upload (/app/upload.ts:12:9)
          code: ENOSPC
          caused by
            Error: write failed
                at write (/app/disk.ts:3:1)
        attempt 2  2026-01-02 01:00:10Z  failed after 0 ms
          Error: the disk\\x1b[2J is full
              at upload (/app/upload.ts:12:9)
          code: ENOSPC
          caused by
            Error: write failed
                at write (/app/disk.ts:3:1)
      "
    `)
    expect(await json('run', await failedRun())).toMatchObject({
      job: 'nightly-report',
      occurrence: { state: 'failed' },
    })
  })

  it('run exits with 4 for an invalid id', async () => {
    const { code, err } = await ask('run', 'occ_0')
    expect({ code, err }).toMatchInlineSnapshot(`
      {
        "code": 4,
        "err": "error: There is no occurrence "occ_0". (OCCURRENCE_NOT_FOUND, RUN)
        jobistemer history JOB and jobistemer failures print the ids of runs. Pruned runs are gone.
      ",
      }
    `)
    expect((await ask('run', '')).err).toMatchInlineSnapshot(`
      "error: RUN of 0 characters is not a name: "". (INVALID_NAME)
        jobistemer history JOB and jobistemer failures print the ids of runs.
      "
    `)
  })
})

describe('failures', () => {
  it('failures lists the unresolved failed runs of all jobs since an instant', async () => {
    expect((await ask('failures')).out).toMatchInlineSnapshot(`
      "SCHEDULED             JOB             STATE   TOOK  NODE     RUN                                       WHAT
      2026-01-02 01:00:00Z  nightly-report  failed  10 s  night-1  occ_69751cf7-0b2c-55c2-8fa4-766ed45ba1e4  fail_fast, upload: the disk\\x1b[2J is full
      "
    `)
    expect((await ask('failures', '--since', '-1h')).out).toMatchInlineSnapshot(`
      "No unresolved failures since 2026-01-02 11:30:00Z (1 h ago).
      "
    `)
    expect(await json('failures', '--job', 'import')).toMatchObject({ failures: [], cursor: null })
  })
})

describe('explain', () => {
  it('explain shows why a job ran or did not run at a past instant, and whether it will run at a future instant', async () => {
    expect((await ask('explain', 'nightly-report', '2026-01-03T01:00:00Z')).out).toMatchInlineSnapshot(`
      "nightly-report at 2026-01-03 01:00:00Z (in 12 h): will_run
      The slot will run under version 1.
      "
    `)
    expect((await ask('explain', 'nightly-report', '2026-01-02T01:00:00')).out).toContain(': recorded\n')
    expect((await ask('explain', 'nightly-report', '2025-01-02 02:00+01:00')).out).toContain(': before_creation\n')
    expect(await json('explain', 'import', 'now')).toMatchObject({ verdict: 'not_a_slot', occurrence: null })
    expect(await json('explain', 'import', '-2h', '--debug')).toMatchObject({ at: '2026-01-02T10:30:00.000Z' })
    const { out } = await runCli(['--timeout', '5s', 'explain', 'import', '-2h', '-s', place])
    expect(out).toContain('2026-01-02 10:30:00Z')
  })

  it('unlike explain, cancel-slot refuses an instant without an offset unless --utc is given', async () => {
    const { code, err } = await runCli(['cancel-slot', 'import', '2026-01-01 02:00', '-s', place], { isLocal: true })
    expect({ code, err }).toMatchInlineSnapshot(`
      {
        "code": 2,
        "err": "error: INSTANT has no offset from UTC: "2026-01-01 02:00". (INVALID_INSTANT)
        Write 2026-01-01 02:00Z for UTC, or give --utc.
      ",
      }
    `)
  })
})

describe('explain, for an instant between two slots', () => {
  it('names the slot before and the slot after the instant', async () => {
    expect((await ask('explain', 'nightly-report', '2026-01-03T02:00:00Z')).out).toMatchInlineSnapshot(`
      "nightly-report at 2026-01-03 02:00:00Z (in 13 h): not_a_slot
      The schedule has no slot at this instant.
      slot before  2026-01-03 01:00:00Z (in 12 h)
      slot after   2026-01-04 01:00:00Z (in 36 h)
      "
    `)
    expect(await json('explain', 'import', '2026-06-01Z')).toMatchObject({
      verdict: 'not_a_slot',
      nearest: { before: '2026-01-01T00:00:00.000Z', after: '2027-01-01T00:00:00.000Z' },
    })
  })

  it('reads an instant without an offset in the time zone of the job', async () => {
    const local = (...argv: string[]) => runCli([...argv, '-s', place, '--timezone', 'UTC'], { isLocal: true })
    expect((await local('explain', 'nightly-report', '2026-01-03 02:00')).out).toContain(
      'nightly-report at 2026-01-03 01:00:00Z (in 12 h): will_run',
    )
    expect((await local('explain', 'nightly-report', '2026-07-03 02:00')).out).toContain('2026-07-03 00:00:00Z')
    const skipped = await local('explain', 'nightly-report', '2026-03-29 02:30')
    expect(skipped).toMatchObject({ code: 2, err: expect.stringContaining('does not exist in Europe/Berlin') })
    const twice = await local('explain', 'nightly-report', '2026-10-25 02:30')
    expect(twice).toMatchObject({
      code: 2,
      err: expect.stringContaining('Give "2026-10-25 02:30:00+02:00" or "2026-10-25 02:30:00+01:00".'),
    })
  })
})

describe('live', () => {
  it('live lists the running and waiting runs of all jobs', async () => {
    expect((await ask('live')).out).toMatch(
      /SCHEDULED +JOB +STATE[\s\S]*import +pending[\s\S]*import +queued[\s\S]*import +queued/,
    )
    expect((await ask('live')).out).toContain('0 running, 1 pending, 2 queued.')
    expect((await ask('live', '--state', 'queued', '-n', '1')).out).toContain('There are more than are listed')
    expect(await json('live', '--state', 'pending')).toMatchObject({
      counts: { pending: 1, queued: 2, running: 0 },
      runs: [{ job: 'import', state: 'pending' }],
      isPartial: false,
    })
  })
})

describe('counts', () => {
  it('counts shows the numbers of waiting and running runs', async () => {
    expect((await ask('counts')).out).toBe('running  0\npending  1\nqueued   2\n')
    expect(await json('counts', 'import')).toEqual({ job: 'import', counts: { pending: 1, queued: 2, running: 0 } })
  })
})

describe('nodes', () => {
  it('nodes lists the node records that the storage contains', async () => {
    const document = await json('nodes')
    expect(document.nodes).toMatchObject([{ node: 'night-1', state: 'ended', observed: 'unknown', running: 0 }])
    expect((await ask('nodes')).out).toContain('night-1')
  })
})
