import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createScheduler, defineJob, type OccurrenceId } from '@jobistemer/core'
import { type PostgresServer, startPostgres } from '@jobistemer/test-servers'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { collectingLogger } from '../../scenarios/test/support/collecting-logger.ts'
import { postgresStorage } from '../src/index.ts'
import { tuned } from '../../workspace/test-tuning.ts'

let server: PostgresServer
const cleanUps: (() => unknown)[] = []

// Only the processes of the server end, and not its machine. So the server needs no flushes to keep acknowledged writes.
beforeAll(async () => {
  server = await startPostgres({ config: { fsync: 'off', full_page_writes: 'off' } })
})

afterAll(() => server?.stop())

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

// On a busy machine, a living node may be silent for some seconds. Its peer must not declare it dead.
const intervals = { deadAfter: 8000, ...tuned({ reapInterval: 500 }), pollInterval: 200 }

/** Starts a node that can run the job of the killed node. */
async function livingNode(schema: string, nodeId: string) {
  const storage = postgresStorage({ url: server.url, schema, wakeUps: false })
  cleanUps.push(() => storage.close())
  const { logger, lines } = collectingLogger()
  const tasks = [{ name: 'work', run: () => nodeId }]
  const job = defineJob({ name: 'endless', overlapPolicy: 'allow', onInterrupted: 'retry', tasks })
  const scheduler = createScheduler({ storage, nodeId, logger, jobs: [job], ...intervals })
  cleanUps.push(() => scheduler.shutdown())
  await scheduler.start()
  return { scheduler, lines }
}

async function killedNode(schema: string): Promise<OccurrenceId> {
  const argument = JSON.stringify({ url: server.url, schema, ...intervals })
  const child = fork(new URL('./fixtures/doomed-node.mjs', import.meta.url), [argument])
  cleanUps.push(() => child.kill('SIGKILL'))
  const [id] = await once(child, 'message')
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
  return id as OccurrenceId
}

async function crash(): Promise<void> {
  await server.kill()
  await server.restart()
}

it('a node takes over the run of a killed node although the server crashed before any node declared the killed node dead', {
  timeout: 120_000,
}, async () => {
  const schema = 'crash_before_a_verdict'
  const nodes = [await livingNode(schema, 'one'), await livingNode(schema, 'two')] as const
  const id = await killedNode(schema)
  await crash()
  const [{ scheduler }] = nodes
  const { state, tasks } = await scheduler.waitFor(id, { timeout: 90_000 })
  expect([state, tasks[0]?.attempts.map((attempt) => attempt.state)]).toEqual(['completed', ['lost', 'succeeded']])
  const lines = nodes.flatMap((node) => node.lines)
  const dead = lines.filter(({ message }) => message.startsWith('node declared dead'))
  expect(new Set(dead.map(({ node }) => node))).toEqual(new Set(['doomed']))
  const released = lines.filter(({ message }) => message === 'took over the runs of a dead node')
  expect(released).toEqual([expect.objectContaining({ node: 'doomed', runs: 1 })])
})

it('a node that starts after a server crash takes over the run of a node that was killed before the crash', {
  timeout: 120_000,
}, async () => {
  const schema = 'crash_before_a_start'
  const id = await killedNode(schema)
  await crash()
  const { scheduler } = await livingNode(schema, 'later')
  expect((await scheduler.waitFor(id, { timeout: 90_000 })).state).toBe('completed')
})
