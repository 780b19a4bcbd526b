import { createScheduler, JobistemerError, type Scheduler, silentLogger } from '@jobistemer/core'
import { memoryStorage } from '@jobistemer/storage-memory'
import { checkConvergence, checkStored } from './checker/check-end.ts'
import { HistoryChecker } from './checker/history-checker.ts'
import { readStoredState } from './checker/stored-state.ts'
import type { Violation } from './checker/violation.ts'
import type { HistoryEvent } from './history/history.ts'
import { makeClocksJump } from './world/clock-jumps.ts'
import { doSomething } from './world/operations.ts'
import { Callers } from './world/callers.ts'
import { Fleet } from './world/fleet.ts'
import { troubleNodes } from './world/node-troubles.ts'
import { takeStorageAway } from './world/storage-outages.ts'
import { World } from './world/world.ts'

/** Maximum time in ms from the correction of a wrong clock until all nodes have confirmed the correct time. */
const longestDoubtMs = 140_000

/**
 * Maximum time in ms between two scans of a node for owners without a node record. A node scans each 15 s, and its storage
 * calls take time.
 */
const ownerSearchMs = 20_000

/** The result of the simulation of one seed: its history, the violations, and counts of calls, faults and occurrences. */
export interface SimulationReport {
  readonly seed: number
  readonly violations: readonly Violation[]
  readonly events: readonly HistoryEvent[]
  readonly virtualMs: number
  readonly storageCalls: number
  /** Number of injected faults, by kind of fault. */
  readonly faults: Readonly<Record<string, number>>
  /** Number of occurrences in the storage at the end, by state. */
  readonly occurrences: Readonly<Record<string, number>>
}

let loading: Promise<void> | null = null

/**
 * Starts a scheduler on the real clock once per process. The first scheduler of a process imports the ticker packages, which takes
 * real time. In a simulation, virtual time would pass meanwhile, so the history would depend on the speed of the machine.
 */
async function loadTickers(): Promise<void> {
  const storage = memoryStorage()
  const scheduler = createScheduler({ storage, logger: silentLogger })
  await scheduler.start()
  await scheduler.shutdown()
  await storage.close()
}

/** Simulates the cluster of a seed from beginning to end, and checks its history. */
export async function simulate(options: {
  readonly seed: number
  /** Name of a sabotage: a deliberate error that the checks must detect. Default: none. */
  readonly sabotage?: string | null
  /**
   * Whether the simulation has only two kinds of faults: outages of the storage for all nodes, and constant errors of the
   * nodes' clocks. Default false.
   */
  readonly onlyOutages?: boolean
  /** Whether to include calls of `runDue`, together with running nodes or instead of them. Default false. */
  readonly calls?: boolean
  /** Whether some jobs have `maxConcurrency`, `startRate` and `priority`. Default false. */
  readonly places?: boolean
}): Promise<SimulationReport> {
  const { seed, sabotage = null, onlyOutages = false, calls = false, places = false } = options
  loading ??= loadTickers()
  await loading
  const world = new World({ seed, sabotage, onlyOutages, calls, places })
  const fleet = new Fleet(world)
  const callers = calls ? new Callers(world) : null
  if (world.clocksJump) makeClocksJump(world, fleet)
  if (world.hasOutages) takeStorageAway(world, fleet)
  if (world.troublesNodes) troubleNodes(world, fleet)
  world.history.add(null, { kind: 'phase', phase: 'faults' })
  await trouble(world, fleet)
  const ahead = await calm(world, fleet, callers)
  const { events } = world.history
  const checker = new HistoryChecker()
  checker.follow(events)
  const calmed = await readStoredState(world.inspect(), world.clock.now())
  const unsettled = checkConvergence(calmed, checker.model, events, { areCallsAlone: world.calls === 'alone' })
  const unclosed = await closing(world, fleet, callers)
  checker.follow(events)
  const end = await readStoredState(world.inspect(), world.clock.now())
  const unstored = await checkStored(world.inspect(), end, checker.model)
  const violations = [...checker.violations, ...ahead, ...unsettled, ...unclosed, ...unstored]
  const occurrences: Record<string, number> = {}
  for (const { state } of end.occurrences) occurrences[state] = (occurrences[state] ?? 0) + 1
  return {
    seed,
    violations,
    events,
    virtualMs: world.clock.monotonic(),
    storageCalls: world.counts.storageCalls,
    faults: Object.fromEntries(world.counts.faults),
    occurrences,
  }
}

/** Runs the fault phase: user operations, starts and stops of nodes, and faults. */
async function trouble(world: World, fleet: Fleet): Promise<void> {
  const { random, clock, spanMs } = world
  const busy = random.pick([1000, 4000, 10_000])
  while (clock.monotonic() < spanMs) {
    await clock.advance(random.whole(1, busy))
    fleet.maybeRefill()
    happen(world, fleet)
  }
}

function happen(world: World, fleet: Fleet): void {
  const { random, profile } = world
  const what = random.weighted({ operation: 20, crash: 1, freeze: 1, stop: 1, step: 2, partition: 1, nothing: 5 })
  const { usable, alive } = fleet
  if (what === 'operation') {
    if (usable.length > 0) doSomething(world, fleet, random.pick(usable))
    return
  }
  if (alive.length === 0) return
  const life = random.pick(alive)
  switch (what) {
    case 'crash':
      if (profile.calls['crash before'] + profile.calls['crash after'] === 0) return
      world.countFault('crash')
      life.crash('at rest')
      return
    case 'freeze':
      if (profile.calls['freeze before'] + profile.calls['freeze after'] === 0) return
      world.countFault('freeze')
      life.freeze('at rest')
      return
    case 'stop':
      life.shutDown({
        graceMs: random.pick([0, 0, 500, 5000, 15_000]),
        abortGraceMs: random.pick([0, 500, 5000, 15_000]),
      })
      return
    case 'step':
      if (!profile.steppingClocks) return
      world.countFault('clock step')
      life.step(random.whole(-profile.largestSkewMs, profile.largestSkewMs))
      return
    case 'partition':
      if (profile.longestPartitionMs === 0 || life.partitioned) return
      life.partitioned = true
      world.later(random.whole(100, profile.longestPartitionMs), () => {
        life.partitioned = false
      })
  }
}

/** Runs the calm phase without faults. Every unfinished occurrence must end, and every job must run again. */
async function calm(world: World, fleet: Fleet, callers: Callers | null): Promise<readonly Violation[]> {
  const { clock, history, random, profile } = world
  world.faults = null
  world.correctStorageClock()
  world.returnStorage()
  for (const life of [...fleet.alive, ...(callers?.alive ?? [])]) {
    life.reconnect()
    life.thaw()
    life.correctClock()
  }
  history.add(null, { kind: 'phase', phase: 'calm' })
  const atLeast = random.whole(0, 2)
  if (world.calls !== 'alone') {
    fleet.refill({ atLeast })
    fleet.startNewest()
  }
  await clock.advance(15_000)
  if (world.clocksJump && world.hasClock) await clock.advance(longestDoubtMs)
  await resumeAll(world)
  const ahead = random.chance(0.5) ? await realignAll(world, fleet) : []
  // The calm phase lasts at least 100 s longer than `longestMs`. This is long enough for two things:
  // - The deadlines pass that nodes wrote by clocks that were ahead.
  // - Nodes take over the runs of dead nodes.
  const longestMs = Math.max(profile.largestSkewMs, world.setAheadMs, longestTakeoverMs(fleet))
  await clock.advance(longestMs + 100_000 + profile.slowestMs)
  return ahead
}

/** Returns how many ms longer than 100 s the takeover of a dead node's runs may take; at least 0. */
function longestTakeoverMs({ lives }: Fleet): number {
  const slowest = Math.max(0, ...lives.map(({ timing: { heartbeatMs, deadAfterMs } }) => deadAfterMs + 6 * heartbeatMs))
  return Math.max(0, slowest + ownerSearchMs - 100_000)
}

/** Realigns every job. Returns the number of jobs that were ahead. */
async function setBackAll(scheduler: Scheduler): Promise<number> {
  let count = 0
  for await (const { name } of scheduler.jobs()) {
    try {
      const { realigned } = await scheduler.update(name, {}, { realign: true })
      if (realigned !== undefined) count++
    } catch (error) {
      // Ignores this error: a user has removed the job in the meantime.
      if (!JobistemerError.isInstance(error, 'JOB_NOT_FOUND')) throw error
    }
  }
  return count
}

/**
 * Realigns all jobs, as an operator does after a clock was wrong. Returns a violation for each job that is ahead afterwards.
 */
async function realignAll(world: World, fleet: Fleet): Promise<readonly Violation[]> {
  const { clock, history } = world
  const life = fleet.usable.at(-1)
  if (life === undefined) return []
  const realigning = setBackAll(life.scheduler).then(
    (count) => history.add(life.name, { kind: 'operation', operation: 'realign', detail: `${count} jobs` }),
    (error) => history.add(life.name, { kind: 'failure', where: 'realign', message: String(error) }, 'fail'),
  )
  await clock.advance(20_000)
  // A node that crashes during `realign` never answers. So the simulation awaits the answer only if the node lives.
  if (!life.dead) await realigning
  const { items } = await world.inspect().listJobs({ limit: 1000, cursor: null })
  return items
    .filter(({ watermark }) => watermark - clock.now() > 60_000)
    .map(({ id, watermark }) => ({
      rule: 'stuck',
      message: `its watermark is ${new Date(watermark).toISOString()} although it was set back`,
      jobId: id,
      occurrence: null,
      event: null,
    }))
}

/** Resumes all jobs, as an operator does at the end. */
async function resumeAll(world: World): Promise<void> {
  const storage = world.connect({ name: 'operator', starting: false })
  const { items } = await storage.listJobs({ limit: 1000, cursor: null })
  const paused = items.filter((head) => head.paused !== null)
  await storage.saveJobs({
    now: world.clock.now(),
    changes: paused.map(({ id }) => ({ kind: 'pause', id, paused: null }) as const),
  })
  await world.clock.settle()
}

/** Shuts all nodes down, with a longer grace period than any handler needs. */
async function closing(world: World, fleet: Fleet, callers: Callers | null): Promise<readonly Violation[]> {
  world.history.add(null, { kind: 'phase', phase: 'shutdown' })
  callers?.stop()
  const lives = [...fleet.alive, ...(callers?.alive ?? [])]
  for (const life of lives) life.shutDown({ graceMs: 10_000, abortGraceMs: 10_000 })
  await world.clock.advance(60_000)
  world.history.add(null, { kind: 'phase', phase: 'end' })
  const note = (message: string): Violation => ({
    rule: 'shutdown',
    message,
    jobId: null,
    occurrence: null,
    event: null,
  })
  return lives.flatMap(({ name, state, clock }) => {
    if (state !== 'down') return [note(`${name} is ${state} long after its grace period`)]
    return clock.timerCount > 0 ? [note(`${name} is down and has ${clock.timerCount} timers left`)] : []
  })
}
