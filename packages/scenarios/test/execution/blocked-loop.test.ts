import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, createScheduler, defineJob, silentLogger } from '@jobistemer/core'
import { wrapStorage } from '@jobistemer/core/testing'
import { memoryStorage } from '@jobistemer/storage-memory'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { expect, it, type TestContext } from 'vitest'
import { Child } from '../support/child-process.ts'

// These tests use a tenth of the default durations, such as 2.2 s instead of 22 s for a blocked event loop.
const life = { deadAfter: 3000 }
const shortBlockMs = 2200

interface Message {
  readonly did?: string
  readonly told?: string
  readonly jobName?: string
  readonly jobs?: readonly string[]
  readonly node?: string
  readonly [member: string]: unknown
}

/** A node in its own process. `said` holds the messages that the process has sent. */
class Node {
  readonly said: Message[] = []
  readonly #child: Child

  constructor(argument: object, { onTestFinished }: TestContext) {
    this.#child = new Child(new URL('../fixtures/blocking-node.mjs', import.meta.url), argument, onTestFinished)
  }

  /** Resolves when the process has sent a message with the members of one of `wanted`. */
  async until(...wanted: Message[]): Promise<void> {
    const isWanted = (message: Message) =>
      wanted.some((one) => Object.entries(one).every(([name, value]) => message[name] === value))
    while (!this.said.some(isWanted)) this.said.push((await this.#child.next()) as Message)
  }

  /**
   * Resolves when the storage has accepted a heartbeat that the process sends after this call. Returns the longest pause
   * between two heartbeats so far, in ms.
   */
  async longestPause(): Promise<number> {
    const asked = Date.now()
    const beats = () => this.all('did', 'heartbeat')
    while (!beats().some(({ sentAt }) => Number(sentAt) > asked)) this.said.push((await this.#child.next()) as Message)
    return Math.max(...beats().map(({ pauseMs }) => Number(pauseMs)))
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Kills the process. Afterwards `said` holds every message of the process. */
  async end(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#child.ended
    // This call reads all remaining messages of the process. Expected here: the call rejects, because the process has ended
    // without the message `never`.
    await this.until({ did: 'never' }).catch(() => undefined)
  }

  all(member: 'did' | 'told', value: string): readonly Message[] {
    return this.said.filter((message) => message[member] === value)
  }

  /**
   * Returns the events of this name that the node emitted after its handler began to block the event loop, up to the first
   * `node.rejoined`. A busy machine may also stall the process at other times.
   */
  whileBlocked(event: string): readonly Message[] {
    const since = this.said.slice(this.said.findIndex(({ did }) => did === 'blocking'))
    const end = since.findIndex(({ told }) => told === 'node.rejoined')
    return since.slice(0, end < 0 ? since.length : end).filter(({ told }) => told === event)
  }
}

// The tests of this file run concurrently, because they spend most of their time waiting.

/** How long a handler blocks the event loop: a number of milliseconds, or until the test calls `release`. */
type Block = number | 'until released'

/** Starts a peer, and a node whose handler blocks the event loop. */
async function twoNodes(context: TestContext, block: Block, ofPeer: object = {}, ofBlocker: object = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-blocked-'))
  context.onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'jobs.db')
  const peer = new Node({ file, nodeId: 'peer', ...life, ...ofPeer }, context)
  await peer.until({ did: 'start' })
  const mark = join(folder, 'released')
  const blocks = block === 'until released' ? { blocksUntil: mark } : { blockMs: block }
  const blocker = new Node({ file, nodeId: 'blocker', ...blocks, ...life, ...ofBlocker }, context)
  await blocker.until({ did: 'blocking' })
  return { peer, blocker, file, release: () => writeFileSync(mark, '') }
}

/** Returns the state, owner and attempts of each occurrence of the job. */
async function endOf(file: string, job: string) {
  const storage = sqliteStorage({ file })
  const scheduler = createScheduler({ storage, logger: silentLogger })
  try {
    await scheduler.start()
    const occurrences = (await scheduler.occurrences({ job })).items
    return occurrences.map(({ state, node, fencingToken, tasks: [task] }) => ({
      state,
      node,
      fencingToken,
      result: task?.result,
      attempts: task?.attempts.map((attempt) => attempt.state),
    }))
  } finally {
    await scheduler.shutdown({ gracePeriod: 0 })
    await storage.close()
  }
}

it.concurrent('`engine.blocked` names the jobs that run while a handler blocks the event loop for less than deadAfter, and the node keeps its runs', async (context) => {
  for (;;) {
    const { peer, blocker, file } = await twoNodes(context, shortBlockMs)
    await blocker.until({ told: 'occurrence.finished' }, { told: 'occurrence.lost' })
    await blocker.longestPause()
    await peer.end()
    // A busy machine may stall the node for longer than `deadAfter`, and its peer then rightly declares the node dead. So if
    // the longest pause between two heartbeats reached `deadAfter`, the test repeats the round.
    if ((await blocker.longestPause()) >= life.deadAfter) {
      await blocker.end()
      continue
    }
    expect(blocker.whileBlocked('engine.blocked')[0]?.jobs).toEqual(['beside', 'blocking'])
    expect(await endOf(file, 'blocking')).toEqual([
      { state: 'completed', node: 'blocker', fencingToken: 1, result: 'blocker', attempts: ['succeeded'] },
    ])
    expect((await endOf(file, 'beside')).map(({ state, node, fencingToken }) => [state, node, fencingToken])).toEqual([
      ['running', 'blocker', 1],
    ])
    expect([...peer.all('told', 'node.lost'), ...peer.all('did', 'blocking')]).toEqual([])
    return
  }
}, 120_000)

it.concurrent("if a handler blocks its node's event loop for longer than deadAfter, a peer takes over all runs of that node", async (context) => {
  const { peer, blocker, file, release } = await twoNodes(context, 'until released')
  await peer.until({ told: 'node.lost' })
  for (const jobName of ['beside', 'blocking']) await peer.until({ told: 'occurrence.finished', jobName })
  release()
  expect(peer.all('told', 'node.lost').map(({ node }) => node)).toEqual(['blocker'])
  const reaped = peer.all('told', 'occurrence.reaped').map(({ jobName, reason, action }) => [jobName, reason, action])
  expect(reaped.sort()).toEqual([
    ['beside', 'node_lost', 'retry'],
    ['blocking', 'node_lost', 'retry'],
  ])
  expect([...peer.all('did', 'beside'), ...peer.all('did', 'blocking')]).toMatchObject([
    { attempt: 2, fencingToken: 2 },
    { attempt: 2, fencingToken: 2 },
  ])
  // The blocked node continues, learns that it lost its runs, and rejoins.
  for (const jobName of ['beside', 'blocking']) await blocker.until({ told: 'occurrence.lost', jobName })
  await blocker.until({ did: 'stop beside' })
  for (const told of ['engine.blocked', 'node.rejoined']) await blocker.until({ told })
  await blocker.end()
  expect(blocker.whileBlocked('node.isolated')).toHaveLength(1)
  expect(blocker.whileBlocked('engine.blocked')[0]?.jobs).toEqual(['beside', 'blocking'])
  expect(blocker.all('did', 'stop beside')).toMatchObject([{ code: 'OCCURRENCE_LOST' }])
  expect(blocker.all('told', 'occurrence.finished')).toEqual([])
  for (const job of ['beside', 'blocking']) {
    expect(await endOf(file, job)).toEqual([
      { state: 'completed', node: 'peer', fencingToken: 2, result: 'peer', attempts: ['lost', 'succeeded'] },
    ])
  }
}, 60_000)

/** Returns the state, reason, error and attempts of each occurrence of the job. */
async function failureOf(file: string, job: string) {
  const storage = sqliteStorage({ file })
  const client = createClient({ storage })
  try {
    const occurrences = (await client.occurrences({ job })).items
    return occurrences.map(({ state, reason, tasks: [task] }) => ({
      state,
      reason,
      attempts: task?.attempts.map((attempt) => attempt.state),
    }))
  } finally {
    await client.close()
    await storage.close()
  }
}

it.concurrent('a run that blocks the event loop of each owner for longer than deadAfter fails as stale after maxRescues', async (context) => {
  const ofPeer = { blockMs: 3_600_000, blocksAlways: true, isAsking: false }
  const { peer, blocker, file, release } = await twoNodes(context, 'until released', ofPeer)
  await peer.until({ did: 'blocking' })
  release()
  await blocker.until({ told: 'occurrence.reaped', jobName: 'blocking' })
  expect(blocker.all('told', 'occurrence.reaped').filter(({ jobName }) => jobName === 'blocking')).toMatchObject([
    { action: 'fail', reason: 'node_lost' },
  ])
  expect(await failureOf(file, 'blocking')).toMatchObject([
    { state: 'failed_stale', reason: 'node_lost', attempts: ['lost', 'lost'] },
  ])
  // The run of `beside` has the default `maxRescues`, so it does not fail.
  expect((await failureOf(file, 'beside')).map(({ state }) => state)).not.toContain('failed_stale')
  await peer.end()
  await blocker.end()
}, 60_000)

it.concurrent('a node that was stopped by SIGSTOP is declared dead, and rejoins on SIGCONT', async (context) => {
  const { peer, blocker } = await twoNodes(context, 0, {}, { stopsItself: true })
  await blocker.until({ did: 'stop' })
  await peer.until({ told: 'node.lost' })
  blocker.signal('SIGCONT')
  for (const told of ['engine.blocked', 'node.rejoined']) await blocker.until({ told })
  await peer.end()
  await blocker.end()
}, 60_000)

it('`engine.blocked` names a job whose run ended before the node checked its event loop', async () => {
  const storage = wrapStorage(memoryStorage(), {
    async around(call) {
      const answer = await call.proceed()
      // The answer of the operating system arrives in the poll phase of the event loop. So the handler starts in this phase. The
      // node then stores the end of the run before the timer of the check fires.
      if (call.method === 'createOccurrences') await stat('.')
      return answer
    },
  })
  const run = () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, shortBlockMs)
  const job = defineJob({ name: 'blocking', tasks: [{ name: 'work', run }] })
  const scheduler = createScheduler({ storage, jobs: [job], logger: silentLogger })
  const told = new Promise((resolve) => scheduler.on('engine.blocked', ({ jobs }) => resolve(jobs)))
  await scheduler.start()
  await scheduler.trigger('blocking')
  expect(await told).toEqual(['blocking'])
  await scheduler.shutdown()
})
