import { createScheduler, defineJob } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { cron } from '@jobistemer/ticker-cron'
import { Cron } from 'croner'

// Prints the heap bytes per job: `idle-heap.js jobistemer|croner COUNT FILE`. The process needs --expose-gc.

const [library = '', countText = '1000', file = ''] = process.argv.slice(2)
const count = Number(countText)

// Returns a job's cron expression. The jobs are spread over the minutes of the day.
const expressionOf = (index: number) => `${index % 60} ${Math.floor(index / 60) % 24} * * *`

async function registerJobistemer(): Promise<() => Promise<void>> {
  const storage = sqliteStorage({ file, synchronous: 'normal' })
  const jobs = () =>
    Array.from({ length: count }, (_, index) =>
      defineJob({
        name: `tenant-${index}`,
        schedule: cron(expressionOf(index)),
        tasks: [{ name: 'work', run: () => undefined }],
      }),
    )
  const scheduler = createScheduler({ storage, jobs: jobs(), clock: virtualClock('2026-01-01T00:00:00Z') })
  await scheduler.start()
  return async () => {
    await scheduler.shutdown()
    await storage.close()
  }
}

async function registerCroner(): Promise<() => Promise<void>> {
  const jobs = Array.from({ length: count }, (_, index) => new Cron(expressionOf(index), () => undefined))
  return async () => {
    for (const job of jobs) job.stop()
  }
}

function heapUsed(): number {
  for (let turn = 0; turn < 4; turn++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

const before = heapUsed()
const dispose = await (library === 'croner' ? registerCroner() : registerJobistemer())
await new Promise((resolve) => setImmediate(resolve))
const after = heapUsed()
await dispose()
process.stdout.write(`${Math.round((after - before) / count)}\n`)
