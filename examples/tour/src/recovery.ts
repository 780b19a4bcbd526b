// This example has one job for each recovery strategy. From 01:30 to 06:15 no node is up, and slots are missed.
import { createScheduler, defineJob, type RecoveryStrategyInput } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'

const strategies: Readonly<Record<string, RecoveryStrategyInput>> = {
  execute_all: 'execute_all',
  execute_last: 'execute_last',
  mark_as_missed: 'mark_as_missed',
  compressed: 'compressed',
  bounded_window: { type: 'bounded_window', maxOccurrences: 3, maxAge: { hours: 2 } },
}

const clock = virtualClock('2026-01-01T00:00:00Z')
const storage = memoryStorage()
const jobs = Object.entries(strategies).map(([name, recoveryStrategy]) =>
  defineJob({
    name,
    schedule: cron('0 * * * *'),
    recoveryStrategy,
    tasks: [
      {
        name: 'report',
        run({ scheduledAt, recovered, span }) {
          if (!recovered) return
          const covered = span === null ? '' : `, covers ${span.count} slots`
          console.log(`${name}: runs ${scheduledAt.toISOString().slice(11, 16)} late${covered}`)
        },
      },
    ],
  }),
)

const before = createScheduler({ storage, jobs, clock })
await before.start()
await clock.advanceTo('2026-01-01T01:30:00Z')
await before.shutdown()

await clock.advanceTo('2026-01-01T06:15:00Z')

await using after = createScheduler({ storage, jobs, clock })
await after.start()
await clock.advance({ minutes: 1 })
for (const name of Object.keys(strategies)) {
  const missed = (await after.occurrences({ job: name, states: ['missed'] })).items
  for (const { span } of missed) console.log(`${name}: ${span?.count} slots recorded as missed`)
}
