import { defineJob, type Job, jobId, occurrenceId, type Scheduler } from '@jobistemer/core'
import type { RecoveryEntry, SaveJobAnswer, SaveJobsRequest } from '@jobistemer/core/storage'
import { describe, expect, it } from 'vitest'
import { everySeconds } from '../support/every.ts'
import { type Call, InterceptedStorage } from '../support/intercepted-storage.ts'
import { everywhere } from '../support/places.ts'
import { at, createWorld, secondsOf, type World } from '../support/world.ts'

// An update cancels 250 runs in each call. After the first call, more runs are left than a sweep of a peer cancels (1,000).
const waiting = 1300

/** Options of nodes that wait 20 minutes for their queue to fill. These nodes need not poll each second. */
const calm = { pollInterval: { minutes: 1 } }

/** Makes a job whose first slot runs until `end` is called. The job's other slots queue behind this run. */
function crowded(): { job: Job; started: number[]; end: () => void } {
  const started: number[] = []
  let end: () => void = () => undefined
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  const job = defineJob({
    name: 'crowded',
    schedule: everySeconds(1, +at(waiting + 1)),
    overlapPolicy: 'queue',
    maxQueued: 10_000,
    executionTimeout: { hours: 2 },
    taskTimeout: { hours: 2 },
    tasks: [
      {
        name: 'work',
        run: async ({ scheduledAt }) => {
          started.push(secondsOf(scheduledAt))
          if (started.length === 1) await ended
        },
      },
    ],
  })
  return { job, started, end }
}

const later = { schedule: everySeconds(600) }

/**
 * Creates all later slots of the job in one recovery call. The first slot is still running, so the created slots queue behind
 * it.
 */
async function crowd(world: World, scheduler: Scheduler): Promise<void> {
  await world.clock.advance({ seconds: 1 })
  const job = jobId('crowded')
  const entries = Array.from({ length: waiting }, (_, index): RecoveryEntry => {
    const scheduledAt = +at(index + 2)
    const id = occurrenceId(job, scheduledAt)
    return { kind: 'run', id, scheduledAt, executionTimeoutMs: 60_000, details: {} }
  })
  const last = entries.at(-1) as RecoveryEntry
  const course = { expectedWatermark: +at(1), watermark: last.scheduledAt, nextAt: null }
  const item = { kind: 'recovery', id: last.id, jobId: job, scheduledAt: last.scheduledAt, jobVersion: 1 } as const
  const owner = { node: 'elsewhere', incarnation: 'elsewhere-1' }
  const storage = world.connect()
  await storage.createOccurrences({ now: +at(1), owner, items: [{ ...item, ...course, entries }] })
  await world.clock.advance({ seconds: waiting + 1 })
  expect((await scheduler.occurrences({ job: 'crowded', states: ['queued'], limit: 10_000 })).items).toHaveLength(
    waiting,
  )
}

/** Returns how many runs a `saveJobs` call has canceled, if the call replaced a job; `null` for any other call. */
function canceledBy({ operation, request }: Call, answers: unknown): number | null {
  if (operation !== 'saveJobs') return null
  const [change] = (request as SaveJobsRequest).changes
  const [saved] = answers as readonly SaveJobAnswer[]
  return change?.kind === 'replace' && saved?.outcome === 'saved' ? saved.canceled.length : null
}

async function countOf(scheduler: Scheduler, fate: string): Promise<number> {
  const occurrences = (await scheduler.occurrences({ job: 'crowded', limit: 10_000 })).items
  return occurrences.filter(({ state, reason }) => `${state} ${reason}` === fate).length
}

describe.each(everywhere)('on the storage $name', (place) => {
  it('an update cancels 1,300 queued runs of a job in 6 storage calls, and other work of the event loop runs between these calls', async () => {
    const world = createWorld(place)
    const { job, started, end } = crowded()
    const intercepted = new InterceptedStorage(world.connect())
    const scheduler = await world.start({ ...calm, jobs: [job], storage: intercepted.storage })
    await crowd(world, scheduler)
    await scheduler.trigger('crowded')
    const steps: number[] = []
    let turns = 0
    let turnsBefore = -1
    intercepted.intercept = async (call) => {
      const answer = await call.proceed()
      const canceled = canceledBy(call, answer)
      if (canceled === null) return answer
      steps.push(canceled)
      expect(turns).toBeGreaterThan(turnsBefore)
      turnsBefore = turns
      setImmediate(() => turns++)
      return answer
    }
    const { canceled, version } = await scheduler.update('crowded', later, { waiting: 'cancel' })
    expect([steps, canceled.length, new Set(canceled).size, version]).toEqual([
      [...Array(5).fill(250), 50],
      waiting,
      waiting,
      2,
    ])
    end()
    await world.clock.advance({ minutes: 10 })
    // The update keeps the trigger, so the run of the trigger starts first. Then the first slot of the new schedule runs.
    expect(started).toEqual([1, waiting + 2, 1800])
    expect(await countOf(scheduler, 'canceled updated')).toBe(waiting)
  })

  it('if a node dies between two calls of its update, a peer cancels the old schedule’s remaining queued slots, up to 1,000 in each sweep', async () => {
    const world = createWorld(place)
    const { job, started, end } = crowded()
    const intercepted = new InterceptedStorage(world.connect())
    const other = await world.start({ ...calm, jobs: [job] })
    await crowd(world, other)
    const updating = await world.start({ ...calm, jobs: [job], storage: intercepted.storage })
    let steps = 0
    intercepted.intercept = async (call) => {
      const answer = await call.proceed()
      if (canceledBy(call, answer) !== null && ++steps === 1) world.crash(updating)
      return answer
    }
    // Expected here: the call rejects, because its node crashes.
    updating.update('crowded', later, { waiting: 'cancel' }).catch(() => undefined)
    await world.clock.settle()
    end()
    await world.clock.advance({ minutes: 11 })
    expect(steps).toBe(1)
    expect(started).toEqual([1, 1800])
    expect(await countOf(other, 'canceled updated')).toBe(waiting)
  })

  it('an update that cancels queued runs in several calls completes although another update follows between these calls', async () => {
    const world = createWorld(place)
    const { job, started, end } = crowded()
    const intercepted = new InterceptedStorage(world.connect())
    const updating = await world.start({ ...calm, jobs: [job], storage: intercepted.storage })
    const other = await world.start({ ...calm, jobs: [job] })
    await crowd(world, updating)
    let steps = 0
    intercepted.intercept = async (call) => {
      const isStep = call.operation === 'saveJobs'
      if (isStep && ++steps === 2) await other.update('crowded', { maxQueued: 5 })
      return call.proceed()
    }
    const { canceled } = await updating.update('crowded', later, { waiting: 'cancel' })
    expect([steps, canceled.length]).toEqual([6, waiting])
    end()
    await world.clock.advance({ minutes: 10 })
    expect(started).toEqual([1, 1800])
    expect(await countOf(other, 'canceled updated')).toBe(waiting)
  })
})
