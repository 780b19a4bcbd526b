// One handler serves all tenants. A web process that runs no jobs adds and removes a job for each tenant.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { main } from '@jobistemer/cli'
import { createClient, createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'

const folder = mkdtempSync(join(tmpdir(), 'jobistemer-tenants-'))
const file = join(folder, 'jobs.db')
const clock = virtualClock('2026-01-01T00:00:00Z')
const bills = new Map<string, number>()

const worker = createScheduler({
  storage: sqliteStorage({ file }),
  clock,
  nodeId: 'worker',
  logger: silentLogger,
  // In this example, hours of virtual time pass in each second of real time. A long interval keeps the number of polls low.
  pollInterval: { seconds: 30 },
  handlers: {
    bill(context) {
      const { tenant } = context.data as { readonly tenant: string }
      if (tenant === 'tenant-13') throw new Error('the tenant has no address')
      bills.set(tenant, (bills.get(tenant) ?? 0) + 1)
    },
  },
})
await worker.start()

// The client of the web process has no handlers and runs no jobs.
const client = createClient({ storage: sqliteStorage({ file }), clock })

const jobFor = (tenant: string, expression: string) =>
  defineJob({
    name: `bill-${tenant}`,
    tags: ['tenant'],
    schedule: cron(expression),
    tasks: [{ name: 'bill', handler: 'bill', data: { tenant } }],
  })

await client.add(Array.from({ length: 240 }, (_, index) => jobFor(`tenant-${index}`, `${index % 60} * * * *`)))
await clock.advance({ hours: 3 })
console.log(`${bills.size} tenants billed, ${[...bills.values()].reduce((sum, count) => sum + count, 0)} bills`)

for await (const { job, tasks } of client.failures()) console.log(`${job}: ${tasks[0]?.error?.message}`)

await client.remove('bill-tenant-7')
const { skipped } = await client.trigger('bill-tenant-8', { reason: 'a new contract' })
if (skipped !== null) console.log(`the bill of tenant-8 was skipped: ${skipped}`)
await clock.advance({ hours: 1 })
console.log(`tenant-7 ${bills.get('tenant-7')} bills, tenant-8 ${bills.get('tenant-8')} bills`)

// Runs a CLI command in this process. The same command in a shell:
// npx jobistemer jobs --tag tenant --outcome failed --utc --storage sqlite:jobs.db
const { stdin, stdout, stderr, env } = process
const io = { stdin, stdout, stderr, env, cwd: folder, clock, onInterrupt: () => () => undefined }
await main(['jobs', '--tag', 'tenant', '--outcome', 'failed', '--utc', '--storage', `sqlite:${file}`], io)

await client.close()
await worker.shutdown()
rmSync(folder, { recursive: true })
