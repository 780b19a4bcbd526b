import type { WorkloadJob } from './workload-job.ts'

// The jobs of the workload with their intervals. Among the jobs, every overlap policy, recovery strategy, failure
// strategy and value of `onInterrupted` occurs. The jobs also use both execution modes, retries, and tasks that exceed
// their timeouts.
//
// Deadlines are short, so that nodes reap the runs of killed nodes within 30 s. A job without overlap waits for such a
// reap, so most tasks are short.

const jobs: readonly (Omit<WorkloadJob, 'cron'> & { readonly everySeconds: number })[] = [
  {
    name: 'skip-two-in-a-row',
    everySeconds: 1,
    settings: {
      onInterrupted: 'fail',
      overlapPolicy: 'skip',
      recoveryStrategy: 'execute_last',
      misfireThreshold: 2000,
      executionTimeout: 3000,
    },
    tasks: [
      { name: 'first', durationMs: [50, 250] },
      { name: 'second', durationMs: [50, 250], moves: true },
    ],
  },
  {
    name: 'queue-with-retries',
    everySeconds: 1,
    settings: {
      overlapPolicy: 'queue',
      maxQueued: 30,
      recoveryStrategy: 'execute_all',
      misfireThreshold: 1500,
      executionTimeout: 2500,
      onInterrupted: 'retry',
      maxRescues: 5,
    },
    tasks: [
      {
        name: 'flaky',
        durationMs: [20, 120],
        failing: 0.3,
        moves: true,
        settings: { retryPolicy: { maxRetries: 3, retryInterval: 60, backoffFactor: 2, jitter: 0.2 } },
      },
      { name: 'after', durationMs: [20, 80] },
    ],
  },
  {
    name: 'newest-of-the-waiting',
    everySeconds: 2,
    settings: {
      overlapPolicy: 'queue_one',
      recoveryStrategy: 'compressed',
      misfireThreshold: 1500,
      executionTimeout: 3000,
      onInterrupted: 'retry',
      taskExecutionMode: 'parallel',
      failureStrategy: 'continue',
    },
    tasks: [
      { name: 'short', durationMs: [50, 200], moves: true },
      { name: 'long', durationMs: [400, 1400] },
      { name: 'failing', durationMs: [50, 400], failing: 0.4 },
    ],
  },
  {
    name: 'newest-takes-over',
    everySeconds: 3,
    settings: {
      onInterrupted: 'fail',
      overlapPolicy: 'cancel_running',
      recoveryStrategy: 'execute_last',
      misfireThreshold: 2000,
      executionTimeout: 5000,
    },
    tasks: [{ name: 'work', durationMs: [1000, 4500] }],
  },
  {
    name: 'side-by-side',
    everySeconds: 1,
    settings: {
      overlapPolicy: 'allow',
      recoveryStrategy: { type: 'bounded_window', maxOccurrences: 3 },
      misfireThreshold: 1500,
      executionTimeout: 3500,
      onInterrupted: 'retry',
      maxRescues: 2,
      taskExecutionMode: 'parallel',
      failureStrategy: 'continue',
    },
    tasks: [
      {
        name: 'flaky',
        durationMs: [200, 900],
        failing: 0.25,
        moves: true,
        settings: { retryPolicy: { maxRetries: 1, retryInterval: 200 } },
      },
      { name: 'deaf', durationMs: [100, 900], deaf: true, settings: { taskTimeout: 500 } },
    ],
  },
  {
    name: 'three-at-once',
    everySeconds: 1,
    settings: {
      overlapPolicy: 'queue',
      maxQueued: 30,
      maxConcurrency: 3,
      startRate: { limit: 3, interval: 2500 },
      recoveryStrategy: { type: 'bounded_window', maxOccurrences: 10 },
      misfireThreshold: 1500,
      executionTimeout: 6000,
      onInterrupted: 'retry',
      maxRescues: 3,
    },
    // With these durations, the concurrency limit often delays occurrences of this job, and so does the start rate.
    tasks: [{ name: 'call', durationMs: [1500, 3500] }],
  },
  {
    name: 'failing-with-clean-up',
    everySeconds: 2,
    settings: {
      onInterrupted: 'fail',
      overlapPolicy: 'skip',
      recoveryStrategy: 'mark_as_missed',
      misfireThreshold: 1500,
      executionTimeout: 3000,
    },
    tasks: [
      { name: 'prepare', durationMs: [20, 100] },
      { name: 'fail', durationMs: [20, 200], failing: 0.8 },
      { name: 'never-after-a-failure', durationMs: [20, 60] },
      { name: 'clean-up', durationMs: [20, 100], settings: { failureStrategy: 'continue' } },
    ],
  },
  {
    name: 'beyond-its-timeouts',
    everySeconds: 3,
    settings: {
      onInterrupted: 'fail',
      overlapPolicy: 'queue',
      recoveryStrategy: 'execute_all',
      misfireThreshold: 2000,
      executionTimeout: 1500,
      failureStrategy: 'retry_on_failure',
    },
    tasks: [
      {
        name: 'slow',
        durationMs: [50, 350],
        settings: { taskTimeout: 300, retryPolicy: { maxRetries: 2, retryInterval: 50 } },
      },
      { name: 'endless', durationMs: [50, 200], endless: 0.25 },
    ],
  },
  {
    name: 'long-and-rescued',
    everySeconds: 4,
    settings: {
      overlapPolicy: 'skip',
      recoveryStrategy: 'execute_last',
      misfireThreshold: 2000,
      executionTimeout: 4000,
      onInterrupted: 'retry',
      maxRescues: 2,
    },
    tasks: [
      { name: 'long', durationMs: [800, 2000] },
      { name: 'end', durationMs: [50, 100], moves: true },
    ],
  },
]

/** The names of the jobs that every node runs. */
export const jobNames: readonly string[] = jobs.map((job) => job.name)

/** Returns the jobs that every node runs. The intervals of the jobs are `slowdown` times longer than on a fast storage. */
export function workload(slowdown: number): readonly WorkloadJob[] {
  return jobs.map(({ everySeconds, ...job }) => ({ ...job, cron: `*/${everySeconds * slowdown} * * * * *` }))
}
