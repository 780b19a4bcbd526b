// One handler, a schedule for each tenant, created and deleted at run time from any node. The jobs are data alone.
import { createScheduler, defineJob } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { memoryDatabase, memoryStorage } from '@jobistemer/storage-memory'
import { cron } from '@jobistemer/ticker-cron'

const clock = virtualClock('2026-01-01T00:00:00Z')
const database = memoryDatabase()
const bills = new Map<string, number>()

const worker = createScheduler({
  storage: memoryStorage({ database }),
  clock,
  nodeId: 'worker',
  handlers: {
    bill(context) {
      const { tenant } = context.data as { readonly tenant: string }
      bills.set(tenant, (bills.get(tenant) ?? 0) + 1)
    },
  },
})
// The API node has no handlers: it only creates and deletes jobs.
const api = createScheduler({ storage: memoryStorage({ database }), clock, nodeId: 'api' })
await worker.start()
await api.start()

const jobFor = (tenant: string, expression: string) =>
  defineJob({
    name: `bill-${tenant}`,
    schedule: cron(expression),
    tasks: [{ name: 'bill', handler: 'bill', data: { tenant } }],
  })

await api.add(Array.from({ length: 1000 }, (_, index) => jobFor(`tenant-${index}`, `${index % 60} * * * *`)))
await clock.advance({ hours: 3 })
console.log(`${bills.size} tenants billed, ${[...bills.values()].reduce((sum, count) => sum + count, 0)} bills`)

await api.remove('bill-tenant-7')
await clock.advance({ hours: 1 })
console.log(`tenant-7 ${bills.get('tenant-7')} bills, tenant-8 ${bills.get('tenant-8')} bills`)

await api.shutdown()
await worker.shutdown()
