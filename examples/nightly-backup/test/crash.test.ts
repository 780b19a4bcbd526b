import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { createScheduler, type Occurrence } from '@jobistemer/core'
import { startDynamoDB, startPostgres, startRedis } from '@jobistemer/test-servers'
import Database from 'better-sqlite3'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { jobName } from '../src/backup-job.ts'
import { lastBackup } from '../src/final-report.ts'
import type { LedgerLocation } from '../src/ledgers/ledger.ts'
import { type LedgerKind, ledgerKinds, loadLedger } from '../src/ledgers/ledger-kinds.ts'
import { nodesOf } from '../src/nodes.ts'
import { readContents } from '../src/table-contents.ts'
import { readWitness } from '../src/witness.ts'
import { isThorough } from '../../../packages/workspace/test-effort.ts'
import { type DemoProcess, isAlive, startDemo } from './demo-process.ts'
import { createDatabase } from './world.ts'

/**
 * Time limit of a run of the demo, in ms. The limit includes the start of DynamoDB Local, a Java program that starts slowly
 * on a busy machine.
 */
const longestRunMs = 180_000

const interrupted = [
  ['backup', 'succeeded'],
  ['compress', 'lost', 'succeeded'],
  ['verify', 'succeeded'],
  ['rotate', 'succeeded'],
]

/**
 * One function for each kind of ledger, which makes the ledger of an ended demo readable again. If this kind needs a
 * server, the function starts a server on the data in `folder`. Returns the ledger's location.
 */
const revivals: Readonly<Record<LedgerKind, (folder: string) => Promise<LedgerLocation>>> = {
  sqlite: async (folder) => ({ address: folder, name: 'ledger.db' }),
  redis: async (folder) => {
    const server = await startRedis({ directory: join(folder, 'redis'), config: { appendonly: 'yes' } })
    onTestFinished(() => server.stop())
    return { address: server.url, name: 'jobistemer-demo' }
  },
  dynamodb: async (folder) => {
    const server = await startDynamoDB({ directory: join(folder, 'dynamodb') })
    onTestFinished(() => server.stop())
    return { address: server.endpoint, name: 'jobistemer-demo' }
  },
  postgres: async (folder) => {
    const server = await startPostgres({ directory: join(folder, 'postgres') })
    onTestFinished(() => server.stop())
    return { address: server.url, name: 'jobistemer_demo' }
  },
  pglite: async (folder) => {
    const { location, stop } = await (await loadLedger('pglite')).prepare({ folder, server: null })
    onTestFinished(stop)
    return location
  },
}

/**
 * The kinds of ledgers that the demo with two nodes uses. `npm test` uses only the server that starts fastest. The demo with
 * one node uses a file.
 */
const kinds = (Object.keys(ledgerKinds) as readonly LedgerKind[]).filter((kind) => isThorough || kind === 'redis')

/** A running demo, its folder, and the database that it backs up. */
interface RunningDemo {
  readonly folder: string
  readonly database: string
  readonly demo: DemoProcess
}

const demos = new Map<string, RunningDemo>()
const top = mkdtempSync(join(tmpdir(), 'nightly-backup-test-'))
// PostgreSQL does not run as root, so another user runs PostgreSQL and needs access to the folder.
chmodSync(top, 0o711)

/** Starts a demo that backs up a database of 1,500 rows, or a database built from this repository. */
function start(name: string, size: 'repository' | 'small', ...options: readonly string[]): void {
  const folder = join(top, name)
  const small = join(top, `${name}.db`)
  if (size === 'small') createDatabase(small, 1500)
  const given = size === 'small' ? ['--db', small] : []
  // The nodes must start before the fifth of eight slots. With 4 s between slots, they have at least 17 s.
  const demo = startDemo('--seconds', '4', '--out', folder, ...given, ...options)
  demos.set(name, { folder, database: size === 'small' ? small : join(folder, 'source.db'), demo })
}

// The demos run at the same time, because each demo mostly waits: for its slots, and for the takeover of a killed run.
beforeAll(() => {
  for (const kind of kinds) start(kind, kind === 'sqlite' && isThorough ? 'repository' : 'small', '--storage', kind)
  start('one node', 'small', '--nodes', '1')
})

afterAll(async () => {
  await Promise.all([...demos.values()].map(({ demo }) => demo.stop()))
  rmSync(top, { recursive: true, force: true })
})

/**
 * Returns a list for each task of an occurrence, in order. The list has the name of the task, and then the states of the task's
 * attempts.
 */
function attemptsOf(occurrence: Occurrence | undefined): readonly (readonly string[])[] | undefined {
  return occurrence?.tasks.map(({ name, attempts }) => [name, ...attempts.map(({ state }) => state)])
}

/** Returns whether the demo printed the CLI's explanation of the run whose attempt was lost. */
function explainsLoss(demo: DemoProcess): boolean {
  return /\$ npx jobistemer explain nightly-backup [\s\S]*attempt 1 .* lost after/.test(demo.output())
}

it.each(kinds)(
  'the demo with the ledger on %s kills a node during a task, and the other node continues the run',
  async (kind) => {
    const { folder, database, demo } = demos.get(kind) as RunningDemo
    const exitCode = await demo.ended
    expect(exitCode, demo.output()).toBe(0)
    expect(demo.output()).not.toContain('\x1b')
    expect(demo.output()).toContain('All checks hold.')
    const [, killed] = /Killing node ([AB]),/.exec(demo.output()) ?? []
    const successor = killed === 'A' ? 'B' : 'A'
    expect(demo.output()).toContain(`killed on node ${killed} is recorded as lost, and node ${successor} carried on`)
    expect(explainsLoss(demo)).toBe(kind === 'sqlite')
    const [, server] = new RegExp(`${kind}, process (\\d+)`).exec(demo.output()) ?? []
    expect(server !== undefined).toBe(ledgerKinds[kind].server !== null)
    if (server !== undefined) expect(isAlive(Number(server))).toBe(false)

    const storage = (await loadLedger(kind)).open(await revivals[kind](folder))
    onTestFinished(() => storage.close())
    const occurrences = (await createScheduler({ storage }).occurrences({ job: jobName })).items
    // If the nodes start late, the demo has fewer slots. So the test takes the expected number from the demo's output.
    const [, slots] = /All (\d+) slots are settled/.exec(demo.output()) ?? []
    expect(occurrences).toHaveLength(Number(slots))
    expect(occurrences.length).toBeGreaterThan(3)
    expect(new Set(occurrences.map(({ state }) => state))).toEqual(new Set(['completed']))
    const rescued = occurrences.filter(({ fencingToken }) => fencingToken > 1)
    expect(rescued.map(({ node, fencingToken }) => [node, fencingToken])).toEqual([[successor, 2]])
    expect(attemptsOf(rescued[0])).toEqual(interrupted)

    const witness = readWitness(join(folder, 'witness.jsonl'))
    const nodeOf = nodesOf(witness)
    const id = rescued[0]?.id as Occurrence['id']
    const nodes = [
      nodeOf(id, 'backup', 1),
      nodeOf(id, 'compress', 1),
      nodeOf(id, 'compress', 2),
      nodeOf(id, 'rotate', 1),
    ]
    expect(nodes).toEqual([killed, killed, successor, successor])
    for (const { process } of witness) expect(isAlive(process)).toBe(false)

    const backup = lastBackup(occurrences)
    const restored = join(folder, 'restored.db')
    writeFileSync(restored, gunzipSync(readFileSync(backup?.file ?? '')))
    const contents = async (file: string) => readContents(new Database(file, { readonly: true }))
    expect(await contents(restored)).toEqual(await contents(database))
    expect(backup?.contents).toEqual(await contents(restored))
  },
  longestRunMs,
)

it('if the only node of the demo is killed and restarted, the node continues its run and recovers missed slots', {
  timeout: longestRunMs,
}, async () => {
  const { folder, demo } = demos.get('one node') as RunningDemo
  expect(await demo.ended, demo.output()).toBe(0)
  expect(demo.output()).toContain('All checks hold.')
  expect(demo.output()).toContain('compress  attempt 1 lost')
  expect(explainsLoss(demo)).toBe(true)

  const storage = (await loadLedger('sqlite')).open({ address: folder, name: 'ledger.db' })
  onTestFinished(() => storage.close())
  const occurrences = (await createScheduler({ storage }).occurrences({ job: jobName })).items
  expect(attemptsOf(occurrences.find(({ fencingToken }) => fencingToken === 2))).toEqual(interrupted)
  expect(occurrences.some(({ recovered }) => recovered)).toBe(true)
  const processes = new Set(readWitness(join(folder, 'witness.jsonl')).map((line) => line.process))
  expect(processes.size).toBe(2)
})
