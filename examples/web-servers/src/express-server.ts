import type { AddressInfo } from 'node:net'
import { createClient, createScheduler, type OccurrenceId } from '@jobistemer/core'
import { createDashboard } from '@jobistemer/dashboard'
import { expressMiddleware } from '@jobistemer/dashboard/express'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import express, { type ErrorRequestHandler } from 'express'
import { answerOf } from './answer-of.ts'
import { report } from './jobs.ts'

// Usage: node dist/express-server.js jobs.db 3000
const [file = 'jobs.db', port = '3000'] = process.argv.slice(2)

const storage = sqliteStorage({ file })
const scheduler = createScheduler({ storage, jobs: [report] })
const client = createClient({ storage })
await scheduler.start()

const app = express()
app.use(express.json())
app.post('/reports', async (request, response) => {
  const { id } = await scheduler.trigger(report.name, { data: request.body })
  response.status(202).json({ id })
})
app.get('/reports/:id', async (request, response) => {
  const { state, tasks } = await scheduler.occurrence(request.params.id as OccurrenceId)
  response.json({ state, result: tasks[0]?.result ?? null })
})
app.use('/admin/jobs', expressMiddleware(createDashboard({ client, basePath: '/admin/jobs', token: adminToken() })))
// Without this handler, Express sends the stacks of errors to clients unless NODE_ENV is `production`. Express recognizes a
// handler of errors by its four parameters.
const answerError: ErrorRequestHandler = (error, _request, response, next) => {
  if (response.headersSent) return next(error)
  const { status, body } = answerOf(error)
  response.status(status).json(body)
}
app.use(answerError)

const server = app.listen(Number(port), '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`)
})

/** Shuts down in order: first the client and the server, then the scheduler, then the storage. */
async function end(): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve))
  // Closing the client ends the event streams of open dashboard pages. Otherwise these streams would keep the server from
  // closing.
  await client.close()
  server.closeIdleConnections()
  // After 5 s, closes the connections that are still open. Otherwise open connections would delay the hand-back of
  // runs.
  const patience = setTimeout(() => server.closeAllConnections(), 5000)
  await closed
  clearTimeout(patience)
  // The shutdown takes at most 30 s, which most platforms allow. These are 5 s for the server, 20 s for the runs, and 5 s
  // for aborted handlers.
  await scheduler.shutdown({ gracePeriod: { seconds: 20 } })
  await storage.close()
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end())

/** Returns the token that the dashboard requires: the value of `ADMIN_TOKEN`, or else a random token. */
function adminToken(): string {
  return process.env.ADMIN_TOKEN ?? crypto.randomUUID()
}
