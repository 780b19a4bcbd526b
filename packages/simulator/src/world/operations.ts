import { type CallOptions, jobId, type UpdatePolicy } from '@jobistemer/core'
import { drawSettings } from '../workload/draw-jobs.ts'
import { defineSimulatedJob } from '../workload/define-jobs.ts'
import { every } from '../workload/every.ts'
import { drawPriority, withPlaces } from '../workload/places.ts'
import type { SimulatedJob } from '../workload/simulated-job.ts'
import type { Fleet } from './fleet.ts'
import type { NodeLife } from './node-life.ts'
import { drawPatience } from './patience.ts'
import { tellRefusal } from './refused.ts'
import { Asking, requestName } from './request.ts'
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
  realign: 2,
  explain: 1,
  look: 1,
  backfill: 2,
  stopBackfill: 1,
}

type OperationName = keyof typeof weights

/** Starts a random user operation on a node, without waiting for its answer. */
export function doSomething(world: World, fleet: Fleet, life: NodeLife): void {
  const { random, history } = world
  const operation = random.weighted(weights)
  const job = random.pick(world.jobs)
  const patience = drawPatience(world, life)
  const detail = job.name
  perform(operation, { world, fleet, life, job, patience }).then(
    (outcome) => history.add(life.name, { kind: 'operation', operation, detail: `${detail} ${outcome}` }),
    (error) => tellRefusal(world, life, { operation, detail, error }),
  )
}

interface Stage {
  readonly world: World
  readonly fleet: Fleet
  readonly life: NodeLife
  readonly job: SimulatedJob
  readonly patience: CallOptions
}

async function perform(operation: OperationName, stage: Stage): Promise<string> {
  const { world, life, job, patience } = stage
  const { scheduler, clock } = life
  const { random } = world
  const { name } = job
  switch (operation) {
    case 'trigger':
      return await trigger(stage)
    case 'replay':
      return await replay(stage)
    case 'cancel': {
      const pick = random.next()
      const force = random.chance(0.4)
      const some = (
        await scheduler.occurrences(
          {
            job: name,
            ...(random.chance(0.8) && { states: ['running', 'pending', 'queued'] }),
            order: 'descending',
            limit: 10,
          },
          patience,
        )
      ).items
      const victim = some[Math.floor(pick * some.length)]
      if (victim === undefined) return 'nothing to cancel'
      const { outcome } = await scheduler.cancel(victim.id, { force, reason: 'simulated', ...patience })
      return `${victim.id} ${outcome}`
    }
    case 'cancelSlot': {
      const slots = await scheduler.nextRuns(name, 5)
      if (slots.length === 0) return 'no slots'
      const slot = random.pick(slots)
      return `${slot.toISOString()} ${(await scheduler.cancelSlot(name, slot, patience)).outcome}`
    }
    case 'pause':
      // Half of the pauses have an end; users or the final phase end the other pauses.
      await scheduler.pause(name, {
        reason: 'simulated',
        ...(random.chance(0.5) && { for: random.whole(1000, 600_000) }),
        ...patience,
      })
      return 'paused'
    case 'resume':
      await scheduler.resume(name, patience)
      return 'resumed'
    case 'update':
      return await update(stage)
    case 'add': {
      if (!job.isData) return 'nothing to add'
      const definition = random.pick(job.builds)
      await scheduler.add(defineSimulatedJob(job, definition, life.handlers), patience)
      return 'added'
    }
    case 'remove':
      if (!job.isData) return 'nothing to remove'
      await scheduler.remove(name, patience)
      return 'removed'
    case 'prune': {
      const target = random.chance(0.5) ? { job: name } : {}
      const olderThan = random.pick([0, 10_000, 60_000])
      const removed = await scheduler.prune({ ...target, olderThan, keep: random.pick([0, 0, 2]), ...patience })
      return `${removed} removed`
    }
    case 'realign': {
      const { realigned } = await scheduler.update(name, {}, { realign: true, ...patience })
      return realigned === undefined ? 'nothing to set back' : `from ${realigned.decidedUpTo.toISOString()}`
    }
    case 'explain': {
      const at = clock.setTime() + random.whole(-120_000, 60_000)
      const slot = (await scheduler.nextRuns(name, 1))[0]
      return (await scheduler.explain(name, slot !== undefined && random.chance(0.5) ? slot : at, patience)).verdict
    }
    case 'look':
      return (await scheduler.isRunning(name, patience)) ? 'running' : 'not running'
    case 'backfill':
      return await backfill(stage)
    case 'stopBackfill': {
      const key = backfillKey(Math.max(1, world.counts.backfills - random.whole(0, 2)))
      const { canceled, running } = await scheduler.stopBackfill(name, key, patience)
      return `${key} ${canceled} canceled ${running} running`
    }
  }
}

async function trigger({ world, fleet, life, job: { name }, patience }: Stage): Promise<string> {
  const { random } = world
  const key = random.chance(0.5) ? `request ${random.whole(1, 5)}` : undefined
  const urgency = drawUrgency(world)
  const asking = new Asking(world, fleet, {
    name: requestName(world, { kind: 'trigger', base: name, key }),
    key,
    jobId: jobId(name),
    send: (node, options) => node.scheduler.trigger(name, { ...urgency, ...options }),
  })
  return await asking.ask(life, patience)
}

async function replay({ world, fleet, life, job: { name }, patience }: Stage): Promise<string> {
  const { random } = world
  const key = random.chance(0.5) ? `request ${random.whole(1, 3)}` : undefined
  const pick = random.next()
  const ended = (
    await life.scheduler.occurrences(
      {
        job: name,
        states: ['completed', 'completed_with_errors', 'failed', 'failed_stale', 'skipped', 'missed', 'canceled'],
        order: 'descending',
        limit: 10,
      },
      patience,
    )
  ).items
  const original = ended[Math.floor(pick * ended.length)]
  if (original === undefined) return 'nothing to replay'
  const asking = new Asking(world, fleet, {
    name: requestName(world, { kind: 'replay', base: original.id, key }),
    key,
    jobId: jobId(name),
    send: (node, options) => node.scheduler.replay(original.id, { reason: 'simulated', ...options }),
  })
  return await asking.ask(life, patience)
}

/**
 * Starts a backfill with a new key. The backfill sends one request for each slot, which the key and the slot identify. So for
 * each slot, at most one run of the backfill calls a handler.
 */
async function backfill({ world, life, job: { name }, patience }: Stage): Promise<string> {
  const { random } = world
  const to = life.clock.setTime() - random.whole(0, 5000)
  const key = backfillKey(++world.counts.backfills)
  const urgency = drawUrgency(world)
  const result = await life.scheduler.backfill(name, {
    from: to - random.whole(1000, 40_000),
    to,
    which: random.pick(['all', 'missed', 'failed', 'missed_and_failed']),
    order: random.pick(['oldest_first', 'newest_first']),
    maxActive: random.whole(1, 3),
    key,
    data: `${name} ${key}`,
    ...urgency,
    ...patience,
  })
  return `${key}: ${result.open} of ${result.slots} open`
}

/** In simulations with priorities, half of the requests set a priority. */
function drawUrgency({ hasPlaces, random }: World): { readonly priority?: number } {
  return hasPlaces && random.chance(0.5) ? { priority: drawPriority(random) } : {}
}

function backfillKey(number: number): string {
  return `backfill ${number}`
}

async function update({ world, life, job, patience }: Stage): Promise<string> {
  const { random } = world
  const now = life.clock.setTime()
  const change = {
    ...(random.chance(0.5) && {
      schedule: every(random.pick([1000, 3000, 10_000, 30_000]), { phaseMs: random.pick([0, 0, 500]) }),
    }),
    ...(random.chance(0.6) &&
      (world.hasPlaces ? withPlaces(drawSettings(random, job.overlaps), random) : drawSettings(random, job.overlaps))),
    ...(random.chance(0.2) && { executionTimeout: random.pick([3000, 10_000, 30_000]) }),
  }
  const from = now + random.whole(-10_000, 30_000)
  const drawn = random.pick<UpdatePolicy>([
    'immediate',
    'immediate',
    'graceful',
    { type: 'graceful', until: now + random.whole(-10_000, 30_000) },
    { type: 'windowed', from, to: from + random.whole(0, 60_000) },
  ])
  // Core rejects another policy without a schedule.
  const policy = change.schedule === undefined ? 'immediate' : drawn
  const result = await life.scheduler.update(job.name, change, {
    ...patience,
    policy,
    waiting: random.pick(['keep', 'cancel']),
    ...(random.chance(0.2) && { expectedVersion: random.whole(1, 4) }),
  })
  return `version ${result.version}${result.changed ? '' : ' unchanged'}`
}
