import {
  createScheduler,
  defineJob,
  jobId,
  type Job,
  JobistemerError,
  type JobSettingsInput,
  occurrenceId,
  type Scheduler,
  type SchedulerOptions,
  type TaskContext,
} from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { type VirtualClock, virtualClock, wrapStorage } from '@jobistemer/core/testing'
import { type MemoryDatabase, memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { expect, it, onTestFinished } from 'vitest'
import { SeededRandom } from '@jobistemer/test-kit'
import { every } from '../src/workload/every.ts'
import { NodeClock } from '../src/world/node-clock.ts'
import { tuned } from '../../workspace/test-tuning.ts'

// Each test reproduces a bug that the simulation of a seed has revealed. When the simulator changes, the history of a seed
// changes too, so the seed may no longer reveal the bug.

const startMs = Date.UTC(2026, 0, 1)

interface Stage {
  readonly clock: VirtualClock
  readonly database: MemoryDatabase
  start(
    nodeId: string,
    jobs: readonly Job[],
    storage?: Storage,
    options?: Partial<SchedulerOptions>,
  ): Promise<Scheduler>
}

function stage(): Stage {
  const clock = virtualClock(startMs)
  const database = memoryDatabase()
  const schedulers: Scheduler[] = []
  onTestFinished(async () => {
    for (const scheduler of schedulers) {
      const stopping = scheduler.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
      await clock.advance(1)
      await stopping
    }
  })
  return {
    clock,
    database,
    async start(nodeId, jobs, storage = memoryStorage({ database }), options = {}) {
      const scheduler = createScheduler({
        storage,
        jobs,
        nodeId,
        // The test delays answers in virtual time, so the shared clock must not wait for answers.
        clock: new NodeClock(clock, { offsetMs: 0, random: new SeededRandom(nodeId) }),
        pollInterval: 1000,
        ...tuned({ definitionInterval: 1000 }),
        ...options,
      })
      schedulers.push(scheduler)
      await scheduler.start()
      await clock.settle()
      return scheduler
    },
  }
}

function job(name: string, settings: JobSettingsInput, run: Job['tasks'][number]['run'] = () => undefined): Job {
  return defineJob({ name, schedule: every(60_000), ...settings, tasks: [{ name: 'work', run: run as () => void }] })
}

/** Wraps the storage so that the answers to `operation` wait until the test calls `letGo`. */
function holding(storage: Storage, operation: 'claim' | 'createOccurrences' | 'get') {
  let isHeld = false
  const waiting: (() => void)[] = []
  const held = wrapStorage(storage, {
    // Without wake-ups, the node polls. A poll makes the call whose answer the test holds back.
    subscribe: undefined,
    async around(call) {
      const answer = await call.proceed()
      if (call.method === operation && isHeld) await new Promise<void>((resolve) => waiting.push(resolve))
      return answer
    },
  })
  return {
    storage: held,
    hold: () => {
      isHeld = true
    },
    letGo: () => {
      isHeld = false
      for (const resolve of waiting.splice(0)) resolve()
    },
  }
}

async function versionOf(database: MemoryDatabase, { id }: Job): Promise<number | undefined> {
  const { jobs } = await memoryStorage({ database }).get({ jobs: [id] })
  return jobs[0]?.version
}

it('a definition with changed settings is stored once, and an older build follows this definition', async () => {
  const { start, database } = stage()
  const older = job('report', { overlapPolicy: 'skip' })
  const newer = job('report', { overlapPolicy: 'queue' })
  await start('a', [older])
  await start('b', [newer])
  expect(await versionOf(database, newer)).toBe(2)
  await start('c', [newer])
  await start('d', [older])
  expect(await versionOf(database, newer)).toBe(2)
})

it('a node that already owns a requested run does not call its handler before the attempt is stored', async () => {
  const { start, clock, database } = stage()
  const starts: number[] = []
  const triggered = job('import', {}, ((context: TaskContext) => {
    starts.push(context.attempt)
  }) as never)
  const storage = memoryStorage({ database })
  const doubling: Storage = {
    ...holding(storage, 'claim').storage,
    // The storage executes each claim twice, and the node receives only the second answer.
    async claim(request) {
      await storage.claim(request)
      return await storage.claim(request)
    },
  }
  const claimer = await start('a', [triggered], doubling)
  await claimer.pause('import')
  const { id } = await claimer.trigger('import', { key: 'today' })
  await claimer.resume('import')
  await clock.advance(2000)
  const repeated = await claimer.trigger('import', { key: 'today' })
  await clock.advance(2000)
  expect(repeated).toMatchObject({ id, state: 'running', created: false })
  expect(starts).toEqual([])
})

it('a node that has not loaded a job’s newest version never runs occurrences of the job by an older version', async () => {
  const { start, clock, database } = stage()
  const versions: number[] = []
  const run = ((context: TaskContext) => {
    versions.push(context.job.version)
  }) as never
  const older = job('sync', {}, run)
  const newer = defineJob({
    name: 'sync',
    schedule: every(60_000),
    tasks: [
      { name: 'work', run },
      { name: 'more', run },
    ],
  })
  // Without wake-ups, the node learns of changed definitions only by its scan each second.
  const behind = await start('a', [older], holding(memoryStorage({ database }), 'claim').storage)
  const updater = await start('b', [newer])
  await updater.pause('sync')
  await updater.trigger('sync')
  const stopping = updater.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
  await clock.advance(1)
  await stopping
  await behind.resume('sync')
  await clock.advance(5000)
  expect(versions).toEqual([])
  await start('c', [newer])
  await clock.advance(5000)
  expect(versions).toEqual([2, 2])
})

it('a slot that was canceled ahead stays canceled when its job is deleted, pruned and defined again', async () => {
  const { start, clock, database } = stage()
  const slots: number[] = []
  const daily = job('daily', {}, ((context: TaskContext) => {
    if (context.occurrence.kind === 'trigger') return clock.sleep(20_000)
    return slots.push(context.scheduledAt.getTime())
  }) as never)
  const scheduler = await start('a', [daily])
  const [first] = await scheduler.nextRuns('daily', 1)
  await scheduler.cancelSlot('daily', first as Date)
  // The running occurrence keeps a prune from removing the deleted job's head.
  await scheduler.trigger('daily')
  await scheduler.remove('daily')
  // The clock of the pruning node is 120 s ahead.
  const now = startMs + 120_000
  await memoryStorage({ database }).prune({
    now,
    jobId: daily.id,
    before: (first as Date).getTime() + 1,
    keep: 0,
    limit: 10,
  })
  await scheduler.add(daily)
  await clock.advance(130_000)
  expect(slots).toEqual([(first as Date).getTime() + 60_000])
})

it('a delayed recovery does not decide about slots that are still in the future when the recovery takes effect', async () => {
  const { start, clock, database } = stage()
  const slots: number[] = []
  const due = job('due', { misfireThreshold: { minutes: 10 } })
  const late = job('late', { misfireThreshold: 1000, recoveryStrategy: 'mark_as_missed' }, ((context: TaskContext) => {
    slots.push((context.scheduledAt.getTime() - startMs) / 1000)
  }) as never)
  const first = await start('a', [due, late])
  const stopping = first.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
  await clock.advance(1)
  await stopping
  await clock.advance(90_000)
  const { storage, hold, letGo } = holding(memoryStorage({ database }), 'createOccurrences')
  hold()
  await start('b', [due, late], storage)
  const other = await start('c', [due, late])
  await other.update('late', { misfireThreshold: 2000 })
  await clock.advance(5000)
  letGo()
  await clock.advance(30_000)
  expect(slots).toEqual([120])
})

it('a node with an old definition does not try repeatedly to create a slot that was canceled ahead', async () => {
  const { start, clock, database } = stage()
  const slots: number[] = []
  const watched = job('watched', { misfireThreshold: { minutes: 10 } }, ((context: TaskContext) => {
    slots.push((context.scheduledAt.getTime() - startMs) / 1000)
  }) as never)
  const { storage } = holding(memoryStorage({ database }), 'claim')
  let creates = 0
  const counting = wrapStorage(storage, {
    createOccurrences: (request) => {
      if (++creates > 100)
        throw new JobistemerError('STORAGE_CLOSED', { message: 'The node repeats this create without end.' })
      return storage.createOccurrences(request)
    },
  })
  // The node scans for changed definitions just before the slot, and next time long after the slot. So at the slot, the
  // node does not know yet that another node has changed the job.
  await start('a', [watched], counting, { ...tuned({ definitionInterval: 50_000 }) })
  await clock.advance(59_500)
  const other = await start('b', [watched])
  await other.cancelSlot('watched', startMs + 60_000)
  await other.update('watched', { misfireThreshold: { minutes: 20 } })
  const stopping = other.shutdown({ gracePeriod: 0, abortGracePeriod: 0 })
  await clock.advance(1)
  await stopping
  await clock.advance(70_000)
  expect(creates).toBeLessThan(10)
  expect(slots).toEqual([120])
})

it('if other nodes create and delete a job while a node stores it, only slots run about which no node has decided', async () => {
  const { start, clock, database } = stage()
  const slots: number[] = []
  const late = job('late', {}, ((context: TaskContext) => {
    slots.push((context.scheduledAt.getTime() - startMs) / 1000)
  }) as never)
  const storage = memoryStorage({ database })
  let isFirst = true
  const overtaken: Storage = {
    ...holding(storage, 'claim').storage,
    async saveJobs(request) {
      if (!isFirst) return await storage.saveJobs(request)
      isFirst = false
      // While this `saveJobs` is in progress, a node whose clock is ahead creates the job, and another node deletes the
      // job.
      const now = startMs + 90_000
      const changes = request.changes.map((change) =>
        change.kind === 'create' ? { ...change, content: { ...change.content, nextAt: startMs + 120_000 } } : change,
      )
      await storage.saveJobs({ now, changes })
      await storage.saveJobs({ now, changes: [{ kind: 'delete', id: late.id, expectedVersion: null }] })
      return await storage.saveJobs(request)
    },
  }
  await start('a', [late], overtaken)
  await clock.advance(130_000)
  expect(slots).toEqual([120])
})

it('a `createOccurrences` call that is answered after an update launches no slot of the old schedule', async () => {
  const { start, clock, database } = stage()
  const slots: number[] = []
  const changing = defineJob({
    name: 'changing',
    schedule: every(60_000),
    misfireThreshold: 1000,
    recoveryStrategy: 'execute_all',
    tasks: [{ name: 'work', run: (context) => slots.push((context.scheduledAt.getTime() - startMs) / 1000) }],
  })
  const { storage, hold, letGo } = holding(memoryStorage({ database }), 'createOccurrences')
  await start('a', [changing], storage)
  const other = await start('b', [changing])
  await clock.advance(59_000)
  hold()
  // Both nodes create the slot at 60 s. The storage's answer to node `a` names 120 s as the next instant, by the old
  // schedule. The test delays this answer until node `b` has changed the schedule.
  await clock.advance(2000)
  await other.update('changing', { schedule: every(600_000) })
  await clock.advance(63_000)
  letGo()
  await clock.advance(30_000)
  expect(slots).toEqual([60])
  const stored = (await other.occurrences({ job: 'changing' })).items
  expect(stored.map(({ scheduledAt }) => scheduledAt.getTime() - startMs)).toEqual([60_000])
})

it('two requests with one key on one node cause one run, however late their answers arrive', async () => {
  const { start, clock, database } = stage()
  const starts: number[] = []
  const wanted = job('wanted', {}, ((context: TaskContext) => {
    starts.push(context.attempt)
    return clock.sleep(1000)
  }) as never)
  const creates = holding(memoryStorage({ database }), 'createOccurrences')
  const reads = holding(creates.storage, 'get')
  const scheduler = await start('a', [wanted], reads.storage)
  creates.hold()
  const first = scheduler.trigger('wanted', { key: 'today' })
  const second = scheduler.trigger('wanted', { key: 'today' })
  await clock.settle()
  reads.hold()
  creates.letGo()
  // The first request runs to its end while the storage read of the second request is in progress.
  await clock.advance(2000)
  reads.letGo()
  await clock.advance(2000)
  expect((await first).id).toBe((await second).id)
  expect(starts).toEqual([1])
})

it('a request completes although its job is deleted and defined again while the request is in progress', async () => {
  const { start, clock, database } = stage()
  const renewed = job('renewed', {})
  const { storage, hold, letGo } = holding(memoryStorage({ database }), 'createOccurrences')
  let creates = 0
  const counting = wrapStorage(storage, {
    createOccurrences: (request) => {
      if (++creates > 100)
        throw new JobistemerError('STORAGE_CLOSED', { message: 'The node repeats this create without end.' })
      return storage.createOccurrences(request)
    },
  })
  const behind = await start('a', [renewed], counting, { ...tuned({ definitionInterval: 5000 }) })
  const other = await start('b', [renewed])
  await other.update('renewed', { misfireThreshold: 2000 })
  hold()
  const canceling = behind.cancelSlot('renewed', startMs + 60_000)
  const triggering = behind.trigger('renewed')
  await clock.settle()
  await other.remove('renewed')
  await clock.advance(6000)
  await other.add(renewed)
  letGo()
  await clock.settle()
  expect((await canceling).outcome).toBe('canceled')
  expect((await triggering).created).toBe(true)
  expect(creates).toBeLessThan(10)
})

it('if a storage outage interrupts the start of a node, the peers of this node do not declare it dead', async () => {
  const { start, clock, database } = stage()
  const life = { ...tuned({ heartbeat: 500 }), deadAfter: 2000 }
  let isAway = false
  let isTold = false
  const away = (begins: boolean): Storage =>
    wrapStorage(memoryStorage({ database }), {
      async around(call) {
        if (isAway) throw new Error('the storage is away')
        const answer = await call.proceed()
        if (!begins || isTold || call.method !== 'heartbeat' || call.request.own === null) return answer
        // The storage has stored the node's first heartbeat, but the node has received no answer.
        isTold = true
        isAway = true
        throw new Error('the answer was lost')
      },
    })
  const peer = await start('a', [], away(false), life)
  const lost: string[] = []
  peer.on('node.lost', ({ node }) => {
    lost.push(node)
  })
  const starting = start('b', [], away(true), life)
  await clock.advance(12_000)
  isAway = false
  await clock.advance(10_000)
  await starting
  expect(isTold).toBe(true)
  expect(lost).toEqual([])
})

it('a newer occurrence can displace a run of a backfill even after earlier runs of the same slot were pruned', async () => {
  const { start, clock, database } = stage()
  const node = await start('a', [job('job', { overlapPolicy: 'queue_one' })])
  await clock.advance(61_000)
  const storage = memoryStorage({ database })
  const owner = { node: 'b', incarnation: 'b1' }
  const slot = startMs + 60_000
  const now = clock.now()
  const at = { jobId: jobId('job'), id: occurrenceId(jobId('job'), startMs - 1) }
  const later = now + 30_000
  const backfill = { slot, from: slot, to: slot + 1, which: 'all', order: 'oldest_first', lanes: 1 } as const
  const run = { ...at, scheduledAt: now, jobVersion: 1, executionTimeoutMs: 60_000, runs: null }
  const details = { requestKey: 'mine', backfill }
  await storage.createOccurrences({ now, owner, items: [{ kind: 'trigger', ...run, dueAt: now, details }] })
  const { claimed } = await storage.claim({ now, owner, limit: 1, exceptHandlerKeys: [], sweep: false })
  expect(claimed.map(({ id }) => id)).toEqual([at.id])
  const release = { kind: 'release', dueAt: later, reason: null } as const
  const said = { ...at, scheduledAt: now, token: 1, sequence: 1, runs: [], change: release }
  await storage.settle({ now, items: [said] })
  await node.trigger('job')
  await clock.advance(40_000)
  const runs = await node.occurrences({ job: 'job' })
  expect(
    runs.items.filter(({ kind }) => kind === 'trigger').map(({ id, reason }) => (id === at.id ? reason : 'asked for')),
  ).toEqual(['asked for', 'displaced'])
})
