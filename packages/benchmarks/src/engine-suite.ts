import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStorage } from '@jobistemer/storage-memory'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { runBareCalls } from './bare-calls.ts'
import { runBareStatements } from './bare-sqlite.ts'
import { jobCount, runEngine } from './engine-round.ts'
import { type BenchmarkOptions, formatRate, median, type Suite, type Table } from './suite.ts'

/** One-task occurrences through the whole engine, next to what the storage can do without it. */
export const engineSuite: Suite = {
  name: 'engine',
  title: 'One-task occurrences per second through the whole engine',
  async run(options) {
    const folder = await mkdtemp(join(tmpdir(), 'jobistemer-bench-'))
    try {
      return await measure(folder, options)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function measure(folder: string, { smoke }: BenchmarkOptions): Promise<Table> {
  const rounds = smoke ? 1 : 5
  const seconds = smoke ? 2 : 30
  const sqlite = await alternate(rounds, seconds, {
    bare: (round, seconds) => runBareStatements(join(folder, `bare-${round}.db`), seconds),
    async engine(round, seconds) {
      const storage = sqliteStorage({ file: join(folder, `engine-${round}.db`) })
      const result = await runEngine(storage, seconds)
      await storage.close()
      return result
    },
  })
  const memory = await alternate(rounds, seconds, {
    bare: (_, seconds) => runBareCalls(memoryStorage(), seconds),
    engine: (_, seconds) => runEngine(memoryStorage(), seconds),
  })
  const row = (name: string, { engine, bare }: Rates) => [
    name,
    formatRate(median(engine)),
    formatRate(median(bare)),
    median(engine.map((rate, index) => rate / (bare[index] ?? rate))).toFixed(2),
  ]
  return {
    columns: ['storage', 'whole engine', 'bare', 'engine / bare'],
    rows: [row('sqlite (synchronous = FULL)', sqlite), row('memory', memory)],
    notes: [
      `Medians of ${rounds} rounds after a longer one that is not counted, each of ${seconds} × ${jobCount.toLocaleString('en-US')} occurrences; ratios are paired by round.`,
      'bare: for SQLite the statements for the same rows, for memory the storage calls, without an engine.',
    ],
  }
}

interface Rates {
  readonly engine: readonly number[]
  readonly bare: readonly number[]
}

type Runner = (round: number, seconds: number) => Promise<{ readonly perSecond: number }>

/** How much longer the round is that is not counted. */
const warmUpFactor = 10

/**
 * Runs both sides in turn, so that a machine that gets slower in the middle slows down both sides of a ratio. A long
 * round before them is not counted: schedulers run for weeks, compiled and with a heap that has found its size.
 */
async function alternate(
  rounds: number,
  seconds: number,
  run: { readonly bare: Runner; readonly engine: Runner },
): Promise<Rates> {
  await run.bare(0, seconds * warmUpFactor)
  await run.engine(0, seconds * warmUpFactor)
  const rates = { bare: [] as number[], engine: [] as number[] }
  for (let round = 1; round <= rounds; round++) {
    rates.bare.push((await run.bare(round, seconds)).perSecond)
    rates.engine.push((await run.engine(round, seconds)).perSecond)
  }
  return rates
}
