import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startPostgres } from '@jobistemer/test-servers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { isThorough } from '../../workspace/test-effort.ts'
import { formatRate, median, printTable } from '../src/suite.ts'

const program = fileURLToPath(new URL('../dist/main.js', import.meta.url))

/** The result of the benchmark command for a name that no benchmark has. Two tests read it. */
const unknown = spawnSync(process.execPath, [program, '--smoke', 'nonsense'], { encoding: 'utf8' })

interface Run {
  readonly suites: readonly string[]
  /** True if only `npm run test:extra` runs these suites, because they start and kill many processes. */
  readonly isExtra?: boolean
  readonly options?: readonly string[]
  /** Beginnings of rows in the printed result tables. Each row must contain a number other than 0. */
  readonly rows: readonly string[]
}

/**
 * Each run is one process of the benchmarks. Suites of one run share the loaded packages. The processes run concurrently, because
 * they mostly wait.
 */
const runs: readonly Run[] = [
  {
    suites: [
      'tickers',
      'engine',
      'history',
      'heap',
      'queues',
      'lists',
      'dashboard',
      'grid',
      'loop',
      'definitions',
      'redis',
      'backlog',
      'requests',
      'lateness',
      'postgres',
      'postgres-history',
      'postgres-lateness',
      'postgres-bloat',
    ],
    options: isThorough ? ['--widths', '1,100'] : [],
    rows: [
      '0 2 * * *',
      'sqlite (synchronous = FULL)',
      'memory',
      '20 finished',
      'jobistemer (SQLite)',
      'Redis, 10 queued',
      'Redis, 30 queued',
      'Redis, ratio',
      'PostgreSQL, ratio',
      'SQLite, 200 occurrences',
      'SQLite, first view',
      'Redis, jobs by outcome',
      '100 tasks x 3 runs, 300 cells, by jumps',
      'Redis, 200 occurrences',
      'PostgreSQL, 200 occurrences',
      'croner',
      'lists of 10,000',
      'one a call, 1,000 under way',
      'many jobs',
      'queue of one job, long',
      'accepted ',
      'accepted and run',
      'from call to handler, p50',
      'concurrency 1 ',
      'concurrency 1000',
      'jobistemer, 100 at a time',
      'BullMQ, 100 at a time',
      ...(isThorough ? ['1 at a time'] : []),
      '100 at a time',
      'none',
      '30 finished',
      '100 occurrences',
      '500 occurrences',
    ],
  },
  {
    suites: ['million', 'nodes'],
    isExtra: true,
    rows: [
      'SQLite, start',
      'SQLite, busy, slots',
      'SQLite, busy, lateness p99',
      'Redis, start',
      'Redis, busy, slots',
      'PostgreSQL, start',
      'PostgreSQL, busy, slots',
      'Redis, 20 slots/s',
      'Redis, slots of each',
      'Redis, backlog',
      'SQLite, 20 slots/s',
      'SQLite, backlog',
    ],
  },
  {
    suites: ['takeover', 'failover', 'isolation'],
    isExtra: true,
    rows: [
      'SQLite, kill -9',
      'Redis, same name',
      'DynamoDB Local, kill -9',
      'DynamoDB Local, shutdown',
      'Redis, first node killed',
      'SQLite, first node killed',
      'jobistemer, a fresh thread',
      'jobistemer, a fresh process, 8 MB in the node',
      'jobistemer, a pool, process',
      'piscina, alone',
      'BullMQ, process, kept',
      '1 endless loops, thread',
      '1 stopped processes, process',
    ],
  },
]

let server: Awaited<ReturnType<typeof startPostgres>>
/** Environment of the benchmarks: all suites share one PostgreSQL server. */
let env: NodeJS.ProcessEnv

beforeAll(async () => {
  server = await startPostgres()
  env = { ...process.env, JOBISTEMER_TEST_POSTGRES_URL: server.url }
})

afterAll(() => server?.stop())

const tried = runs.filter(({ isExtra = false }) => isThorough || !isExtra)

test.concurrent.each(tried)(
  'each benchmark of the suites $suites ends without an error, and prints the rows of its result table',
  { timeout: 600_000 },
  async ({ suites, options = [], rows }) => {
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [program, '--smoke', ...options, ...suites],
      { env },
    )
    // Benchmarks write their progress to stderr, so only warnings and errors are forbidden there.
    expect(stderr).not.toMatch(/error|warning/i)
    for (const row of rows) {
      const line = stdout.split('\n').find((candidate) => candidate.startsWith(row)) ?? ''
      expect(line.replace(row, ''), row).toMatch(/[1-9]/)
    }
    expect(stdout).not.toContain('NaN')
  },
)

test('the tests of this file run every suite of the benchmark command', () => {
  const names = [...(unknown.stderr.split('bench ')[1] ?? '').matchAll(/\[([a-z][a-z-]*)\]/g)].map(([, name]) => name)
  expect(runs.flatMap(({ suites }) => suites).sort()).toEqual(names.sort())
})

test('an unknown benchmark is rejected with the list of all benchmarks', () => {
  const { status, stderr } = unknown
  expect(status).toBe(2)
  expect(stderr).toContain('"nonsense"')
  expect(stderr).toContain('engine')
})

test('a printed table aligns texts to the left and numbers to the right', () => {
  const table = {
    columns: ['what', 'rate'],
    rows: [
      ['a', '1,000/s'],
      ['long name', '5/s'],
    ],
    notes: ['note'],
  }
  expect(printTable(table).split('\n')).toEqual([
    'what          rate',
    '---------  -------',
    'a          1,000/s',
    'long name      5/s',
    '  note',
  ])
})

test('a median is the middle value, or the mean of the two middle values', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(formatRate(1234567.8)).toBe('1,234,568/s')
})
