import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStorage } from '@jobistemer/storage-memory'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { runBareCalls } from './bare-memory.ts'
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
  const rates = {
    sqlite: [] as number[],
    bareSqlite: [] as number[],
    memory: [] as number[],
    bareMemory: [] as number[],
  }
  // Alternating, so that a machine that gets slower in the middle slows down both sides of a ratio.
  for (let round = 0; round < rounds; round++) {
    rates.bareSqlite.push((await runBareStatements(join(folder, `bare-${round}.db`), seconds)).perSecond)
    const storage = sqliteStorage({ file: join(folder, `engine-${round}.db`) })
    rates.sqlite.push((await runEngine(storage, seconds)).perSecond)
    await storage.close()
    rates.bareMemory.push((await runBareCalls(memoryStorage(), seconds)).perSecond)
    rates.memory.push((await runEngine(memoryStorage(), seconds)).perSecond)
  }
  const row = (name: string, engine: readonly number[], bare: readonly number[]) => [
    name,
    formatRate(median(engine)),
    formatRate(median(bare)),
    median(engine.map((rate, index) => rate / (bare[index] ?? rate))).toFixed(2),
  ]
  return {
    columns: ['storage', 'whole engine', 'bare', 'engine / bare'],
    rows: [
      row('sqlite (synchronous = FULL)', rates.sqlite, rates.bareSqlite),
      row('memory', rates.memory, rates.bareMemory),
    ],
    notes: [
      `Medians of ${rounds} rounds of ${seconds} × ${jobCount.toLocaleString('en-US')} occurrences; ratios are paired by round.`,
      'bare: for SQLite the statements for the same rows, for memory the storage calls, without an engine.',
    ],
  }
}
