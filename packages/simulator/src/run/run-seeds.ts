import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { addTotals, emptyTotals, type Totals } from './totals.ts'
import type { WorkDone, WorkOrder } from './worker.ts'

const workerCount = 2
const seedsPerOrder = 20

/** Runs the seeds in two threads and calls `onDone` after each group of seeds. Starts no further group after a violation. */
export async function runSeeds(
  options: WorkOrder,
  onDone: (done: WorkDone, totals: Totals) => void,
): Promise<{ readonly totals: Totals; readonly failures: WorkDone['failures'] }> {
  const { from, seeds } = options
  const totals = emptyTotals()
  const failures: WorkDone['failures'][number][] = []
  let next = from
  await Promise.all(
    Array.from({ length: workerCount }, async () => {
      const worker = new Worker(new URL('./worker.js', import.meta.url))
      try {
        while (next < from + seeds && failures.length === 0) {
          const order: WorkOrder = { ...options, from: next, seeds: Math.min(seedsPerOrder, from + seeds - next) }
          next += order.seeds
          const done = await carriedOut(worker, order)
          addTotals(totals, done.totals)
          failures.push(...done.failures)
          onDone(done, totals)
        }
      } finally {
        await worker.terminate()
      }
    }),
  )
  return { totals, failures: failures.sort((one, other) => one.seed - other.seed) }
}

async function carriedOut(worker: Worker, order: WorkOrder): Promise<WorkDone> {
  const answered = once(worker, 'message')
  worker.postMessage(order)
  const [done] = await answered
  return done
}
