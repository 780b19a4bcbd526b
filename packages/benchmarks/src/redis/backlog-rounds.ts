import { createScheduler, defineJob, type Job, jobId, occurrenceId, silentLogger } from '@jobistemer/core'
import type { CreateRequested, Storage } from '@jobistemer/core/storage'
import { wrapStorage } from '@jobistemer/core/testing'
import { redisStorage } from '@jobistemer/storage-redis'
import { cron } from '@jobistemer/ticker-cron'
import type { RedisServer } from '@jobistemer/test-servers'
import { Meter, type UnitCost, unitCost } from './meter.ts'

const owner = { node: 'filler', incarnation: 'filler-1' }
const hour = 3_600_000

/** The waiting occurrences in the storage when the measured node starts. */
export interface Backlog {
  readonly jobs: number
  /** Number of waiting occurrences of all jobs together. */
  readonly length: number
  /** The overlap policy of the jobs. `allow`: any number of concurrent runs of a job. `queue`: one after another. */
  readonly overlapPolicy: 'allow' | 'queue'
  /** Number of runs to measure. */
  readonly count: number
  readonly concurrency: number
}

export interface BacklogCost extends UnitCost {
  readonly callsPerOccurrence: number
}

/** Fills a storage with waiting occurrences, and measures a node that runs them. */
export async function workOff(server: RedisServer, prefix: string, backlog: Backlog): Promise<BacklogCost> {
  let calls = 0
  const target = redisStorage({ url: server.url, prefix, logger: { warn() {} } })
  const storage = wrapStorage(target, {
    around: (call) => {
      calls++
      return call.proceed()
    },
  })
  const meter = new Meter(server)
  try {
    let ran = 0
    let onDone = () => {}
    const done = new Promise<void>((resolve) => {
      onDone = resolve
    })
    const jobs = jobsOf(backlog, () => {
      if (++ran === backlog.count) onDone()
    })
    await fill(storage, jobs, backlog)
    const { concurrency, count } = backlog
    const node = createScheduler({ storage, jobs, maxConcurrentJobs: concurrency, logger: silentLogger })
    const stop = await meter.start()
    calls = 0
    await node.start()
    await done
    const cost = await stop()
    const callsPerOccurrence = calls / count
    await node.shutdown()
    return { ...unitCost(cost, count), callsPerOccurrence }
  } finally {
    meter.close()
    await target.close()
  }
}

function jobsOf({ jobs, overlapPolicy }: Backlog, onRun: () => void): readonly Job[] {
  const schedule = cron('0 0 1 1 *')
  return Array.from({ length: jobs }, (_, index) =>
    defineJob({
      name: `job-${index}`,
      schedule,
      overlapPolicy,
      maxQueued: 1_000_000,
      tasks: [{ name: 'work', run: async () => onRun() }],
    }),
  )
}

async function fill(storage: Storage, jobs: readonly Job[], { length }: Backlog): Promise<void> {
  const filler = createScheduler({ storage, jobs, logger: silentLogger })
  await filler.start()
  await filler.shutdown()
  const ids = jobs.map(({ name }) => jobId(name))
  const now = Date.now()
  for (let first = 0; first < length; first += 500) {
    const items = Array.from({ length: Math.min(500, length - first) }, (_, index): CreateRequested => {
      const job = ids[(first + index) % ids.length] ?? jobId('')
      // Each occurrence is 1 ms later than the previous one, so that their order is defined.
      const scheduledAt = now - hour + first + index
      return {
        kind: 'trigger',
        id: occurrenceId(job, first + index),
        jobId: job,
        scheduledAt,
        dueAt: scheduledAt,
        jobVersion: 1,
        executionTimeoutMs: hour,
        details: {},
        runs: null,
      }
    })
    await storage.createOccurrences({ now, owner, items })
  }
}
