import { PerformanceObserver } from 'node:perf_hooks'
import { memoryStorage } from '@jobistemer/storage-memory'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { measureEngine } from './engine-round.ts'
import { median } from './suite.ts'

// Prints the bytes that engine and storage allocate for each one-task occurrence. `allocation.ts` starts this process.

/** Number of warm-up rounds. In these rounds V8 optimizes the code, which then allocates less. */
const warmUpRounds = 8
const measuredRounds = 3
/** Virtual seconds of a round: so few that V8 collects no garbage during a round. */
const seconds = 5

const [kind = '', file = ''] = process.argv.slice(2)

const collections = new PerformanceObserver(() => undefined)

async function allocatedBy(occurrences: number, work: () => Promise<void>): Promise<number> {
  globalThis.gc?.()
  collections.observe({ entryTypes: ['gc'] })
  const before = process.memoryUsage().heapUsed
  await work()
  const allocated = process.memoryUsage().heapUsed - before
  const isExact = collections.takeRecords().length === 0
  collections.disconnect()
  if (!isExact) throw new Error('V8 collected garbage during the measurement, so the measured allocation is too small.')
  return allocated / occurrences
}

const storage = kind === 'sqlite' ? sqliteStorage({ file }) : memoryStorage()
const perOccurrence = await measureEngine(storage, seconds, {}, async (occurrences, work) => {
  for (let round = 0; round < warmUpRounds; round++) await work()
  const rounds: number[] = []
  while (rounds.length < measuredRounds) rounds.push(await allocatedBy(occurrences, work))
  return rounds
})
await storage.close()
process.stdout.write(`${Math.round(median(perOccurrence))}\n`)
