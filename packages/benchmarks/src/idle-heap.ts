// Prints the heap bytes per job: `idle-heap.js jobistemer|croner COUNT FILE`. The process needs --expose-gc.

const [library = '', countText = '1000', file = ''] = process.argv.slice(2)
const count = Number(countText)

// Returns a job's cron expression. The jobs are spread over the minutes of the day.
const expressionOf = (index: number) => `${index % 60} ${Math.floor(index / 60) % 24} * * *`

/** Registers the jobs. Returns a function that removes them. */
type Register = () => Promise<() => Promise<void>>

// Each function loads the packages of its library before the measurement, and only these packages.
async function loadJobistemer(): Promise<Register> {
  const { createScheduler, defineJob } = await import('@jobistemer/core')
  const { virtualClock } = await import('@jobistemer/core/testing')
  const { sqliteStorage } = await import('@jobistemer/storage-sqlite')
  const { cron } = await import('@jobistemer/ticker-cron')
  return async () => {
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
}

async function loadCroner(): Promise<Register> {
  const { Cron } = await import('croner')
  return async () => {
    const jobs = Array.from({ length: count }, (_, index) => new Cron(expressionOf(index), () => undefined))
    return async () => {
      for (const job of jobs) job.stop()
    }
  }
}

function heapUsed(): number {
  for (let turn = 0; turn < 4; turn++) globalThis.gc?.()
  return process.memoryUsage().heapUsed
}

const register = await (library === 'croner' ? loadCroner() : loadJobistemer())
const before = heapUsed()
const dispose = await register()
await new Promise((resolve) => setImmediate(resolve))
const after = heapUsed()
await dispose()
process.stdout.write(`${Math.round((after - before) / count)}\n`)
