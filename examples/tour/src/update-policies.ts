// At 00:10, a schedule changes from every hour to every half hour. Shows which slots run under each update policy.
import { createScheduler, defineJob, diffSchedules, type UpdatePolicy } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'

const hourly = cron('0 * * * *')
const halfHourly = cron('*/30 * * * *')

const difference = diffSchedules(hourly, halfHourly, '2026-01-01T00:00:00Z', '2026-01-01T04:00:00Z')
console.log(
  `in four hours: ${difference.added.length} slots added, ${difference.removed.length} removed, ${difference.kept.length} kept`,
)

const policies: Readonly<Record<string, UpdatePolicy>> = {
  immediate: 'immediate',
  graceful: 'graceful',
  'graceful until 02:00': { type: 'graceful', until: '2026-01-01T02:00:00Z' },
  'windowed 02:00 to 03:00': { type: 'windowed', from: '2026-01-01T02:00:00Z', to: '2026-01-01T03:00:00Z' },
}

for (const [name, policy] of Object.entries(policies)) {
  const clock = virtualClock('2026-01-01T00:00:00Z')
  const ran: string[] = []
  const run = (context: { readonly scheduledAt: Date }) => {
    ran.push(context.scheduledAt.toISOString().slice(11, 16))
  }
  const job = defineJob({ name: 'poll', schedule: hourly, tasks: [{ name: 'ask', run }] })
  await using scheduler = createScheduler({ storage: memoryStorage(), jobs: [job], clock })
  await scheduler.start()
  await clock.advance({ minutes: 10 })
  const { version } = await scheduler.update('poll', { schedule: halfHourly }, { expectedVersion: 1, policy })
  await clock.advanceTo('2026-01-01T04:00:00Z')
  console.log(`${name} (version ${version}): ${ran.join(' ')}`)
}
