import { parseArgs } from 'node:util'
import { dashboardSuite } from './dashboard/dashboard-suite.ts'
import { gridSuite } from './dashboard/grid-suite.ts'
import { definitionsSuite } from './definitions-suite.ts'
import { engineSuite } from './engine-suite.ts'
import { heapSuite } from './heap-suite.ts'
import { historySuite } from './history-suite.ts'
import { isolationSuite } from './isolation/isolation-suite.ts'
import { listsSuite } from './lists-suite.ts'
import { queuesSuite } from './queues-suite.ts'
import { loopSuite } from './loop-suite.ts'
import { millionSuite } from './million-suite.ts'
import { failoverSuite } from './nodes/failover-suite.ts'
import { nodesSuite } from './nodes/nodes-suite.ts'
import { takeoverSuite } from './nodes/takeover-suite.ts'
import { postgresBloatSuite } from './postgres/bloat-suite.ts'
import { postgresHistorySuite } from './postgres/history-suite.ts'
import { postgresLatenessSuite } from './postgres/lateness-suite.ts'
import { postgresSuite } from './postgres/throughput-suite.ts'
import { backlogSuite } from './redis/backlog-suite.ts'
import { latenessSuite } from './redis/lateness-suite.ts'
import { requestsSuite } from './redis/requests-suite.ts'
import { redisSuite } from './redis/throughput-suite.ts'
import { printTable, type Suite } from './suite.ts'
import { tickersSuite } from './tickers-suite.ts'

const suites: readonly Suite[] = [
  tickersSuite,
  engineSuite,
  historySuite,
  heapSuite,
  queuesSuite,
  listsSuite,
  dashboardSuite,
  gridSuite,
  loopSuite,
  isolationSuite,
  definitionsSuite,
  millionSuite,
  redisSuite,
  backlogSuite,
  requestsSuite,
  latenessSuite,
  postgresSuite,
  postgresHistorySuite,
  postgresLatenessSuite,
  postgresBloatSuite,
  nodesSuite,
  takeoverSuite,
  failoverSuite,
]
const usage = `Usage: npm run bench -- [--smoke] [--jobs N] [--occurrences N] [--rounds N] [--nodes N,N] [--widths N,N] [--storages NAME,NAME] [--loads NAME,NAME] [${suites.map((suite) => suite.name).join('] [')}]`

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
const unknown = names.find((name) => !suites.some((suite) => suite.name === name))
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
  for (const suite of suites) {
    if (names.length > 0 && !names.includes(suite.name)) continue
    console.log(`\n${suite.title}${smoke ? ' (smoke run: the figures mean nothing)' : ''}\n`)
    console.log(printTable(await suite.run({ smoke, nodes, widths, storages, loads, ...counts })))
  }
}
