// The job of this example has ten concurrent tasks. The third task is unstable and has retries. After its last retry
// has failed, the node aborts all other tasks except the last task. The last task always runs, because it cleans up.
import { createScheduler, defineJob, type TaskDefinition } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'

const clock = virtualClock('2026-01-01T00:00:00Z')
let failuresLeft = 2

const extracts = Array.from(
  { length: 9 },
  (_, index): TaskDefinition<{ readonly source: number }, { readonly rows: number }> => ({
    name: `extract-${index + 1}`,
    data: { source: index + 1 },
    ...(index === 2 && { retryPolicy: { maxRetries: 3, retryInterval: { seconds: 5 }, backoffFactor: 2 } }),
    async run(context) {
      if (context.data.source === 3 && failuresLeft-- > 0) throw new Error('source 3 did not answer')
      await clock.sleep({ seconds: context.data.source > 6 ? 50 : 5 }, context.signal)
      return { rows: context.data.source * 100 }
    },
  }),
)

const etl = defineJob({
  name: 'etl',
  schedule: cron('0 3 * * *'),
  taskExecutionMode: 'parallel',
  failureStrategy: 'fail_fast',
  taskTimeout: { minutes: 1 },
  tasks: [
    ...extracts,
    {
      name: 'clean-up',
      failureStrategy: 'continue',
      async run(context) {
        await clock.sleep({ seconds: 40 }, context.signal)
        return 'temporary files removed'
      },
    },
  ],
  onComplete(report) {
    console.log(`${report.outcome} after ${report.durationMs / 1000} s`)
    for (const task of report.tasks) {
      const attempts = task.attempts.map((attempt) => attempt.state).join(', ')
      console.log(`  ${task.name}: ${task.state} (${attempts})`)
    }
  },
})

await using scheduler = createScheduler({ storage: memoryStorage(), jobs: [etl], clock })
await scheduler.start()
await clock.advanceTo('2026-01-01T03:10:00Z')
failuresLeft = 10
await clock.advanceTo('2026-01-02T03:10:00Z')
