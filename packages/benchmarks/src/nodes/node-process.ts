import { createScheduler, defineJob, type Scheduler } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { type StorageCall, wrapStorage } from '@jobistemer/core/testing'
import { cron } from '@jobistemer/ticker-cron'
import { jobNames, type NodeOrder, type NodeReport, type NodeRequest } from './node-order.ts'
import { openStorage } from './open-storage.ts'

// This process is a node of a fleet. The process runs the jobs of several `NodeOrder` messages in sequence, so that its code is
// already compiled when a measurement begins.

const quiet = () => {}
// Logs only errors. The benchmark stops the nodes with SIGSTOP, so warnings about these interruptions are expected.
const logger = { debug: quiet, info: quiet, warn: quiet, error: console.error }

let present: { readonly scheduler: Scheduler; readonly storage: Storage } | null = null
let runs = 0
let lastRunAt = 0
let lateness: number[] = []
let calls: Record<string, number> = {}
let asked = 0

async function begin(order: NodeOrder): Promise<void> {
  await end()
  runs = 0
  lateness = []
  calls = {}
  asked = 0
  const storage = wrapStorage(await openStorage(order.address, order.prefix), {
    around: (call) => {
      const kind = kindOf(call)
      calls[kind] = (calls[kind] ?? 0) + 1
      if (call.method === 'createOccurrences') asked += call.request.items.length
      return call.proceed()
    },
  })
  const { dueFrom } = order
  // A schedule in the distant future, so that the job runs only when it is triggered.
  const schedule =
    dueFrom === null ? cron('0 0 0 1 1 * 2099') : cron('* * * * * *', { start: new Date(dueFrom).toISOString() })
  const run = async ({ scheduledAt }: { readonly scheduledAt: Date }) => {
    runs++
    lastRunAt = Date.now()
    if (dueFrom !== null) lateness.push(lastRunAt - scheduledAt.getTime())
  }
  const scheduler = createScheduler({
    storage,
    logger,
    maxConcurrentJobs: 100,
    jobs: jobNames(order.jobs).map((name) =>
      defineJob({ name, schedule, overlapPolicy: 'allow', tasks: [{ name: 'work', run }] }),
    ),
  })
  await scheduler.start()
  present = { scheduler, storage }
}

/**
 * Returns the name under which the report counts a storage call: the name of the method. For `listJobs`, the name also
 * states whether the call reads due jobs or changed jobs.
 */
function kindOf(call: StorageCall): string {
  if (call.method !== 'listJobs') return call.method
  const { due, changedSince } = call.request
  return due !== undefined ? 'listJobs due' : changedSince !== undefined ? 'listJobs changed' : 'listJobs'
}

async function end(): Promise<void> {
  await present?.scheduler.shutdown()
  await present?.storage.close()
  present = null
}

function report(): NodeReport {
  const { user, system } = process.cpuUsage()
  return { runs, lastRunAt, lateness, calls, asked, cpuMs: (user + system) / 1000 }
}

async function answer(request: NodeRequest): Promise<void> {
  if (request === 'report') process.send?.(report())
  else if (request === 'hold') process.send?.('held', () => process.kill(process.pid, 'SIGSTOP'))
  else {
    await begin(request)
    process.send?.('begun')
  }
}

process.on('message', (request: NodeRequest) => void answer(request))
process.on('disconnect', () => void end())
process.send?.('ready')
