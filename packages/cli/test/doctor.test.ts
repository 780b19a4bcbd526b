import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createClient, createScheduler, defineJob, type SchedulerOptions, silentLogger } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { type VirtualClock, virtualClock, wrapStorage } from '@jobistemer/core/testing'
import Database from 'better-sqlite3'
import { cron } from '@jobistemer/ticker-cron'
import { jobFailing } from '../src/doctor/checks/job-failing.ts'
import { retentionBehind } from '../src/doctor/checks/retention-behind.ts'
import type { Survey } from '../src/doctor/survey.ts'
import { useScratch } from './ledger.ts'
import { runCli } from './run-cli.ts'

const scratch = useScratch()
const daily = cron('0 6 * * *', { timezone: 'UTC' })
const start = '2026-01-01T00:00:00Z'

interface Found {
  readonly code: string
  readonly severity: string
  readonly job?: string
  readonly node?: string
  readonly message: string
  readonly remedy: string
}

/** Creates an empty storage with a virtual clock, and a function that runs `doctor` on the storage. */
function patient() {
  const { place, folder, storage: open } = scratch.empty()
  const clock = virtualClock(start)
  const storage = open()
  const examine = async (...argv: string[]) => {
    const { code, out, err } = await runCli(['doctor', '-s', place, '--observe', '0', '--json', ...argv], {
      now: clock,
    })
    const findings = err === '' ? (JSON.parse(out).findings as readonly Found[]) : []
    return { code, err, findings, codes: findings.map((finding) => finding.code) }
  }
  return { place, folder, clock, storage, examine }
}

async function node(storage: Storage, clock: VirtualClock, options: Omit<SchedulerOptions, 'storage'>) {
  const scheduler = createScheduler({ storage, clock, logger: silentLogger, ...options })
  await scheduler.start()
  return scheduler
}

const idle = defineJob({ name: 'idle', schedule: daily, tasks: [{ name: 'a', run: async () => {} }] })

describe('jobistemer doctor', () => {
  it('has no findings and exits with 0 if a living node can run the only job', async () => {
    const { storage, clock, examine } = patient()
    const scheduler = await node(storage, clock, { jobs: [idle] })
    expect(await examine()).toMatchObject({ code: 0, codes: [] })
    await scheduler.shutdown()
  })

  it('prints findings with remedies, the most severe first', async () => {
    const { place } = await scratch.ledger()
    const { code, out } = await runCli(
      ['doctor', '-s', 'PLACE', '--observe', '0'].map((word) => (word === 'PLACE' ? place : word)),
    )
    expect({ code, out: out.replace(place, 'sqlite:jobs.db') }).toMatchInlineSnapshot(`
      {
        "code": 1,
        "out": "error    NO_NODE_LIVES  No node lives: 2 scheduled jobs and 1 pending run wait for one.
               Start a process that runs createScheduler(…).start() on this storage, or find out why it ended.
      warning  RUN_WAITS  1 pending run of import, the oldest for 30 min.
               All nodes are full, or none has the code: see the other findings, raise maxConcurrentJobs, or start more nodes.
      info     JOB_PAUSED  evil\\x1b]0;owned\\x07\\x9b31m is paused since 2026-01-02T12:00:00.000Z by ann: it is \\x1b[31mevil.
               To resume the job: jobistemer resume 'evil\\x1b]0;owned\\x07\\x9b31m'.

      sqlite:jobs.db: 3 jobs, 1 node, 24 checks: 1 error, 1 warning, 1 info.
      ",
      }
    `)
  })

  it.each(['garbage', 'null', '[]'])(
    'reports JOB_UNREADABLE and RUN_UNREADABLE for rows with %s, and names the commands that repair them',
    async (text) => {
      const { place, folder, storage, clock, examine } = patient()
      const scheduler = await node(storage, clock, { handlers: { note: async () => {} } })
      const client = createClient({ storage, clock })
      const job = (name: string) => defineJob({ name, tasks: [{ name: 'note', handler: 'note' }] })
      await client.add([job('damaged'), job('intact')])
      await client.pause('intact')
      const run = await client.trigger('intact', { data: 1 })

      const damaging = new Database(join(folder, 'jobs.db'))
      damaging
        .prepare(`UPDATE versions SET definition = ? WHERE job = (SELECT row FROM jobs WHERE name = 'damaged')`)
        .run(text)
      damaging.prepare('UPDATE waiting SET details = ?').run(text)
      damaging.close()
      const { code, findings } = await examine()
      const damage = findings.filter((finding) => finding.code.endsWith('_UNREADABLE'))
      expect({ code, damage }).toMatchObject({
        code: 1,
        damage: [
          { code: 'JOB_UNREADABLE', job: 'damaged', remedy: expect.stringContaining('jobistemer remove damaged') },
          {
            code: 'RUN_UNREADABLE',
            job: 'intact',
            remedy: expect.stringContaining(`jobistemer cancel --force ${run.id}`),
          },
        ],
      })
      const repair = async (...argv: string[]) => (await runCli([...argv, '-s', place], { now: clock })).code
      expect(await repair('remove', 'damaged', '--yes')).toBe(0)
      expect(await repair('cancel', '--force', run.id)).toBe(0)
      expect((await examine()).codes.filter((one) => one.endsWith('_UNREADABLE'))).toEqual([])
      await client.close()
      await scheduler.shutdown()
    },
  )

  it('reports STORAGE_NOT_WRITABLE if another connection holds the write lock', async () => {
    const { folder, storage, clock, examine } = patient()
    await (await node(storage, clock, {})).shutdown()
    const locking = new Database(join(folder, 'jobs.db'))
    locking.exec('BEGIN IMMEDIATE')
    const { code, findings } = await examine('--timeout', '50ms')
    const remedy = expect.stringContaining('whether another process keeps the storage locked')
    expect({ code, findings }).toMatchObject({ code: 1, findings: [{ code: 'STORAGE_NOT_WRITABLE', remedy }] })
    locking.close()
  })

  it('reports NO_NODE_LIVES if jobs are scheduled and the last node has ended', async () => {
    const { storage, clock, examine } = patient()
    await (await node(storage, clock, { jobs: [idle] })).shutdown()
    expect(await examine()).toMatchObject({ code: 1, codes: ['NO_NODE_LIVES'] })
  })

  it('reports NODE_SILENT if a node sent no heartbeat during the observation and another node did', async () => {
    const { place, storage, clock } = patient()
    const scheduler = await node(storage, clock, { jobs: [idle], nodeId: 'alive' })
    // The long `deadAfter` keeps the silent node's record while virtual time passes.
    const about = { deadAfterMs: 86_400_000 }
    const dead = { node: 'dead', incarnation: 'dead-1', counter: 7, startedAt: 0, leaving: false, about }
    await storage.heartbeat({ now: 0, own: dead, remove: [], profilesOf: [] })
    let isOver = false
    const examining = runCli(['doctor', '-s', place, '--json'], { now: clock }).finally(() => {
      isOver = true
    })
    while (!isOver) await clock.advance({ seconds: 1 })
    const { code, out } = await examining
    expect({ code, ...JSON.parse(out) }).toMatchObject({ code: 0, findings: [{ code: 'NODE_SILENT', node: 'dead' }] })
    await scheduler.shutdown()
  })

  it('reports VERSIONS_DIFFER if living nodes have different versions of Jobistemer', async () => {
    const { storage, clock, examine } = patient()
    const scheduler = await node(storage, clock, { nodeId: 'new' })
    const old = {
      node: 'old',
      incarnation: 'old-1',
      counter: 7,
      startedAt: 0,
      leaving: false,
      about: { versions: { jobistemer: '0.1.0' } },
    }
    await storage.heartbeat({ now: 0, own: old, remove: [], profilesOf: [] })
    const { code, findings } = await examine()
    expect({ code, findings }).toMatchObject({ code: 0, findings: [{ code: 'VERSIONS_DIFFER', severity: 'warning' }] })
    expect(findings[0]?.message).toContain('0.1.0 (old)')
    await scheduler.shutdown()
  })

  it('reports TIME_ZONES_DIFFER if living nodes have different time zone data', async () => {
    const { storage, clock, examine } = patient()
    const scheduler = await node(storage, clock, { nodeId: 'new' })
    const about = { versions: { timeZones: '1999z' } }
    const old = { node: 'old', incarnation: 'old-1', counter: 7, startedAt: 0, leaving: false, about }
    await storage.heartbeat({ now: 0, own: old, remove: [], profilesOf: [] })
    const found = (await examine()).findings.find(({ code }) => code === 'TIME_ZONES_DIFFER')
    expect(found).toMatchObject({ severity: 'warning', message: expect.stringContaining('1999z (old)') })
    expect(found?.message).toContain(`${process.versions.tz} (new)`)
    await scheduler.shutdown()
  })

  it('reports DEFINITION_DIFFERS if a node’s definition of a job differs from the stored definition', async () => {
    const { storage, clock, examine } = patient()
    const build = (hour: number) =>
      defineJob({
        name: 'report',
        schedule: cron(`0 ${hour} * * *`, { timezone: 'UTC' }),
        tasks: [{ name: 'a', run: async () => {} }],
      })
    const before = await node(storage, clock, { jobs: [build(6)], nodeId: 'before' })
    const after = await node(storage, clock, { jobs: [build(7)], nodeId: 'after' })
    const { code, findings } = await examine()
    expect({ code, findings }).toMatchObject({ code: 0, findings: [{ code: 'DEFINITION_DIFFERS', job: 'report' }] })
    expect(findings[0]?.message).toMatch(/are on before\.$/)
    await before.shutdown()
    await after.shutdown()
  })

  it('reports JOB_WITHOUT_CODE if no living node has a handler that a job names', async () => {
    const { storage, clock, examine } = patient()
    const scheduler = await node(storage, clock, { handlers: { known: async () => {} } })
    const tasks = [
      { name: 'a', handler: 'known' },
      { name: 'b', handler: 'gone' },
    ]
    await scheduler.add(defineJob({ name: 'orphan', schedule: daily, tasks }))
    const { code, findings } = await examine()
    expect({ code, findings }).toMatchObject({ code: 1, findings: [{ code: 'JOB_WITHOUT_CODE', job: 'orphan' }] })
    expect(findings[0]?.message).toMatch(/needs: gone\.$/)
    await scheduler.shutdown()
  })

  it('reports JOB_WITHOUT_CODE for a job that was renamed in the code, and prints a command that removes the old job', async () => {
    const { place, storage, clock, examine } = patient()
    const named = (name: string) => defineJob({ name, schedule: daily, tasks: [{ name: 'a', run: async () => {} }] })
    await (await node(storage, clock, { jobs: [named("ann's report")] })).shutdown()
    const scheduler = await node(storage, clock, { jobs: [named('report of ann')] })
    const client = createClient({ storage, clock, logger: silentLogger })
    const { id } = await client.trigger("ann's report")
    const ask = (...argv: string[]) => runCli([...argv, '-s', place], { now: clock })
    expect((await ask('jobs')).out).toMatch(/^ann's report +no code /m)
    expect((await ask('jobs')).out).toMatch(/^report of ann +active /m)
    expect((await ask('job', "ann's report")).out).toMatch(/^code +no code: /m)
    const found = (await examine()).findings.filter(({ code }) => code === 'JOB_WITHOUT_CODE')
    expect(found).toMatchObject([{ severity: 'error', job: "ann's report" }])
    const command = /jobistemer (remove .*)$/.exec(found[0]?.remedy ?? '')?.[1] ?? ''
    // Splits the suggested command with a shell, as if a user had copied it. The job's name contains a quotation mark.
    const words = execFileSync('sh', ['-c', `printf '%s\\n' ${command}`], { encoding: 'utf8' })
      .trim()
      .split('\n')
    expect(await ask(...words, '--yes')).toMatchObject({ code: 0 })
    expect((await client.occurrence(id)).state).toBe('canceled')
    await scheduler.shutdown()
    const again = await node(storage, clock, { jobs: [named('report of ann')] })
    expect((await client.jobs({ include: ['code'] })).items).toMatchObject([{ name: 'report of ann', hasCode: true }])
    expect((await examine()).codes).not.toContain('JOB_WITHOUT_CODE')
    await client.close()
    await again.shutdown()
  })

  it('reports JOB_LATE if a slot is due and no node has created or skipped it', async () => {
    const { storage, clock, examine } = patient()
    await (await node(storage, clock, { jobs: [idle] })).shutdown()
    await clock.advanceTo('2026-01-01T07:00:00Z')
    expect((await examine()).findings).toMatchObject([{ code: 'NO_NODE_LIVES' }, { code: 'JOB_LATE', job: 'idle' }])
  })

  it('reports JOB_AHEAD while the watermark of a job lies in the future', async () => {
    const { storage, place, examine } = patient()
    const wrong = virtualClock('2026-02-01T05:59:50Z')
    const scheduler = await node(storage, wrong, { jobs: [idle] })
    await wrong.advance({ seconds: 20 })
    await scheduler.shutdown()
    expect(await examine()).toMatchObject({ code: 1, codes: ['NO_NODE_LIVES', 'JOB_AHEAD'] })
    const realigned = await runCli(['realign', 'idle', '-s', place, '--json'], { now: start })
    expect(JSON.parse(realigned.out)).toMatchObject({ realigned: [{ name: 'idle' }] })
    expect((await examine()).codes).toEqual(['NO_NODE_LIVES'])
    expect((await runCli(['realign', '-s', place], { now: start })).out).toBe('No job is ahead.\n')
  })

  it('reports RUN_STUCK if a run is far beyond its deadline and no node has ended it', async () => {
    const { storage, clock, examine } = patient()
    const client = createClient({ storage, clock, logger: silentLogger })
    await client.add(
      defineJob({
        name: 'long',
        schedule: daily,
        executionTimeout: { minutes: 1 },
        tasks: [{ name: 'a', handler: 'h' }],
      }),
    )
    await client.trigger('long')
    const owner = { node: 'gone', incarnation: 'gone-1' }
    await storage.claim({ now: clock.now(), owner, limit: 1, exceptHandlerKeys: [], sweep: false })
    await clock.advance({ minutes: 3 })
    const { findings } = await examine()
    expect(findings).toMatchObject([{ code: 'NO_NODE_LIVES' }, { code: 'RUN_STUCK', job: 'long' }])
    await client.close()
  })

  it('reports RUN_WAITS if a run has waited for a node for several minutes', async () => {
    const { storage, clock, examine } = patient()
    const client = createClient({ storage, clock, logger: silentLogger })
    await client.add(defineJob({ name: 'patient', schedule: daily, tasks: [{ name: 'a', handler: 'h' }] }))
    await client.trigger('patient')
    await clock.advance({ minutes: 6 })
    expect((await examine()).findings).toMatchObject([{ code: 'NO_NODE_LIVES' }, { code: 'RUN_WAITS', job: 'patient' }])
    await client.close()
  })

  it('reports QUEUE_LONG if 10,000 runs wait', async () => {
    const { storage, clock, examine } = patient()
    const client = createClient({ storage, clock, logger: silentLogger })
    await client.add(
      defineJob({ name: 'many', schedule: daily, overlapPolicy: 'allow', tasks: [{ name: 'a', handler: 'h' }] }),
    )
    await client.triggerMany(Array.from({ length: 10_000 }, () => ({ job: 'many' })))
    expect((await examine('--limit', '10')).codes).toEqual(['NO_NODE_LIVES', 'QUEUE_LONG'])
    await client.close()
  })

  it('reports JOB_FAILING if the last n runs of a job have failed, where n is --failures', async () => {
    const { storage, clock, examine } = patient()
    const failing = defineJob({
      name: 'failing',
      schedule: cron('*/10 * * * * *', { timezone: 'UTC' }),
      tasks: [{ name: 'a', run: async () => Promise.reject(new Error('no')) }],
    })
    const scheduler = await node(storage, clock, { jobs: [failing] })
    await clock.advance({ seconds: 25 })
    expect((await examine()).codes).toEqual([])
    const { code, findings } = await examine('--failures', '2')
    expect({ code, findings }).toMatchObject({ code: 1, findings: [{ code: 'JOB_FAILING', job: 'failing' }] })
    await scheduler.shutdown()
  })

  it('finds JOB_FAILING and RETENTION_BEHIND although the storage returns short or empty pages of the history', async () => {
    const { storage: own, clock } = patient()
    const failing = defineJob({
      name: 'failing',
      schedule: cron('*/10 * * * * *', { timezone: 'UTC' }),
      retention: { olderThan: { days: 1 }, keep: 1 },
      tasks: [{ name: 'a', run: async () => Promise.reject(new Error('no')) }],
    })
    const scheduler = await node(own, clock, { jobs: [failing] })
    await clock.advance({ seconds: 35 })
    await scheduler.shutdown()
    const { items: jobs } = await own.listJobs({ limit: 10, cursor: null })
    // Each page of a history holds at most one occurrence, and every second page is empty.
    const storage = wrapStorage(own, {
      async listOccurrences({ cursor, ...query }) {
        const [isFull, place] = cursor === null ? [false, null] : (JSON.parse(cursor) as [boolean, string | null])
        if (!isFull) return { items: [], cursor: JSON.stringify([true, place]) }
        const page = await own.listOccurrences({ ...query, limit: 1, cursor: place })
        return { items: page.items, cursor: page.cursor === null ? null : JSON.stringify([false, page.cursor]) }
      },
    })
    const { signal } = new AbortController()
    const now = clock.now() + 9 * 86_400_000
    const view = { storage, jobs, signal, now, settings: { failures: 2 } } as unknown as Survey
    expect(await jobFailing(view)).toMatchObject([{ code: 'JOB_FAILING', job: 'failing' }])
    expect(await retentionBehind(view)).toMatchObject([{ code: 'RETENTION_BEHIND', job: 'failing' }])
  })

  it('reports JOB_SILENT if no run was completed within alertAfter, and skips jobs without alertAfter', async () => {
    const { storage, clock, examine } = patient()
    const silent = { schedule: daily, tasks: [{ name: 'a', handler: 'h' }] }
    const client = createClient({ storage, clock, logger: silentLogger })
    await client.add([
      defineJob({ name: 'silent', alertAfter: { hours: 2 }, ...silent }),
      defineJob({ name: 'quiet', ...silent }),
    ])
    await clock.advance({ hours: 1 })
    expect((await examine()).codes).toEqual(['NO_NODE_LIVES'])
    await clock.advance({ hours: 2 })
    const { findings } = await examine()
    expect(findings).toMatchObject([
      { code: 'NO_NODE_LIVES' },
      { code: 'JOB_SILENT', severity: 'error', job: 'silent' },
    ])
    expect(findings[1]?.message).toBe('No run of silent was completed within its alertAfter of 2 h, and none is known.')
    await client.close()
  })

  it('reports STORAGE_FORGETS if the storage keeps its data in the memory of a process', async () => {
    const { folder } = scratch.empty()
    writeFileSync(
      join(folder, 'jobistemer.config.mjs'),
      `import { sqliteStorage } from '${import.meta.resolve('@jobistemer/storage-sqlite')}'
export default { storage: () => sqliteStorage({ file: ':memory:' }) }`,
    )
    const { code, out } = await runCli(['doctor', '--observe', '0', '--json', '-c', 'jobistemer.config.mjs'], {
      cwd: folder,
    })
    expect({ code, ...JSON.parse(out) }).toMatchObject({
      code: 1,
      findings: [{ code: 'STORAGE_FORGETS', severity: 'error' }],
    })
  })

  it('reports RETENTION_BEHIND if a job’s history is far older than the retention of the job allows', async () => {
    const { storage, clock, examine } = patient()
    const client = createClient({ storage, clock, logger: silentLogger })
    await client.add(
      defineJob({
        name: 'old',
        schedule: daily,
        retention: { olderThan: { days: 1 }, keep: 1 },
        tasks: [{ name: 'a', handler: 'h' }],
      }),
    )
    for (let count = 0; count < 2; count++) await client.cancel((await client.trigger('old')).id)
    await client.pause('old')
    await clock.advance({ days: 3 })
    expect((await examine()).findings).toMatchObject([
      { code: 'JOB_LATE' },
      { code: 'RETENTION_BEHIND', job: 'old' },
      { code: 'JOB_PAUSED' },
    ])
    await client.close()
  })

  it('reports JOB_PAUSED as info, and as a warning after a pause of a week', async () => {
    const { storage, clock, examine } = patient()
    const scheduler = await node(storage, clock, { jobs: [idle] })
    await scheduler.pause('idle', { actor: 'ann', reason: 'disk' })
    await scheduler.shutdown()
    const { code, findings } = await examine()
    expect({ code, findings }).toMatchObject({
      code: 0,
      findings: [{ code: 'JOB_PAUSED', severity: 'info', job: 'idle' }],
    })
    expect(findings[0]?.message).toContain('by ann: disk')
    await clock.advance({ days: 8 })
    expect((await examine()).findings).toContainEqual(
      expect.objectContaining({ code: 'JOB_PAUSED', severity: 'warning' }),
    )
  })

  it('checks at most n jobs with --limit n, and reports if the storage has more than n jobs', async () => {
    const { place } = await scratch.ledger()
    const { out } = await runCli(['doctor', '-s', place, '--observe', '0', '--limit', '2'])
    expect(out).toContain('2 jobs (there are more: --limit)')
  })

  it('reports only STORAGE_MISSING and exits with 3 if the storage cannot be opened', async () => {
    const { place } = scratch.empty()
    const { code, out } = await runCli(['doctor', '-s', place, '--json'])
    expect({ code, ...JSON.parse(out) }).toMatchObject({
      code: 3,
      findings: [{ code: 'STORAGE_MISSING', severity: 'error' }],
    })
  })
})
