import { postgresStorage } from '@jobistemer/storage-postgres'
import pg from 'pg'
import { runBareCalls } from '../bare-calls.ts'
import { runEngine } from '../engine-round.ts'
import { loadNote } from '../load-note.ts'
import { formatRate, median, type Suite } from '../suite.ts'
import { runBareStatements } from './bare-statements-round.ts'
import { runGraphileWorker } from './graphile-worker-round.ts'
import { startMeasuredPostgres } from './measured-server.ts'
import { type QueueLoad, runPgBoss } from './pg-boss-round.ts'

/** Number of jobs that are due at each instant, unless `width` is higher. Then `width` jobs are due. */
const dueAtOnce = 500

/**
 * Widths (numbers of concurrent jobs) and job counts to measure. With `smoke`, the benchmark
 * runs only the width 100 unless the caller chooses widths, and skips loads with `isLong`.
 */
const loads: readonly { readonly width: number; readonly count: number; readonly isLong?: true }[] = [
  { width: 1, count: 600 },
  { width: 10, count: 4000 },
  { width: 100, count: 15_000 },
  { width: 1000, count: 30_000 },
  { width: 100, count: 40_000, isLong: true },
  { width: 1000, count: 100_000, isLong: true },
]

interface Load extends QueueLoad {
  /** Number of jobs that are due at each instant. */
  readonly due: number
  /** Warm-up of the engine, in virtual seconds. Default: the engine round's own. */
  readonly warmUpSeconds?: number | undefined
}

type Runner = (load: Load) => Promise<{ readonly perSecond: number }>

/** The candidates in the order of their runs. Each name is the heading of a column. */
const candidates = {
  engine: async ({ url, schema, count, width, due, warmUpSeconds }) => {
    const storage = postgresStorage({ url, schema })
    const round = await runEngine(storage, Math.ceil(count / due), {
      count: due,
      concurrency: width,
      warmUpSeconds,
    })
    await storage.close()
    return round
  },
  calls: async ({ url, schema, count, width }) => {
    const storage = postgresStorage({ url, schema })
    const round = await runBareCalls(storage, Math.ceil(count / width), width)
    await storage.close()
    return round
  },
  bare: runBareStatements,
  'pg-boss': runPgBoss,
  graphile: runGraphileWorker,
} satisfies Readonly<Record<string, Runner>>

type Name = keyof typeof candidates
type Rates = Readonly<Record<Name, readonly number[]>>

/** Measures one-task occurrences on PostgreSQL, compared with jobs of pg-boss and Graphile Worker and with bare statements. */
export const postgresSuite: Suite = {
  name: 'postgres',
  title: 'One-task occurrences per second on PostgreSQL, and jobs per second of pg-boss and Graphile Worker',
  async run({ smoke, widths }) {
    const rounds = smoke ? 1 : 5
    const rows: string[][] = []
    const server = await startMeasuredPostgres()
    try {
      const chosen = loads.filter(({ width, isLong }) => {
        return smoke ? (widths ?? [100]).includes(width) && !isLong : (widths?.includes(width) ?? true)
      })
      for (const { width, count } of chosen) {
        const due = smoke ? dueAtOnce / 50 : Math.max(width, dueAtOnce)
        const warmUpSeconds = smoke ? 1 : undefined
        const load = { url: server.url, width, due, warmUpSeconds, count: smoke ? due : count }
        const rates = await alternate(load, { rounds, countsFirst: smoke })
        const ratio = (one: Name, other: Name) =>
          median(rates[one].map((rate, round) => rate / (rates[other][round] ?? rate))).toFixed(2)
        rows.push([
          `${width.toLocaleString('en-US')} at a time, ${load.count.toLocaleString('en-US')} in all`,
          ...Object.values(rates).map((figures) => formatRate(median(figures))),
          ratio('engine', 'pg-boss'),
          ratio('engine', 'graphile'),
          ratio('calls', 'pg-boss'),
          ratio('calls', 'graphile'),
          ratio('calls', 'bare'),
        ])
      }
    } finally {
      await server.stop()
    }
    return {
      columns: [
        '',
        'whole engine',
        'storage calls',
        'bare',
        'pg-boss',
        'Graphile Worker',
        'engine / pg-boss',
        'engine / Graphile',
        'calls / pg-boss',
        'calls / Graphile',
        'calls / bare',
      ],
      rows,
      notes: [
        `Medians of ${rounds} rounds after a warm-up round; ratios are paired by round. Each round runs all on one durable server.`,
        `whole engine: ${dueAtOnce} jobs (or the width) due at each instant of a clock that moves on when all is done. storage calls:`,
        'the same without an engine, two calls for the width, sent in overlapping parts of 500. Both create, start and end each occurrence.',
        'bare: the least SQL that writes the same rows, two statements for the width. pg-boss: fetch and complete of',
        'the width in a call. Graphile Worker: the width at a time, fetched and completed in batches. Inserting',
        'their jobs is not counted.',
        loadNote(),
      ],
    }
  },
}

async function alternate(
  load: Omit<Load, 'schema'>,
  { rounds, countsFirst }: { readonly rounds: number; readonly countsFirst: boolean },
): Promise<Rates> {
  const rates: Record<Name, number[]> = { engine: [], calls: [], bare: [], 'pg-boss': [], graphile: [] }
  for (let round = countsFirst ? 1 : 0; round <= rounds; round++) {
    for (const [name, run] of Object.entries(candidates) as readonly (readonly [Name, Runner])[]) {
      const schema = `bench_${name.replace('-', '_')}_${load.width}_${load.count}_${round}`
      const { perSecond } = await run({ ...load, schema })
      await dropSchema(load.url, schema)
      // Round 0 is a warm-up and not measured.
      if (round > 0) rates[name].push(perSecond)
    }
  }
  return rates
}

/** Drops a candidate's schema, so that no vacuum of its tables runs during the next measurement. */
async function dropSchema(url: string, schema: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  // Graphile Worker's schema has many functions whose removal causes notices, so only warnings are shown.
  await client.query(`SET client_min_messages = warning; DROP SCHEMA "${schema}" CASCADE; CHECKPOINT`)
  await client.end()
}
