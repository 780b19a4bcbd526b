import { serve } from '@hono/node-server'
import { createClient, createScheduler, type OccurrenceId } from '@jobistemer/core'
import { createDashboard } from '@jobistemer/dashboard'
import { honoHandler } from '@jobistemer/dashboard/hono'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { Hono } from 'hono'
import { answerOf } from './answer-of.ts'
import { report } from './jobs.ts'

// Usage: node dist/hono-server.js jobs.db 3000
const [file = 'jobs.db', port = '3000'] = process.argv.slice(2)

const storage = sqliteStorage({ file })
const scheduler = createScheduler({ storage, jobs: [report] })
const client = createClient({ storage })
await scheduler.start()

const app = new Hono()
app.post('/reports', async (context) => {
  const { id } = await scheduler.trigger(report.name, { data: await context.req.json() })
  return context.json({ id }, 202)
})
app.get('/reports/:id', async (context) => {
  const { state, tasks } = await scheduler.occurrence(context.req.param('id') as OccurrenceId)
  return context.json({ state, result: tasks[0]?.result ?? null })
})
app.onError((error, context) => {
  const { status, body } = answerOf(error)
  return context.json(body, status)
})
const token = process.env.ADMIN_TOKEN ?? crypto.randomUUID()
const dashboard = honoHandler(createDashboard({ client, basePath: '/admin/jobs', token }))
app.all('/admin/jobs', dashboard).all('/admin/jobs/*', dashboard)

const server = serve({ fetch: app.fetch, port: Number(port), hostname: '127.0.0.1' }, (address) => {
  console.log(`listening on http://127.0.0.1:${address.port}`)
})

/** Shuts down in order: first the client and the server, then the scheduler, then the storage. */
async function end(): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  // Closing the client ends the event streams of open dashboard pages. Otherwise these streams would keep the server from
  // closing.
  await client.close()
  if ('closeIdleConnections' in server) server.closeIdleConnections()
  // After 5 s, closes the connections that are still open. Otherwise open connections would delay the hand-back of
  // runs.
  const patience = setTimeout(() => 'closeAllConnections' in server && server.closeAllConnections(), 5000)
  await closed
  clearTimeout(patience)
  // The shutdown takes at most 30 s, which most platforms allow. These are 5 s for the server, 20 s for the runs, and 5 s
  // for aborted handlers.
  await scheduler.shutdown({ gracePeriod: { seconds: 20 } })
  await storage.close()
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end())
