import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { evilName, useScratch } from './ledger.ts'
import { type RunOptions, runCli } from './run-cli.ts'

const scratch = useScratch()

async function ledger() {
  const { place, folder } = await scratch.ledger()
  const ask = (argv: readonly string[], options: RunOptions = {}) =>
    runCli([...argv, '-s', place], { cwd: folder, env: { USER: 'joe' }, ...options })
  const json = async (...argv: string[]) => JSON.parse((await ask([...argv, '--json'])).out)
  return { ask, json, folder, place }
}

describe('trigger', () => {
  it('trigger passes the data to the job and records the reason and the actor', async () => {
    const { ask, json } = await ledger()
    const { code, out } = await ask([
      'trigger',
      'nightly-report',
      '--data',
      '{"day":1}',
      '--reason',
      'why not',
      '--tasks',
      'export',
    ])
    expect({ code, out: out.replace(/occ_[\da-f-]+/, 'occ_…') }).toEqual({
      code: 0,
      out: 'nightly-report: pending\njobistemer run occ_…\n',
    })
    const [id] = /occ_[\da-f-]+/.exec(out) as RegExpExecArray
    const { occurrence } = await json('run', id)
    expect(occurrence).toMatchObject({
      input: { day: 1 },
      requestReason: 'why not',
      requestActor: 'joe',
      kind: 'trigger',
    })
  })

  it('jobistemer trigger --data reads JSON from a file, and from standard input', async () => {
    const { ask, json, folder } = await ledger()
    writeFileSync(join(folder, 'rows.json'), '{"from":"file"}')
    for (const [data, input] of [
      ['@rows.json', undefined],
      ['@-', '{"from":"stdin"}'],
    ] as const) {
      expect(await ask(['trigger', 'import', '--data', data], input === undefined ? {} : { input })).toMatchObject({
        code: 0,
      })
    }
    const { occurrences } = await json('history', 'import', '-n', '2')
    expect(occurrences.map((one: { input: unknown }) => one.input)).toEqual(
      expect.arrayContaining([{ from: 'file' }, { from: 'stdin' }]),
    )
  })

  it('trigger creates no second run for the same key, and exits with 1 if the overlap policy skips the request', async () => {
    const { ask, json } = await ledger()
    const keyed = ['trigger', 'nightly-report', '--key', 'once']
    const first = await json(...keyed)
    expect(await json(...keyed)).toEqual({ ...first, created: false })
    expect((await ask(keyed)).out).toContain('pending, as was asked for with this key before')
    expect(await ask(['trigger', 'nightly-report'])).toMatchObject({
      code: 1,
      out: expect.stringContaining('nightly-report: skipped (overlap)'),
    })
  })

  it('trigger --key-scope live creates a second run for the same key once the first run with this key has ended', async () => {
    const { ask, json } = await ledger()
    const keyed = ['trigger', 'import', '--key', 'index', '--key-scope', 'live']
    const first = await json(...keyed)
    expect(await json(...keyed)).toEqual({ ...first, created: false })
    await json('cancel', first.id)
    expect(await json(...keyed)).toMatchObject({ created: true })
    expect(await ask(['trigger', 'import', '--key-scope', 'live'])).toMatchObject({
      code: 2,
      err: 'error: --key-scope is given without --key. (INVALID_ARGUMENT)\n  Give --key too, or leave --key-scope out.\n',
    })
    expect((await ask([...keyed.slice(0, -1), 'daily'])).err).toContain('waiting, live, forever')
  })

  it('trigger refuses data that are not JSON, a missing data file, and the name of a missing job', async () => {
    const { ask } = await ledger()
    for (const data of ['{', 'text', '@none.json']) {
      expect(await ask(['trigger', 'import', '--data', data])).toMatchObject({
        code: 2,
        out: '',
        err: expect.stringContaining('INVALID_DATA'),
      })
    }
    expect(await ask(['trigger', 'imprt'])).toMatchObject({
      code: 4,
      err: expect.stringContaining('Did you mean "import"?'),
    })
  })
})

describe('replay', () => {
  it('replay --from runs a failed run again from the named task on', async () => {
    const { json } = await ledger()
    const [failed] = (await json('failures')).failures
    const replayed = await json('replay', failed.id, '--from', 'upload')
    expect(replayed).toMatchObject({ job: 'nightly-report', state: 'pending', created: true })
    expect((await json('run', replayed.id)).occurrence).toMatchObject({
      kind: 'replay',
      replayOf: failed.id,
    })
  })
})

describe('cancel', () => {
  it('cancel with the id of a run cancels the run, and exits with 1 if the run has already ended', async () => {
    const { ask, json } = await ledger()
    const [{ id }] = (await json('history', 'import', '--state', 'pending')).occurrences
    expect(await ask(['cancel', id, '--reason', 'wrong file'])).toMatchObject({ code: 0, out: `${id}: canceled\n` })
    expect((await json('run', id)).occurrence).toMatchObject({
      state: 'canceled',
      cancelRequest: { actor: 'joe', reason: 'wrong file' },
    })
    expect(await ask(['cancel', id])).toMatchObject({ code: 1, out: `${id}: had ended before: canceled\n` })
  })

  it('cancel --dry-run lists the given runs and cancels none of them', async () => {
    const { ask, json } = await ledger()
    const [id] = /occ_[\da-f-]+/.exec((await ask(['trigger', 'import'])).out) as RegExpExecArray
    const dry = ['cancel', id, '--dry-run']
    expect(await ask(dry)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/Would cancel 1\. Nothing was done\.\n$/),
    })
    expect(await json(...dry)).toEqual({
      dryRun: true,
      job: null,
      results: [{ id, outcome: null, state: 'queued' }],
      isPartial: false,
    })
    expect((await json('run', id)).occurrence).toMatchObject({ state: 'queued', cancelRequest: null })
    for (const [flag, value] of [
      ['--state', 'queued'],
      ['--limit', '5'],
    ] as const) {
      expect(await ask(['cancel', id, flag, value])).toMatchObject({ code: 2, err: expect.stringContaining(flag) })
    }
    await ask(['cancel', id])
    expect(await ask(dry)).toMatchObject({
      code: 1,
      out: expect.stringContaining('Would cancel 0; 1 had ended before.'),
    })
  })

  it('cancel --job --state cancels each run of the job in the given state, and with --dry-run cancels none', async () => {
    const { ask, json } = await ledger()
    const many = ['cancel', '--job', 'import', '--state', 'queued']
    expect(await ask([...many, '--dry-run'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('Would cancel 2 of import'),
    })
    expect((await json('counts', 'import')).counts).toMatchObject({ queued: 2 })
    expect(await json(...many, '--yes')).toMatchObject({ results: [{ outcome: 'canceled' }, { outcome: 'canceled' }] })
    expect((await json('counts', 'import')).counts).toEqual({ pending: 1, queued: 0, running: 0 })
  })

  it('if a job has more matching runs than --limit, cancel --job reports it before and after it cancels', async () => {
    const { ask, json } = await ledger()
    const first = ['cancel', '--job', 'import', '--limit', '2']
    const more = 'More runs of import match: repeat the command for them, or raise --limit.'
    expect(await ask([...first, '--dry-run'])).toMatchObject({
      code: 0,
      out: expect.stringMatching(/Would cancel 2 of import\. Nothing was done\.\n(.*)\n$/),
    })
    expect((await ask([...first, '--dry-run'])).out.split('\n').at(-2)).toBe(more)
    expect(await json(...first, '--dry-run')).toMatchObject({ results: [{}, {}], isPartial: true })
    expect(await json('cancel', '--job', 'import', '--limit', '3', '--dry-run')).toMatchObject({ isPartial: false })
    expect(await ask(first, { terminal: 80, input: 'n\n' })).toMatchObject({
      code: 1,
      err: expect.stringContaining(`Cancel 2 runs of import? ${more} [y/N] `),
    })
    expect(await ask([...first, '--yes'])).toMatchObject({ code: 0, out: `2 canceled\n${more}\n` })
    expect(await ask([...first, '--yes'])).toMatchObject({ code: 0, out: expect.not.stringContaining('More runs') })
    for (let count = 0; count < 2; count++) await json('trigger', 'import')
    expect(await json('cancel', '--job', 'import', '--limit', '1', '--yes')).toMatchObject({ isPartial: true })
    expect(await json('cancel', '--job', 'import', '--limit', '1', '--yes')).toMatchObject({ isPartial: false })
  })

  it('cancel --job requires --yes without a terminal; on a terminal it cancels nothing unless the answer is yes', async () => {
    const { ask, json } = await ledger()
    const many = ['cancel', '--job', 'import']
    const { code, err } = await ask(many)
    expect({ code, err }).toMatchInlineSnapshot(`
      {
        "code": 2,
        "err": "error: Nothing was done: this command needs a confirmation (Cancel 3 runs of import?) (NOT_CONFIRMED, --yes)
        Give --yes to confirm, or see with --dry-run what the command would do.
      ",
      }
    `)
    expect(await ask(many, { terminal: 80, input: 'n\n' })).toMatchObject({
      code: 1,
      err: expect.stringContaining('Cancel 3 runs of import? [y/N] '),
    })
    expect((await json('counts')).counts).toEqual({ pending: 1, queued: 2, running: 0 })
    expect(await ask(many, { terminal: 80, input: 'y\n' })).toMatchObject({ code: 0, out: '3 canceled\n' })
  })

  it('cancel stops at Ctrl-C, prints how many runs it canceled, and exits with 130', async () => {
    const { ask, json } = await ledger()
    for (let count = 0; count < 30; count++) await json('trigger', 'import')
    let interrupt = () => {}
    const { code, err } = await ask(['cancel', '--job', 'import', '--yes'], {
      terminal: 80,
      interruptible: (given) => {
        interrupt = given
      },
      onWrite: (text) => {
        if (text.includes('Canceled 5 of 33')) interrupt()
      },
    })
    expect(code).toBe(130)
    expect(err).toMatch(/Stopped by Ctrl-C: Canceled \d+ of 33\./)
    const left = (await json('counts')).counts
    expect(left.pending + left.queued).toBeGreaterThan(15)
  })
})

describe('cancel-slot', () => {
  it('cancel-slot accepts a reason and an actor that begin with a minus sign', async () => {
    const { ask } = await ledger()
    const slot = ['cancel-slot', 'nightly-report', '2026-01-03T01:00:00Z', '--actor', '-7', '--reason', '-2h']
    expect(await ask(slot)).toMatchObject({ code: 0, out: expect.stringContaining(': canceled') })
  })

  it('cancel-slot cancels a future slot, and refuses an instant at which the job has no slot', async () => {
    const { ask, json } = await ledger()
    const slot = ['cancel-slot', 'nightly-report', '2026-01-03T01:00:00Z']
    expect(await ask(slot)).toMatchObject({ code: 0, out: 'nightly-report at 2026-01-03 01:00:00Z: canceled\n' })
    expect(await json('explain', 'nightly-report', '2026-01-03T01:00:00Z')).toMatchObject({
      verdict: 'recorded',
      occurrence: { state: 'canceled' },
    })
    expect(await ask(slot)).toMatchObject({ code: 1 })
    const { code, err } = await ask(['cancel-slot', 'nightly-report', '2026-01-03T01:30:00Z'])
    expect({ code, err }).toMatchInlineSnapshot(`
      {
        "code": 2,
        "err": "error: INSTANT is not a slot of the schedule of job "nightly-report": "2026-01-03T01:30:00.000Z". (INVALID_ARGUMENT)
        jobistemer next JOB prints the next slots of the job.
      ",
      }
    `)
  })
})

describe('pause and resume', () => {
  it('pause and resume accept job names or the option --match, and with --dry-run they change nothing', async () => {
    const { ask, json } = await ledger()
    const paused = async () => (await json('jobs', '--paused')).jobs.map(({ name }: { name: string }) => name)
    expect(await ask(['pause', 'import', 'nightly-report', '--reason', 'disk'])).toMatchObject({
      code: 0,
      out: 'import\nnightly-report\nPaused 2.\n',
    })
    expect(await ask(['pause', 'import', '--for', '1h'])).toMatchObject({
      code: 0,
      out: 'import: was paused for as long before\nPaused 0.\n',
    })
    expect(await paused()).toEqual([evilName, 'import', 'nightly-report'])
    expect((await json('job', 'import')).job.paused).toMatchObject({ reason: 'disk', actor: 'joe' })
    expect(await ask(['resume', '--match', 'report', '--dry-run'])).toMatchObject({
      code: 0,
      out: expect.stringContaining('Would resume 1.'),
    })
    expect(await ask(['resume', '--match', 'report'])).toMatchObject({ code: 2 })
    expect(await json('resume', '--match', 'report', '--yes', '--reason', 'there is room')).toEqual({
      dryRun: false,
      jobs: ['nightly-report'],
    })
    expect((await json('job', 'nightly-report')).job).toMatchObject({
      paused: null,
      resumed: { reason: 'there is room', actor: 'joe' },
    })
    expect((await ask(['job', 'nightly-report'])).out).toMatch(/resumed .*\n.*there is room\n.*joe/)
    expect(await paused()).toEqual([evilName, 'import'])
    expect(await ask(['resume', 'nightly-report', 'import'])).toMatchObject({
      code: 0,
      out: 'import\nnightly-report: was not paused\nResumed 1.\n',
    })
  })

  it('pause --until shows the end of the pause, and refuses an invalid end', async () => {
    const { ask, json } = await ledger()
    expect(await ask(['pause', 'import', '--until', '2026-01-02T18:00:00Z'])).toMatchObject({ code: 0 })
    expect(await ask(['pause', 'nightly-report', '--for', '2h'])).toMatchObject({ code: 0 })
    expect((await json('job', 'import')).job.paused).toMatchObject({ until: '2026-01-02T18:00:00.000Z' })
    const listed = (await ask(['jobs', '--paused'])).out
    for (const end of ['18:00:00Z', '14:30:00Z']) expect(listed).toContain(`paused until 2026-01-02 ${end}`)
    expect((await ask(['job', 'import'])).out).toMatch(/until +2026-01-02 18:00:00Z/)
    expect((await ask(['next', 'nightly-report'])).out).toContain('skipped until 2026-01-02 14:30:00Z')
    for (const wrong of [
      ['--until', '2026-01-01T18:00:00Z'],
      ['--until', '+1h', '--for', '1h'],
      ['--for', '0'],
      ['--until', 'tomorrow'],
    ]) {
      const { code, err } = await ask(['pause', 'nightly-report', ...wrong])
      expect([code, err]).toEqual([2, expect.stringContaining(wrong[0] as string)])
    }
  })

  it('pause and resume select jobs by --owner or --tag; pause skips paused jobs, and resume skips jobs that are not paused', async () => {
    const { ask, json } = await ledger()
    expect(await ask(['pause', 'import', '--reason', 'disk'])).toMatchObject({ code: 0 })
    expect(await json('pause', '--owner', 'imports', '--reason', 'other', '--yes')).toMatchObject({ jobs: [] })
    expect((await json('job', 'import')).job.paused).toMatchObject({ reason: 'disk' })
    expect(await ask(['pause', '--owner', 'reports', '--reason', 'night', '--yes'])).toMatchObject({
      code: 0,
      out: 'nightly-report\nPaused 1.\n',
    })
    expect((await json('job', 'nightly-report')).job.paused).toMatchObject({ reason: 'night', actor: 'joe' })
    expect(await json('resume', '--owner', 'reports', '--yes')).toEqual({ dryRun: false, jobs: ['nightly-report'] })
    expect(await json('resume', '--tag', 'reports', '--yes')).toEqual({ dryRun: false, jobs: [] })
    expect((await json('jobs', '--paused')).jobs).toHaveLength(2)
  })

  it('pause changes no job if one of the given names is unknown, or if no name is given', async () => {
    const { ask, json } = await ledger()
    expect(await ask(['pause', 'import', 'reports'])).toMatchObject({ code: 4 })
    expect(await ask(['pause'])).toMatchObject({ code: 2 })
    expect((await json('jobs', '--paused')).jobs).toHaveLength(1)
  })
})

describe('prune', () => {
  it('prune removes old history, and requires --yes without a terminal', async () => {
    const { ask, json } = await ledger()
    expect(await ask(['prune'])).toMatchObject({ code: 2, err: expect.stringContaining('--older-than') })
    expect(await ask(['prune', '--older-than', '1d'])).toMatchObject({ code: 2 })
    const counted = await json('prune', '--older-than', '1d', '--job', 'nightly-report', '--dry-run')
    expect(counted).toEqual({ dryRun: true, job: 'nightly-report', removed: 1 })
    expect((await ask(['prune', '--older-than', '1d', '--dry-run'])).out).toContain('Nothing was done.')
    expect(await json('prune', '--older-than', '1d', '--job', 'nightly-report', '--yes')).toEqual({
      dryRun: false,
      job: 'nightly-report',
      removed: 1,
    })
    expect((await json('history', 'nightly-report')).occurrences).toHaveLength(1)
  })
})

describe('backfill', () => {
  const span = ['--from', '2025-12-01T00:00:00Z', '--to', '2025-12-05T00:00:00Z']

  it('backfill --dry-run lists the slots that it would run, and stores nothing', async () => {
    const { ask, json } = await ledger()
    expect((await ask(['backfill', 'nightly-report', ...span, '--dry-run', '--newest-first'])).out).toBe(
      '2025-12-04 01:00:00Z\n2025-12-03 01:00:00Z\n2025-12-02 01:00:00Z\n2025-12-01 01:00:00Z\nWould run 4 of 4 slots of nightly-report. Nothing was done.\n',
    )
    expect(await json('backfill', 'nightly-report', ...span, '--dry-run')).toMatchObject({ open: 4, live: 0 })
    expect(await json('counts', 'nightly-report')).toMatchObject({ counts: { pending: 0 } })
    const failed = ['backfill', 'nightly-report', '--from', '2026-01-01T00:00:00Z', '--to', '2026-01-02T12:00:00Z']
    expect((await json(...failed, '--failed', '--dry-run')).next).toEqual(['2026-01-02T01:00:00.000Z'])
    expect((await json(...failed, '--all', '--dry-run')).open).toBe(2)
  })

  it('backfill prints how to stop the new backfill, stops one if --stop is given, and refuses invalid options', async () => {
    const { ask, json, place } = await ledger()
    const keyed = ['backfill', 'nightly-report', ...span, '--key', 'k', '--no-wait']
    expect(await ask(keyed)).toMatchObject({
      code: 0,
      out: `nightly-report: 0 completed, 0 failed, 0 canceled, 4 to come; 0 of 4 slots passed over
jobistemer backfill nightly-report --key k --from 2025-12-01T00:00:00.000Z --to 2025-12-05T00:00:00.000Z --storage ${place} watches it.
jobistemer backfill nightly-report --stop k --storage ${place} stops it.\n`,
    })
    const [run] = (await json('history', 'nightly-report', '-n', '1')).occurrences
    expect(run).toMatchObject({ backfill: { key: 'k', slot: '2025-12-01T01:00:00.000Z' }, requestActor: 'joe' })
    expect((await ask(['run', run.id])).out).toMatch(/^slot +2025-12-01 01:00:00Z/m)
    for (const other of ['--dry-run', '--all', '--from=-1d', '--max-active=2', '--key=k']) {
      expect(await ask(['backfill', 'nightly-report', '--stop', 'k', other])).toMatchObject({
        code: 2,
        err: expect.stringContaining(`${other.split('=')[0]} is given beside --stop. Nothing was done.`),
      })
    }
    expect((await ask(['backfill', 'nightly-report', '--stop', 'k'])).out).toBe(
      'nightly-report: backfill k is stopped: 1 canceled, 0 may end.\n',
    )
    expect(await json('backfill', 'nightly-report', '--stop', 'k')).toMatchObject({ stopped: { canceled: 0 } })
    // This backfill is stopped already, and no backfill has the other key.
    for (const key of ['k', 'wrong']) {
      expect(await ask(['backfill', 'nightly-report', '--stop', key])).toMatchObject({
        code: 4,
        out: '',
        err: expect.stringContaining(
          `No backfill of nightly-report with the key "${key}" is under way. (BACKFILL_NOT_FOUND`,
        ),
      })
    }
    for (const [argv, code, text] of [
      [['nightly-report'], 2, '--from'],
      [['nightly-report', ...span, '--all', '--failed'], 2, '--all'],
      [['nightly-reprot', ...span], 4, 'Did you mean "nightly-report"?'],
      [['nightly-report', '--from', '2026-01-03T00:00:00Z'], 2, 'to'],
    ] as const) {
      expect(await ask(['backfill', ...argv])).toMatchObject({ code, err: expect.stringContaining(text) })
    }
  })

  it('backfills lists running backfills, and the results of ended and stopped backfills', async () => {
    const { ask, json } = await ledger()
    expect(await ask(['backfills'])).toMatchObject({ code: 0, out: 'No backfills.\n' })
    await ask(['backfill', 'nightly-report', ...span, '--key', 'k', '--no-wait', '--reason', 'a new report'])
    const listed = {
      job: 'nightly-report',
      key: 'k',
      state: 'running',
      from: '2025-12-01T00:00:00.000Z',
      which: 'missed',
      actor: 'joe',
      reason: 'a new report',
      progress: { slots: 4, open: 3, live: 1, completed: 0 },
    }
    expect(await json('backfills')).toMatchObject({ backfills: [listed], isPartial: false })
    expect((await ask(['backfills'])).out).toMatch(
      /^JOB +KEY +STATE[\s\S]*nightly-report +k +running .* 4 +0 +0 +0 +4\n$/,
    )
    await ask(['backfill', 'nightly-report', '--stop', 'k'])
    expect(await json('backfills')).toMatchObject({ backfills: [] })
    expect(await json('backfills', 'nightly-report')).toMatchObject({ backfills: [{ key: 'k', state: 'stopped' }] })
    expect((await ask(['backfills', 'nightly-report', '--runs', '1'])).out).toContain('--runs reads more')
    expect(await ask(['backfills', 'nightly-reprot'])).toMatchObject({ code: 4 })
  })

  it('backfill shows its progress on a terminal until Ctrl-C stops the display', async () => {
    const { ask } = await ledger()
    const argv = ['backfill', 'nightly-report', ...span, '--key', 'k']
    let interrupt = () => {}
    const interruptible = (given: () => void) => {
      interrupt = given
    }
    const seen: string[] = []
    const onWrite = (text: string) => {
      seen.push(text)
      interrupt()
    }
    const plain = await ask(argv, { interruptible, onWrite })
    expect(plain).toMatchObject({ code: 130, out: '' })
    expect(plain.err).toContain('nightly-report: 0 of 4\n')
    expect(plain.err).toContain('0 of 4 of nightly-report are done, and the nodes continue. (INTERRUPTED)')
    expect((await ask(argv, { interruptible, onWrite, terminal: 100 })).err).toContain(
      `[${'-'.repeat(20)}] nightly-report: 0 of 4`,
    )
  })
})
