import { parseArgs } from 'node:util'
import { printTable, type Suite } from './suite.ts'

/** Loads each benchmark on demand, because together they load a dozen large packages. */
const suites: Readonly<Record<string, () => Promise<Suite>>> = {
  tickers: async () => (await import('./tickers-suite.ts')).tickersSuite,
  engine: async () => (await import('./engine-suite.ts')).engineSuite,
  history: async () => (await import('./history-suite.ts')).historySuite,
  heap: async () => (await import('./heap-suite.ts')).heapSuite,
  queues: async () => (await import('./queues-suite.ts')).queuesSuite,
  lists: async () => (await import('./lists-suite.ts')).listsSuite,
  dashboard: async () => (await import('./dashboard/dashboard-suite.ts')).dashboardSuite,
  grid: async () => (await import('./dashboard/grid-suite.ts')).gridSuite,
  loop: async () => (await import('./loop-suite.ts')).loopSuite,
  isolation: async () => (await import('./isolation/isolation-suite.ts')).isolationSuite,
  definitions: async () => (await import('./definitions-suite.ts')).definitionsSuite,
  million: async () => (await import('./million-suite.ts')).millionSuite,
  redis: async () => (await import('./redis/throughput-suite.ts')).redisSuite,
  backlog: async () => (await import('./redis/backlog-suite.ts')).backlogSuite,
  requests: async () => (await import('./redis/requests-suite.ts')).requestsSuite,
  lateness: async () => (await import('./redis/lateness-suite.ts')).latenessSuite,
  postgres: async () => (await import('./postgres/throughput-suite.ts')).postgresSuite,
  'postgres-history': async () => (await import('./postgres/history-suite.ts')).postgresHistorySuite,
  'postgres-lateness': async () => (await import('./postgres/lateness-suite.ts')).postgresLatenessSuite,
  'postgres-bloat': async () => (await import('./postgres/bloat-suite.ts')).postgresBloatSuite,
  nodes: async () => (await import('./nodes/nodes-suite.ts')).nodesSuite,
  takeover: async () => (await import('./nodes/takeover-suite.ts')).takeoverSuite,
  failover: async () => (await import('./nodes/failover-suite.ts')).failoverSuite,
}
const usage = `Usage: npm run bench -- [--smoke] [--jobs N] [--occurrences N] [--rounds N] [--nodes N,N] [--widths N,N] [--storages NAME,NAME] [--loads NAME,NAME] [${Object.keys(suites).join('] [')}]`

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        help: { type: 'boolean', default: false },
        smoke: { type: 'boolean', default: false },
        jobs: { type: 'string' },
        occurrences: { type: 'string' },
        rounds: { type: 'string' },
        nodes: { type: 'string' },
        widths: { type: 'string' },
        storages: { type: 'string' },
        loads: { type: 'string' },
      },
    })
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`)
    process.exit(2)
  }
}

const { values, positionals: names } = readArguments()
if (values.help) {
  console.log(usage)
  process.exit(0)
}
const { smoke } = values
const nodes = values.nodes?.split(',').map(Number)
const widths = values.widths?.split(',').map(Number)
const isCount = (count: number) => Number.isSafeInteger(count) && count > 0
const [storages, loads] = [values.storages, values.loads].map((list) => list?.toLowerCase().split(','))
const counted = ['jobs', 'occurrences', 'rounds'] as const
const counts: { jobs?: number; occurrences?: number; rounds?: number } = {}
for (const name of counted) if (values[name] !== undefined) counts[name] = Number(values[name])
const wrong = counted.find((name) => {
  const count = counts[name]
  return count !== undefined && !isCount(count)
})
const unknown = names.find((name) => !Object.hasOwn(suites, name))
if (unknown !== undefined) {
  console.error(`There is no benchmark ${JSON.stringify(unknown)}.\n${usage}`)
  process.exitCode = 2
} else if (wrong !== undefined) {
  console.error(`--${wrong} must be a whole number of at least 1, not ${values[wrong]}.\n${usage}`)
  process.exitCode = 2
} else if (widths?.some((width) => !isCount(width))) {
  console.error(`--widths must be a list of batch sizes, such as 1,10,100, not ${values.widths}.\n${usage}`)
  process.exitCode = 2
} else if (nodes?.some((size) => !isCount(size))) {
  console.error(`--nodes must be a list of node counts, such as 1,2,4, not ${values.nodes}.\n${usage}`)
  process.exitCode = 2
} else {
  for (const [name, load] of Object.entries(suites)) {
    if (names.length > 0 && !names.includes(name)) continue
    const suite = await load()
    console.log(`\n${suite.title}${smoke ? ' (smoke run: the figures mean nothing)' : ''}\n`)
    console.log(printTable(await suite.run({ smoke, nodes, widths, storages, loads, ...counts })))
  }
}
