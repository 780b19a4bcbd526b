import type { Storage } from '@jobistemer/core/storage'
import { firstInstant, jobCount, runEngine, defaultWarmUpSeconds } from './engine-round.ts'
import { type BenchmarkOptions, formatRate, median, type Table } from './suite.ts'

/**
 * Measures whether a long history of ended occurrences slows the engine down. Compares the rate of runs on a storage with
 * this history with the rate on empty storages.
 *
 * @param open creates a storage with the given name
 * @param rest maintains the storage after the history is written, for example by a checkpoint
 */
export async function measureHistory(
  open: (name: string) => Storage,
  { smoke }: BenchmarkOptions,
  rest?: () => Promise<void>,
): Promise<Table> {
  const rounds = smoke ? 1 : 5
  const seconds = smoke ? 1 : 30
  const historySeconds = smoke ? 1 : 1_000_000 / jobCount
  const count = smoke ? 10 : jobCount
  const warmUpSeconds = smoke ? 1 : defaultWarmUpSeconds
  const full = open('full')
  const rates = { empty: [] as number[], full: [] as number[] }
  let at = firstInstant
  // Each round on the storage `full` begins at the virtual time of the end of the previous round. So no slot is missed.
  const runOnFull = async (length: number) => {
    const round = await runEngine(full, length, { startAt: at, count, warmUpSeconds })
    at += (length + warmUpSeconds) * 1000
    return round.perSecond
  }
  await runOnFull(historySeconds)
  if (rest !== undefined) {
    await rest()
    await runOnFull(seconds)
  }
  for (let round = 0; round < rounds; round++) {
    const empty = open(`empty_${round}`)
    rates.empty.push((await runEngine(empty, seconds, { count, warmUpSeconds })).perSecond)
    await empty.close()
    rates.full.push(await runOnFull(seconds))
  }
  await full.close()
  const finished = (historySeconds + warmUpSeconds + (rest === undefined ? 0 : seconds)) * count
  const ratio = median(rates.full.map((rate, index) => rate / (rates.empty[index] ?? rate)))
  return {
    columns: ['history', 'whole engine', 'to the empty one'],
    rows: [
      ['none', formatRate(median(rates.empty)), '1.00'],
      [`${finished.toLocaleString('en-US')} finished`, formatRate(median(rates.full)), ratio.toFixed(2)],
    ],
    notes: [
      `Medians of ${rounds} rounds, each of ${seconds} × ${count.toLocaleString('en-US')} occurrences with each history.`,
    ],
  }
}
