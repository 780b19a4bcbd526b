import { fork } from 'node:child_process'
import { once } from 'node:events'
import { createScheduler, defineJob, type OccurrenceId } from '@jobistemer/core'
import { startPostgres } from '@jobistemer/test-servers'
import { afterEach, expect, it } from 'vitest'
import { collectingLogger } from '../../scenarios/test/support/collecting-logger.ts'
import { postgresStorage } from '../src/index.ts'
import { tuned } from '../../workspace/test-tuning.ts'

const cleanUps: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp()
})

// On a busy machine, a living node may be silent for some seconds. Its peer must not declare it dead.
const intervals = { deadAfter: 8000, ...tuned({ reapInterval: 500 }), pollInterval: 200 }

/** Starts a node that can run the job of the killed node. */
async function livingNode(url: string, nodeId: string) {
  const storage = postgresStorage({ url, wakeUps: false })
  cleanUps.push(() => storage.close())
  const { logger, lines } = collectingLogger()
  const tasks = [{ name: 'work', run: () => nodeId }]
  const job = defineJob({ name: 'endless', overlapPolicy: 'allow', onInterrupted: 'retry', tasks })
  const scheduler = createScheduler({ storage, nodeId, logger, jobs: [job], ...intervals })
  cleanUps.push(() => scheduler.shutdown())
  await scheduler.start()
  return { scheduler, lines }
}

async function killedNode(url: string): Promise<OccurrenceId> {
  const child = fork(new URL('./fixtures/doomed-node.mjs', import.meta.url), [JSON.stringify({ url, ...intervals })])
  cleanUps.push(() => child.kill('SIGKILL'))
  const [id] = await once(child, 'message')
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
  return id as OccurrenceId
}

async function crash(server: Awaited<ReturnType<typeof startPostgres>>): Promise<void> {
  await server.kill()
  await server.restart()
}

it('a node takes over the run of a killed node although the server crashed before any node declared the killed node dead', {
  timeout: 120_000,
}, async () => {
  const server = await startPostgres({})
  cleanUps.push(() => server.stop())
  const nodes = [await livingNode(server.url, 'one'), await livingNode(server.url, 'two')] as const
  const id = await killedNode(server.url)
  await crash(server)
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
  const server = await startPostgres({})
  cleanUps.push(() => server.stop())
  const id = await killedNode(server.url)
  await crash(server)
  const { scheduler } = await livingNode(server.url, 'later')
  expect((await scheduler.waitFor(id, { timeout: 90_000 })).state).toBe('completed')
})
