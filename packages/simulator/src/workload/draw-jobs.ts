import type { JobSettingsInput, TaskSettingsInput } from '@jobistemer/core'
import type { SeededRandom } from '@jobistemer/test-kit'
import type { SimulatedDefinition, SimulatedJob, SimulatedTask } from './simulated-job.ts'

type OverlapPolicy = NonNullable<JobSettingsInput['overlapPolicy']>

const exclusivePolicies: readonly OverlapPolicy[] = ['skip', 'queue', 'queue_one', 'cancel_running']

/**
 * Execution timeouts of jobs, in ms. They are short, because some runs end only when a node reaps them after their deadline.
 * Each deadline must pass before the end of the calm phase.
 */
const executionTimeouts = [3000, 10_000, 30_000]
const intervals = [1000, 2000, 5000, 5000, 10_000, 10_000, 20_000, 30_000]

/** Draws the jobs of a seed, with random combinations of settings. */
export function drawJobs(
  random: SeededRandom,
  options: { readonly startMs: number; readonly spanMs: number },
): SimulatedJob[] {
  const jobs = Array.from({ length: random.whole(1, 4) }, (_, index) => drawJob(`job-${index}`, random, options))
  return random.chance(0.25) ? [...jobs, ...drawCrowd(random)] : jobs
}

/**
 * Draws 4 to 12 jobs that are due at the same instants. The handlers of most jobs are quick, so that nodes prefetch slots.
 * The handlers of the other jobs may take up to 2 s, which can end the prefetch.
 */
function drawCrowd(random: SeededRandom): SimulatedJob[] {
  const intervalMs = random.pick([1000, 2000, 5000])
  return Array.from({ length: random.whole(4, 12) }, (_, index) => {
    const longestMs = random.chance(0.15) ? 2000 : 0
    const definition: SimulatedDefinition = {
      intervalMs,
      phaseMs: 0,
      endMs: null,
      settings: { ...drawSettings(random, false), executionTimeout: random.pick(executionTimeouts) },
      tasks: [{ name: 'task-0', longestMs, failing: random.pick([0, 0.2]), stopsInMs: 0, settings: {} }],
    }
    return { name: `crowd-${index}`, isData: false, overlaps: false, builds: [definition] }
  })
}

function drawJob(
  name: string,
  random: SeededRandom,
  options: { readonly startMs: number; readonly spanMs: number },
): SimulatedJob {
  const overlaps = random.chance(0.2)
  const isData = random.chance(0.3)
  const first = drawDefinition(random, { ...options, overlaps })
  const builds = [first]
  if (random.chance(0.4)) builds.push(nextBuild(first, random, { overlaps, isData }))
  return { name, isData, overlaps, builds }
}

function drawDefinition(
  random: SeededRandom,
  options: { readonly startMs: number; readonly spanMs: number; readonly overlaps: boolean },
): SimulatedDefinition {
  const intervalMs = random.pick(intervals)
  const executionTimeout = random.pick(executionTimeouts)
  const tasks = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, (_, index) =>
    drawTask(`task-${index}`, random, { intervalMs, executionTimeout, overlaps: options.overlaps }),
  )
  return {
    intervalMs,
    phaseMs: random.chance(0.3) ? random.whole(0, intervalMs - 1) : 0,
    endMs: random.chance(0.1) ? options.startMs + random.whole(0, options.spanMs) : null,
    settings: { ...drawSettings(random, options.overlaps), executionTimeout },
    tasks,
  }
}

/** Draws settings that an update can change at run time. */
export function drawSettings(random: SeededRandom, overlaps: boolean): JobSettingsInput {
  return {
    overlapPolicy: overlaps ? 'allow' : random.pick(exclusivePolicies),
    maxQueued: random.pick([1, 3, 20]),
    recoveryStrategy: random.pick<NonNullable<JobSettingsInput['recoveryStrategy']>>([
      'execute_all',
      'execute_last',
      'mark_as_missed',
      'compressed',
      { type: 'bounded_window', maxOccurrences: 3 },
      { type: 'bounded_window', maxAge: 30_000 },
      { type: 'bounded_window', maxOccurrences: 5, maxAge: 60_000 },
    ]),
    misfireThreshold: random.pick([500, 3000, 10_000, 60_000]),
    onInterrupted: random.pick(['fail', 'retry']),
    maxRescues: random.pick([0, 1, 3]),
    taskExecutionMode: random.pick(['sequential', 'parallel']),
    failureStrategy: random.pick(['fail_fast', 'continue', 'retry_on_failure']),
  }
}

function drawTask(
  name: string,
  random: SeededRandom,
  job: { readonly intervalMs: number; readonly executionTimeout: number; readonly overlaps: boolean },
): SimulatedTask {
  if (random.chance(0.05)) return stubbornTask(name, random)
  const longestMs = random.pick([0, 300, job.intervalMs / 2, job.intervalMs * 1.5, job.executionTimeout * 1.3])
  return {
    name,
    longestMs,
    failing: random.pick([0, 0, 0.2, 0.7]),
    // A task that ignores its abort signal may still run when the next run of its job starts. This is an overlap, so only jobs
    // that allow overlap have such tasks.
    stopsInMs: job.overlaps && random.chance(0.2) ? null : random.pick([0, 0, 500, 3000]),
    settings: drawTaskSettings(random),
  }
}

/** Returns a task that usually needs more attempts than the storage keeps. */
function stubbornTask(name: string, random: SeededRandom): SimulatedTask {
  const retryPolicy = { maxRetries: random.whole(25, 60), retryInterval: random.pick([0, 20, 200]) }
  return { name, longestMs: random.pick([0, 50]), failing: 0.97, stopsInMs: 0, settings: { retryPolicy } }
}

function drawTaskSettings(random: SeededRandom): TaskSettingsInput {
  return {
    ...(random.chance(0.3) && { failureStrategy: random.pick(['fail_fast', 'continue', 'retry_on_failure']) }),
    ...(random.chance(0.4) && {
      retryPolicy: {
        maxRetries: random.whole(0, 4),
        retryInterval: random.pick([0, 100, 2000]),
        backoffFactor: random.pick([1, 2]),
        jitter: random.pick([0, 0.5]),
      },
    }),
    ...(random.chance(0.4) && { taskTimeout: random.pick([200, 1000, 5000]) }),
  }
}

/** Returns the definition of the job in the newer of two builds. `old` is the definition in the older build. */
function nextBuild(
  old: SimulatedDefinition,
  random: SeededRandom,
  job: { readonly overlaps: boolean; readonly isData: boolean },
): SimulatedDefinition {
  const { executionTimeout } = old.settings
  const added: SimulatedTask = { name: 'task-new', longestMs: 300, failing: 0, stopsInMs: 0, settings: {} }
  return {
    ...old,
    ...(random.chance(0.5) && { intervalMs: random.pick(intervals), phaseMs: 0 }),
    settings: { ...drawSettings(random, job.overlaps), ...(executionTimeout !== undefined && { executionTimeout }) },
    tasks: random.chance(0.3) ? [...old.tasks, added] : old.tasks,
  }
}
