import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Storage } from '@jobistemer/core/storage'
import { memoryStorage } from '@jobistemer/storage-memory'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { runBareCalls } from './bare-calls.ts'
import { runBareStatements } from './bare-sqlite.ts'
import type { Cost } from './cost.ts'
import { jobCount, runEngine } from './engine-round.ts'
import { type BenchmarkOptions, formatRate, median, type Suite, type Table } from './suite.ts'

/** Measures the cost of a one-task occurrence at each level: SQL statements, storage calls, and the whole engine. */
export const engineSuite: Suite = {
  name: 'engine',
  title: 'Microseconds of user CPU time per one-task occurrence',
  async run(options) {
    const folder = await mkdtemp(join(tmpdir(), 'jobistemer-bench-'))
    try {
      return await measure(folder, options)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function measure(folder: string, { smoke, rounds = smoke ? 1 : 5 }: BenchmarkOptions): Promise<Table> {
  const count = smoke ? 20 : jobCount
  const seconds = smoke ? 1 : 30
  const warmUpSeconds = smoke ? 1 : undefined
  const warmUpFactor = smoke ? 1 : longWarmUpFactor
  const onFile = async (name: string, run: (storage: Storage) => Promise<Cost>) => {
    const storage = sqliteStorage({ file: join(folder, `${name}.db`) })
    const cost = await run(storage)
    await storage.close()
    return cost
  }
  const sqlite = await alternate(rounds, seconds, warmUpFactor, {
    statements: (round, seconds) => runBareStatements(join(folder, `statements-${round}.db`), seconds, count),
    calls: (round, seconds) => onFile(`calls-${round}`, (storage) => runBareCalls(storage, seconds, count)),
    engine: (round, seconds) =>
      onFile(`engine-${round}`, (storage) => runEngine(storage, seconds, { count, warmUpSeconds })),
  })
  const memory = await alternate(rounds, seconds, warmUpFactor, {
    calls: (_, seconds) => runBareCalls(memoryStorage(), seconds, count),
    engine: (_, seconds) => runEngine(memoryStorage(), seconds, { count, warmUpSeconds }),
  })
  return {
    columns: ['storage', 'statements', 'calls', 'engine', 'calls / statements', 'engine / calls', 'whole engine'],
    rows: [rowOf('sqlite (synchronous = FULL)', sqlite), rowOf('memory', memory)],
    notes: [
      `Medians of ${rounds} rounds of ${seconds} × ${count.toLocaleString('en-US')} occurrences. A longer warm-up round comes before.`,
      'Ratios: cost of the lower level divided by cost of the upper level, paired by round; in brackets by real time, which',
      'includes waiting for the disk, and depends on the load of the machine. 1.00: the upper level adds nothing.',
      'statements: SQL that writes the same rows, without a storage. calls: the storage’s calls, without an engine.',
      'whole engine: occurrences per second of real time.',
    ],
  }
}

type Level = 'statements' | 'calls' | 'engine'
type Run = (round: number, seconds: number) => Promise<Cost>
type Costs = ReadonlyMap<Level, readonly Cost[]>

function rowOf(name: string, costs: Costs): readonly string[] {
  const of = (level: Level) => costs.get(level) ?? []
  const cell = (level: Level) => (of(level).length === 0 ? '' : median(of(level).map(({ cpuUs }) => cpuUs)).toFixed(1))
  const ratio = (upper: Level, lower: Level) => {
    if (of(lower).length === 0) return ''
    const pairs = of(upper).map((cost, round) => [cost, of(lower)[round] ?? cost] as const)
    const byCpu = median(pairs.map(([above, below]) => below.cpuUs / above.cpuUs))
    const byClock = median(pairs.map(([above, below]) => above.perSecond / below.perSecond))
    return `${byCpu.toFixed(2)} (${byClock.toFixed(2)})`
  }
  const rate = formatRate(median(of('engine').map(({ perSecond }) => perSecond)))
  return [
    name,
    cell('statements'),
    cell('calls'),
    cell('engine'),
    ratio('calls', 'statements'),
    ratio('engine', 'calls'),
    rate,
  ]
}

/** Length of the warm-up round of a full measurement, as a multiple of a measured round. */
const longWarmUpFactor = 10

/**
 * Measures each level of {@link engineSuite} once in every round, so that a machine that becomes slower affects all levels
 * equally. A long warm-up round comes first, because real schedulers run for weeks, with compiled code and a stable heap size.
 */
async function alternate(
  rounds: number,
  seconds: number,
  warmUpFactor: number,
  levels: Readonly<Partial<Record<Level, Run>>>,
): Promise<Costs> {
  const runs = Object.entries(levels) as [Level, Run][]
  const costs = new Map<Level, Cost[]>(runs.map(([level]) => [level, []]))
  for (const [, run] of runs) await run(0, seconds * warmUpFactor)
  for (let round = 1; round <= rounds; round++) {
    for (const [level, run] of runs) costs.get(level)?.push(await run(round, seconds))
  }
  return costs
}
