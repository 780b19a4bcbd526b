import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startRedis } from '@jobistemer/test-servers'
import { Redis } from 'ioredis'
import { quantile } from '../in-flight.ts'
import { loadNote } from '../load-note.ts'
import { formatRate, isWanted, type Suite } from '../suite.ts'
import { Fleet } from './fleet.ts'
import { keepTime, rest, type Site, workOff } from './node-rounds.ts'
import { callsOf, printCalls, type Spent } from './spent.ts'

const sizes = [1, 2, 4, 8, 16]
const sqliteSizes = [1, 2, 4]

interface Load {
  /** The rates to measure, in due slots per second. */
  readonly rates: readonly number[]
  /**
   * Number of jobs per node. One measurement runs this number of jobs multiplied by the number of nodes; 0: the benchmark
   * skips this measurement.
   */
  readonly jobsOfEach: number
  readonly seconds: number
  readonly backlog: number
  /** Time until nodes know each other, in ms. Without wake-ups, nodes learn of each other by heartbeats. */
  readonly settleMs: number
  /** Seconds of work before the measurement. */
  readonly warmUpSeconds: number
}

/** Measures the cost of a fleet of nodes, compared with one node. */
export const nodesSuite: Suite = {
  name: 'nodes',
  title: 'Several node processes on one Redis, and on one SQLite file',
  async run({ smoke, nodes, storages, loads }) {
    const rows: string[][] = []
    const notes: string[] = []
    const isSize = (size: number) => nodes === undefined || nodes.includes(size)
    const measure = async (name: string, fleetSizes: readonly number[], site: Site, load: Load) => {
      if (isWanted(storages, name)) await compare(name, fleetSizes, site, load, { rows, notes, loads })
    }
    // Redis does not rewrite its log during the benchmark, because a rewrite costs much CPU time.
    const redis = await startRedis({ config: { appendonly: 'yes', 'auto-aof-rewrite-percentage': '0' } })
    const client = new Redis(redis.url)
    const folder = mkdtempSync(join(tmpdir(), 'jobistemer-nodes-'))
    try {
      const few = { rates: [20, 40], jobsOfEach: 10, seconds: 1, backlog: 500, settleMs: 500, warmUpSeconds: 0 }
      const onRedis = { address: redis.url, serverCpu: () => cpuOf(client) }
      const loadOfRedis = smoke
        ? few
        : {
            rates: [1000, 5000, 10_000],
            jobsOfEach: 125,
            seconds: 6,
            backlog: 40_000,
            settleMs: 2000,
            warmUpSeconds: 10,
          }
      await measure('Redis', smoke ? [1, 2] : sizes.filter(isSize), onRedis, loadOfRedis)
      const onSqlite = { address: join(folder, 'jobs.db'), serverCpu: null }
      const loadOfSqlite = smoke
        ? { ...few, jobsOfEach: 0 }
        : {
            rates: [500, 2000, 5000, 10_000],
            jobsOfEach: 0,
            seconds: 6,
            backlog: 10_000,
            settleMs: 6000,
            warmUpSeconds: 10,
          }
      await measure('SQLite', smoke ? [1, 2] : sqliteSizes.filter(isSize), onSqlite, loadOfSqlite)
    } finally {
      client.disconnect()
      await redis.stop()
      rmSync(folder, { recursive: true, force: true })
    }
    return {
      columns: ['', 'nodes', 'rate', 'calls', '× 1', 'server µs', '× 1', 'node µs', '× 1', 'p50', 'p99'],
      rows,
      notes: [
        'calls: of the storage, polls and reads included. server µs, node µs: CPU of the server and of all nodes. All three are',
        'per occurrence, and × 1 is the ratio to one node: the target for calls and server at 16 nodes is at most 1.3.',
        'slots/s: number of jobs due each second, for any number of nodes: more nodes have fewer per call. A create and a',
        'settle of each node are two calls each second, so the ratio falls with the rate. If the cores cannot keep up, slots are late.',
        'The first ten seconds of slots are not counted: one node of many has then compiled little of its code, and its CPU is',
        'three times as much as later. slots of each: 125 jobs for each node. p50 and p99 are of the lateness.',
        'backlog: 40,000 waiting occurrences (SQLite: 10,000), 100 at a time on each node, after a warm-up of 10,000 (2,500)',
        'for each node.',
        'The sizes run one after the other. A rate is only meaningful while each node has a core.',
        ...notes,
        loadNote(),
      ],
    }
  },
}

/** Measures the figures of one storage for each size of the fleet, and adds a row for each figure to the printed table. */
async function compare(
  name: string,
  fleetSizes: readonly number[],
  site: Site,
  load: Load,
  {
    rows,
    notes,
    loads: wanted,
  }: { readonly rows: string[][]; readonly notes: string[]; readonly loads: readonly string[] | undefined },
): Promise<void> {
  const ofOne = new Map<string, Spent>()
  const most = Math.max(...fleetSizes)
  const add = (size: number, what: string, spent: Spent, ms: number) => {
    const base = ofOne.get(what) ?? spent
    ofOne.set(what, base)
    const late = spent.lateness.length === 0 ? [] : [0.5, 0.99].map((share) => `${quantile(spent.lateness, share)} ms`)
    const row = [`${name}, ${what}`, `${size}`, formatRate((spent.runs * 1000) / ms), ...costs(spent, base), ...late]
    rows.push(row)
    // Prints each row at once, so that the user sees results even after stopping the benchmark early.
    console.error(row.join('  '))
    if (size !== 1 && size !== most) return
    const calls = printCalls(spent, spent.runs / 1000)
    const asked =
      spent.asked === 0 ? '' : ` Slots asked for: ${(spent.asked / spent.runs).toFixed(2)} for each that ran.`
    notes.push(`${name}, ${what}, ${size} nodes, calls for 1,000: ${calls}.${asked}`)
    console.error(notes.at(-1))
  }
  const { seconds, settleMs, warmUpSeconds } = load
  for (const size of fleetSizes) {
    const fleet = await Fleet.start(size)
    try {
      if (isWanted(wanted, 'backlog')) {
        // Each node must compile its own code, so the warm-up is proportional to the number of nodes.
        const backlog = await workOff(fleet, site, { occurrences: load.backlog, warmUp: (load.backlog >> 2) * size })
        add(size, 'backlog', backlog.spent, backlog.ms)
      }
      if (size === most && isWanted(wanted, 'rest')) {
        notes.push(
          `${name}, ${size} nodes at rest: ${printRest(await rest(fleet, { ...site, seconds }), size * seconds)}`,
        )
      }
      const loads = [
        ...load.rates.map((jobs) => ({ what: `${jobs.toLocaleString('en-US')} slots/s`, jobs })),
        { what: 'slots of each', jobs: load.jobsOfEach * size },
      ].filter(({ what, jobs }) => jobs > 0 && isWanted(wanted, what))
      for (const { what, jobs } of loads) {
        const prefix = `${what.replaceAll(/[^a-z0-9]/g, '-')}-${size}`
        add(size, what, await keepTime(fleet, site, { prefix, jobs, seconds, settleMs, warmUpSeconds }), seconds * 1000)
      }
      await fleet.end()
    } finally {
      fleet.kill()
    }
  }
}

/** Formats the costs per occurrence, each with its ratio to the cost of a single node. */
function costs(spent: Spent, ofOne: Spent): string[] {
  const cost = (of: (spent: Spent) => number | null, digits: number) => {
    const [total, base] = [of(spent), of(ofOne)]
    if (total === null || base === null) return ['', '']
    const each = total / spent.runs
    return [each.toFixed(digits), (each / (base / ofOne.runs)).toFixed(2)]
  }
  return [
    ...cost(callsOf, 3),
    ...cost(({ serverCpuMs }) => serverCpuMs && serverCpuMs * 1000, 1),
    ...cost(({ nodeCpuMs }) => nodeCpuMs * 1000, 1),
  ]
}

function printRest(spent: Spent, nodeSeconds: number): string {
  const micros = (ms: number) => `${Math.round((ms * 1000) / nodeSeconds)} µs`
  const server = spent.serverCpuMs === null ? '' : ` and ${micros(spent.serverCpuMs)} of the server`
  return `${micros(spent.nodeCpuMs)} of CPU${server} per node and second; calls: ${printCalls(spent, nodeSeconds)}.`
}

/** Returns the CPU time of the Redis server so far, in milliseconds. */
async function cpuOf(client: Redis): Promise<number> {
  const info = await client.info('cpu')
  const seconds = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(info)?.[1] ?? Number.NaN)
  return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1000
}
