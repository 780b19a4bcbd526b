import { JobistemerError, type UpdatePolicy } from '@jobistemer/core'
import { drawSettings } from '../workload/draw-jobs.ts'
import { defineSimulatedJob } from '../workload/define-jobs.ts'
import { every } from '../workload/every.ts'
import type { SimulatedJob } from '../workload/simulated-job.ts'
import { StorageFault } from './faulty-connection.ts'
import type { NodeLife } from './node-life.ts'
import type { World } from './world.ts'

const weights = {
  trigger: 6,
  replay: 3,
  cancel: 3,
  cancelSlot: 3,
  pause: 2,
  resume: 4,
  update: 3,
  add: 2,
  remove: 1,
  prune: 2,
  explain: 1,
  look: 1,
}

type OperationName = keyof typeof weights

/** What a user may be answered when others do things at the same time. */
const expectedCodes = [
  'JOB_NOT_FOUND',
  'OCCURRENCE_NOT_FOUND',
  'VERSION_CONFLICT',
  'INVALID_ARGUMENT',
  'SCHEDULER_STATE',
]

/** Does something that users do, on one node, and does not wait for it. */
export function doSomething(world: World, life: NodeLife): void {
  const { random, history } = world
  const operation = random.weighted(weights)
  const job = random.pick(world.jobs)
  const detail = job.name
  perform(operation, { world, life, job }).then(
    (outcome) => history.add(life.name, { kind: 'operation', operation, detail: `${detail} ${outcome}` }),
    (error) => {
      const message = error instanceof Error ? error.message : String(error)
      if (error instanceof StorageFault || isExpected(error)) {
        const outcome = error instanceof StorageFault ? 'unknown' : 'fail'
        history.add(life.name, { kind: 'operation', operation, detail: `${detail}: ${message}` }, outcome)
        return
      }
      const text = error instanceof Error ? `${message}\n${error.stack}` : message
      history.add(life.name, { kind: 'failure', where: `${operation} ${detail}`, message: text }, 'fail')
    },
  )
}

function isExpected(error: unknown): boolean {
  return JobistemerError.isInstance(error) && expectedCodes.includes(error.code)
}

interface Stage {
  readonly world: World
  readonly life: NodeLife
  readonly job: SimulatedJob
}

async function perform(operation: OperationName, stage: Stage): Promise<string> {
  const { world, life, job } = stage
  const { scheduler, clock } = life
  const { random } = world
  const { name } = job
  switch (operation) {
    case 'trigger': {
      const key = random.chance(0.5) ? { key: `request ${random.whole(1, 5)}` } : {}
      const { id, state, created } = await scheduler.trigger(name, key)
      return `${id} ${state} ${created ? 'created' : 'known'}`
    }
    case 'replay': {
      const key = random.chance(0.5) ? { key: `request ${random.whole(1, 3)}` } : {}
      const pick = random.next()
      const ended = await scheduler.occurrences({
        job: name,
        states: ['completed', 'completed_with_errors', 'failed', 'failed_stale', 'skipped', 'missed', 'canceled'],
        order: 'descending',
        limit: 10,
      })
      const original = ended[Math.floor(pick * ended.length)]
      if (original === undefined) return 'nothing to replay'
      const { id, state } = await scheduler.replay(original.id, { reason: 'simulated', ...key })
      return `${id} ${state}`
    }
    case 'cancel': {
      const pick = random.next()
      const force = random.chance(0.4)
      const some = await scheduler.occurrences({
        job: name,
        ...(random.chance(0.8) && { states: ['running', 'pending', 'queued'] }),
        order: 'descending',
        limit: 10,
      })
      const victim = some[Math.floor(pick * some.length)]
      if (victim === undefined) return 'nothing to cancel'
      const { outcome } = await scheduler.cancel(victim.id, { force, reason: 'simulated' })
      return `${victim.id} ${outcome}`
    }
    case 'cancelSlot': {
      const slots = scheduler.nextRuns(name, 5)
      if (slots.length === 0) return 'no slots'
      const slot = random.pick(slots)
      return `${slot.toISOString()} ${(await scheduler.cancelSlot(name, slot)).outcome}`
    }
    case 'pause':
      await scheduler.pause(name, { reason: 'simulated' })
      return 'paused'
    case 'resume':
      await scheduler.resume(name)
      return 'resumed'
    case 'update':
      return await update(stage)
    case 'add': {
      if (!job.isData) return 'nothing to add'
      const definition = random.pick(job.builds)
      await scheduler.add(defineSimulatedJob(job, definition, life.handlers))
      return 'added'
    }
    case 'remove':
      if (!job.isData) return 'nothing to remove'
      await scheduler.remove(name)
      return 'removed'
    case 'prune': {
      const target = random.chance(0.5) ? { job: name } : {}
      const olderThan = random.pick([0, 10_000, 60_000])
      const removed = await scheduler.prune({ ...target, olderThan, keep: random.pick([0, 0, 2]) })
      return `${removed} removed`
    }
    case 'explain': {
      const at = clock.now() + random.whole(-120_000, 60_000)
      const slot = scheduler.nextRuns(name, 1)[0]
      return (await scheduler.explain(name, slot !== undefined && random.chance(0.5) ? slot : at)).verdict
    }
    case 'look':
      return (await scheduler.isRunning(name)) ? 'running' : 'not running'
  }
}

async function update({ world, life, job }: Stage): Promise<string> {
  const { random } = world
  const now = life.clock.now()
  const change = {
    ...(random.chance(0.5) && {
      schedule: every(random.pick([1000, 3000, 10_000, 30_000]), { phaseMs: random.pick([0, 0, 500]) }),
    }),
    ...(random.chance(0.6) && drawSettings(random, job.overlaps)),
    ...(random.chance(0.2) && { executionTimeout: random.pick([3000, 10_000, 30_000]) }),
  }
  const from = now + random.whole(-10_000, 30_000)
  const policy = random.pick<UpdatePolicy>([
    'immediate',
    'immediate',
    'graceful',
    { type: 'graceful', until: now + random.whole(-10_000, 30_000) },
    { type: 'windowed', from, to: from + random.whole(0, 60_000) },
  ])
  const result = await life.scheduler.update(job.name, change, {
    policy,
    waiting: random.pick(['keep', 'cancel']),
    ...(random.chance(0.2) && { expectedVersion: random.whole(1, 4) }),
  })
  return `version ${result.version}${result.changed ? '' : ' unchanged'}`
}
