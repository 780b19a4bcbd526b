import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { firstInstant, jobCount, runEngine, warmUpSeconds } from './engine-round.ts'
import { type BenchmarkOptions, formatRate, median, type Suite, type Table } from './suite.ts'

/** Whether finished history slows the engine down. */
export const historySuite: Suite = {
  name: 'history',
  title: 'One-task occurrences per second on SQLite, with and without history',
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
  const historySeconds = smoke ? 3 : 1_000_000 / jobCount
  const full = sqliteStorage({ file: join(folder, 'full.db') })
  const rates = { empty: [] as number[], full: [] as number[] }
  let at = firstInstant
  // The jobs are down between rounds, for less than what counts as missed.
  const runOnFull = async (length: number) => {
    const round = await runEngine(full, length, { startAt: at })
    at += (length + warmUpSeconds) * 1000
    return round.perSecond
  }
  await runOnFull(historySeconds)
  for (let round = 0; round < rounds; round++) {
    const empty = sqliteStorage({ file: join(folder, `empty-${round}.db`) })
    rates.empty.push((await runEngine(empty, seconds)).perSecond)
    await empty.close()
    rates.full.push(await runOnFull(seconds))
  }
  await full.close()
  const finished = (historySeconds + warmUpSeconds) * jobCount
  const ratio = median(rates.full.map((rate, index) => rate / (rates.empty[index] ?? rate)))
  return {
    columns: ['history', 'whole engine', 'to the empty one'],
    rows: [
      ['none', formatRate(median(rates.empty)), '1.00'],
      [`${finished.toLocaleString('en-US')} finished`, formatRate(median(rates.full)), ratio.toFixed(2)],
    ],
    notes: [`Medians of ${rounds} alternating rounds of ${seconds} × ${jobCount.toLocaleString('en-US')} occurrences.`],
  }
}
