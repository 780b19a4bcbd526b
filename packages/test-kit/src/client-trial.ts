import assert from 'node:assert/strict'
import { type Client, createClient, defineJob, type Occurrence, systemClock } from '@jobistemer/core'
import type { OccurrenceState, Storage } from '@jobistemer/core/storage'
import { cron } from '@jobistemer/ticker-cron'
import { Child } from './child.ts'

/** The data of a client trial, and how its two processes open a storage on these data. */
export interface TrialPlace {
  /** A module whose `connect` opens a storage in the other process, which has the code of the jobs. */
  readonly module: URL
  /** The argument of the module's `connect`, sent as JSON. */
  readonly argument: unknown
  /** Opens a storage in this process, on the same data as the storage in the other process. */
  connect(): Storage
}

const yearly = cron('0 0 1 1 *')
const finals: readonly OccurrenceState[] = ['completed', 'completed_with_errors', 'failed', 'canceled', 'failed_stale']

/**
 * Tests each operation of a client. Only another process has the code of the jobs.
 * @throws AssertionError
 */
export async function clientTrial({ module, argument, connect }: TrialPlace): Promise<void> {
  const node = new Child(new URL('../fixtures/node-with-code.mjs', import.meta.url), { module: module.href, argument })
  const storage = connect()
  const client = createClient({ storage })
  try {
    assert.equal(await node.next(), 'ready')
    await readsJobs(client)
    const report = await runsJobs(client)
    await looksBack(client, report)
    await stops(client)
    await defines(client)
    await looksAhead(client)
    await fillsBack(client)
    assert.ok((await client.prune({ olderThan: 0 })) > 3)
    assert.deepEqual((await client.occurrences({ job: 'report' })).items, [])
  } finally {
    await client.close()
    await storage.close()
    node.process.send('stop')
    await node.ended()
  }
  await assert.rejects(client.jobs(), { code: 'SCHEDULER_STATE' })
}

async function readsJobs(client: Client): Promise<void> {
  assert.deepEqual(
    (await client.nodes()).map(({ node }) => node),
    ['worker'],
  )
  assert.deepEqual(await namesOf(client), ['broken', 'report', 'slow'])
  assert.deepEqual(
    (await client.jobs({ tag: 'nightly' })).items.map(({ name }) => name),
    ['report'],
  )
  const { description, tags, version, lastRun } = await client.job('report')
  assert.deepEqual([description, tags, version, lastRun], ['Writes the report of a day.', ['nightly'], 1, null])
  await assert.rejects(client.job('nobody'), { code: 'JOB_NOT_FOUND' })
}

/** Triggers jobs and waits for their runs. Returns a completed occurrence. */
async function runsJobs(client: Client): Promise<Occurrence> {
  const { id, created } = await client.trigger('report', { data: { day: 1 }, key: 'day 1' })
  assert.ok(created)
  const report = await client.waitFor(id)
  assert.equal(report.state, 'completed')
  assert.deepEqual(report.tasks[0]?.result, { day: 1 })
  assert.equal(report.node, 'worker')
  const many = await client.triggerMany([{ job: 'report', key: 'day 1' }, { job: 'broken' }])
  assert.deepEqual(
    many.map((one) => one.error ?? one.created),
    [false, true],
  )
  const later = await client.trigger('report', { delay: 50, data: { day: 2 } })
  assert.deepEqual([later.state, (await client.waitFor(later.id)).tasks[0]?.result], ['pending', { day: 2 }])
  const [, broken] = many
  assert.ok(broken?.error === null)
  assert.equal((await ended(client, broken.id)).state, 'failed')
  const again = await ended(client, (await client.replay(id, { reason: 'once more' })).id)
  assert.deepEqual([again.state, again.replayOf, again.requestReason], ['completed', id, 'once more'])
  return report
}

async function looksBack(client: Client, report: Occurrence): Promise<void> {
  const states: string[] = []
  for await (const { state } of client.occurrences({ job: 'report', limit: 1 })) states.push(state)
  assert.deepEqual(states, ['completed', 'completed', 'completed'])
  const failures = await client.failures()
  assert.deepEqual(
    failures.items.map(({ job, tasks }) => [job, tasks[0]?.error?.message]),
    [['broken', 'the handler is broken']],
  )
  assert.equal((await client.job('broken')).lastRun?.state, 'failed')
  const { verdict, occurrence } = await client.explain('report', report.scheduledAt)
  assert.deepEqual([verdict, occurrence?.id], ['recorded', report.id])
}

async function stops(client: Client): Promise<void> {
  const { id } = await client.trigger('slow')
  await until(async () => (await client.occurrence(id)).state === 'running')
  assert.ok(await client.isRunning('slow'))
  assert.deepEqual(await client.counts('slow'), { pending: 0, queued: 0, running: 1 })
  assert.deepEqual(
    (await client.live({ state: 'running' })).items.map(({ job, node }) => [job, node]),
    [['slow', 'worker']],
  )
  assert.equal((await client.cancel(id, { reason: 'too slow' })).outcome, 'requested')
  assert.equal((await ended(client, id)).state, 'canceled')
  await client.pause('report', { reason: 'holiday', actor: 'anna' })
  assert.equal((await client.job('report')).paused?.reason, 'holiday')
  const waiting = await client.trigger('report')
  assert.equal((await client.occurrence(waiting.id)).state, 'pending')
  await client.resume('report')
  assert.equal((await ended(client, waiting.id)).state, 'completed')
  assert.deepEqual(await client.pauseAll({ tag: 'nightly' }), ['report'])
  assert.deepEqual(await client.resumeAll({ tag: 'nightly' }), ['report'])
}

async function defines(client: Client): Promise<void> {
  const named = (name: string) => defineJob({ name, tasks: [{ name: 'note', handler: 'note' }] })
  await client.add([named('one'), named('two')])
  const { id } = await client.trigger('one')
  assert.equal((await ended(client, id)).tasks[0]?.result, 'noted')
  const { version, changed } = await client.update('one', { schedule: yearly }, { expectedVersion: 1 })
  assert.deepEqual([version, changed], [2, true])
  await assert.rejects(client.update('one', { maxQueued: 3 }, { expectedVersion: 1 }), { code: 'VERSION_CONFLICT' })
  assert.deepEqual(
    (await client.versions('one')).map(({ version: number, changes }) => [number, changes.map(({ part }) => part)]),
    [
      // The default overlap policy of a job depends on whether the job has a schedule. So the update of the schedule
      // also changes the overlap policy.
      [2, ['schedule', 'overlapPolicy']],
      [1, []],
    ],
  )
  await client.apply(await client.plan([named('three')], { owner: 'ops' }))
  await client.apply(await client.plan([], { owner: 'ops' }))
  await client.remove('two')
  assert.deepEqual(await namesOf(client), ['broken', 'one', 'report', 'slow'])
}

async function looksAhead(client: Client): Promise<void> {
  const [next] = await client.nextRuns('one', 1)
  assert.ok(next !== undefined)
  assert.equal((await client.explain('one', next)).verdict, 'will_run')
  assert.equal((await client.cancelSlot('one', next, { reason: 'holiday' })).outcome, 'canceled')
  assert.equal((await client.explain('one', next)).reason, 'canceled (holiday)')
}

async function fillsBack(client: Client): Promise<void> {
  const span = { from: '2020-01-01T00:00:00Z', to: '2023-01-01T00:00:00Z', key: 'three years' }
  assert.equal((await client.backfill('one', { ...span, dryRun: true })).open, 3)
  assert.equal((await client.backfill('one', span)).slots, 3)
  await until(async () => (await client.backfill('one', span)).completed === 3)
  assert.equal((await client.stopBackfill('one', span.key)).canceled, 0)
  assert.deepEqual(await client.remove(['one']), ['one'])
}

async function namesOf(client: Client): Promise<string[]> {
  return (await client.jobs()).items.map(({ name }) => name).sort()
}

async function ended(client: Client, id: Occurrence['id']): Promise<Occurrence> {
  await until(async () => finals.includes((await client.occurrence(id)).state))
  return client.occurrence(id)
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise<void>((resolve) => void systemClock.setTimer(20, resolve))
}
