import { definitionsSuite } from './definitions-suite.ts'
import { engineSuite } from './engine-suite.ts'
import { heapSuite } from './heap-suite.ts'
import { historySuite } from './history-suite.ts'
import { queuesSuite } from './queues-suite.ts'
import { loopSuite } from './loop-suite.ts'
import { failoverSuite } from './nodes/failover-suite.ts'
import { nodesSuite } from './nodes/nodes-suite.ts'
import { takeoverSuite } from './nodes/takeover-suite.ts'
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
  loopSuite,
  definitionsSuite,
  redisSuite,
  backlogSuite,
  requestsSuite,
  latenessSuite,
  nodesSuite,
  takeoverSuite,
  failoverSuite,
]
const usage = `bench [--smoke] [${suites.map((suite) => suite.name).join('] [')}]`

const names = process.argv.slice(2).filter((argument) => argument !== '--smoke')
const unknown = names.find((name) => !suites.some((suite) => suite.name === name))
if (unknown !== undefined) {
  console.error(`There is no benchmark ${JSON.stringify(unknown)}.\n${usage}`)
  process.exitCode = 2
} else {
  const smoke = process.argv.includes('--smoke')
  for (const suite of suites) {
    if (names.length > 0 && !names.includes(suite.name)) continue
    console.log(`\n${suite.title}${smoke ? ' (smoke run: the figures mean nothing)' : ''}\n`)
    console.log(printTable(await suite.run({ smoke })))
  }
}
