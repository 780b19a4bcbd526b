import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createScheduler, type Occurrence, type ShutdownOptions } from '@jobistemer/core'
import { virtualClock } from '@jobistemer/core/testing'
import { sqliteStorage } from '@jobistemer/storage-sqlite'
import { describe, expect, it, onTestFinished } from 'vitest'
import { isThorough } from '../../../workspace/test-effort.ts'
import { Child } from '../support/child-process.ts'
import { onlyOccurrence, startMs } from '../support/world.ts'

interface NodeArgument {
  readonly onAbort: 'stop' | 'finish' | 'ignore'
  readonly file?: string
  readonly handleSignals?: boolean | readonly string[]
  readonly shutdown?: ShutdownOptions
  /** Milliseconds. */
  readonly gracePeriod?: number
  /** Whether the process also has an open server. This server keeps the process alive after the shutdown of the node. */
  readonly holds?: boolean
  /**
   * Whether the program has its own SIGTERM listener. This listener ends the process with exit code 7, 1.5 s after the
   * shutdown.
   */
  readonly hasOwnHandler?: boolean
}

/** Starts a process with a node, and waits until the node runs a task. */
async function runningNode(argument: NodeArgument): Promise<Child> {
  const child = new Child(new URL('../fixtures/node-process.mjs', import.meta.url), argument)
  expect(await child.next()).toBe('running')
  return child
}

function temporaryFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'jobistemer-signals-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return join(folder, 'jobs.db')
}

/** Returns the occurrence that a process left in its database file. */
async function leftIn(file: string): Promise<Occurrence> {
  const storage = sqliteStorage({ file })
  try {
    return await onlyOccurrence(createScheduler({ storage, clock: virtualClock(startMs) }), 'work')
  } finally {
    await storage.close()
  }
}

const byItself = { code: 0, signal: null }

describe('a node that handles signals', () => {
  // Other tests of this file send SIGTERM.
  it.each([...(isThorough ? [['SIGTERM', true] as const] : []), ['SIGINT', true], ['SIGHUP', ['SIGHUP']]] as const)(
    'aborts and releases its run on %s, and its process then ends by itself',
    async (signal, handleSignals) => {
      const file = temporaryFile()
      const child = await runningNode({ file, handleSignals, onAbort: 'stop', gracePeriod: 0 })
      child.kill(signal)
      expect(await child.next()).toEqual({ toldToStop: 'shutdown' })
      expect(await child.ended).toEqual(byItself)
      expect(await leftIn(file)).toMatchObject({
        state: 'pending',
        reason: 'shutdown',
        tasks: [{ attempts: [{ state: 'aborted', reason: 'shutdown' }] }],
      })
    },
  )

  it('ends its process by the signal if an open server would keep the process alive', async () => {
    const file = temporaryFile()
    const child = await runningNode({ file, handleSignals: true, onAbort: 'stop', gracePeriod: 0, holds: true })
    child.kill('SIGTERM')
    expect(await child.next()).toEqual({ toldToStop: 'shutdown' })
    expect(await child.ended).toEqual({ code: null, signal: 'SIGTERM' })
    expect(await leftIn(file)).toMatchObject({ state: 'pending', reason: 'shutdown' })
  })

  it('lets the program end the process if the program also listens to the signal', async () => {
    const own = { hasOwnHandler: true, holds: true } as const
    const child = await runningNode({ handleSignals: true, onAbort: 'stop', gracePeriod: 0, ...own })
    child.kill('SIGTERM')
    expect(await child.next()).toEqual({ toldToStop: 'shutdown' })
    expect(await child.ended).toEqual({ code: 7, signal: null })
  })

  it('ends its process with code 1 if its database file was removed, but first waits until its task has stopped', async () => {
    const file = temporaryFile()
    const child = await runningNode({ file, handleSignals: true, onAbort: 'stop' })
    for (const part of ['', '-wal', '-shm']) rmSync(file + part, { force: true })
    expect(await child.next()).toEqual({ toldToStop: 'shutdown' })
    expect(await child.ended).toEqual({ code: 1, signal: null })
  })

  it('stores the result of a task that ends within the abort grace period', async () => {
    const file = temporaryFile()
    const child = await runningNode({ file, handleSignals: true, onAbort: 'finish', gracePeriod: 0 })
    child.kill('SIGTERM')
    expect(await child.next()).toEqual({ toldToStop: 'shutdown' })
    expect(await child.ended).toEqual(byItself)
    expect(await leftIn(file)).toMatchObject({ state: 'completed', tasks: [{ result: 'finished' }] })
  })

  it.each(isThorough ? (['SIGTERM', 'SIGINT'] as const) : (['SIGINT'] as const))(
    'ends at a second signal (%s) without waiting for its handler, and does not release its run',
    async (second) => {
      const file = temporaryFile()
      const child = await runningNode({ file, handleSignals: true, onAbort: 'ignore', gracePeriod: 0 })
      child.kill('SIGTERM')
      expect(await child.next()).toEqual({ toldToStop: 'shutdown' })
      child.kill(second)
      expect(await child.ended).toEqual({ code: null, signal: second })
      expect(await leftIn(file)).toMatchObject({ state: 'running', node: 'child', fencingToken: 1 })
    },
  )
})

it('a node that does not handle signals is ended by SIGTERM without releasing its run', async () => {
  const file = temporaryFile()
  const child = await runningNode({ file, onAbort: 'stop' })
  child.kill('SIGTERM')
  expect(await child.ended).toEqual({ code: null, signal: 'SIGTERM' })
  expect(await leftIn(file)).toMatchObject({ state: 'running', node: 'child' })
})

describe('a process whose scheduler was shut down', () => {
  // A scheduler that handles signals must also remove its listeners. Other tests of this file shut down a scheduler on the
  // memory storage.
  it.each([
    ...(isThorough
      ? ([
          ['memory', false],
          ['SQLite', false],
          ['memory', true],
        ] as const)
      : []),
    ['SQLite', true],
  ] as const)('ends by itself on the %s storage (handleSignals: %s)', async (place, handleSignals) => {
    const file = place === 'SQLite' ? { file: temporaryFile() } : {}
    const child = await runningNode({ ...file, handleSignals, onAbort: 'stop', shutdown: { gracePeriod: 0 } })
    expect(await child.next()).toEqual({ toldToStop: 'shutdown' })
    expect(await child.next()).toEqual({ listenersLeft: 0 })
    expect(await child.ended).toEqual(byItself)
  })

  it('ends by itself although a handler never stopped', async () => {
    const child = await runningNode({ onAbort: 'ignore', shutdown: { gracePeriod: 0, abortGracePeriod: 0 } })
    expect(await child.next()).toEqual({ toldToStop: 'shutdown' })
    expect(await child.next()).toEqual({ listenersLeft: 0 })
    expect(await child.ended).toEqual(byItself)
  })
})

describe('a client that is not closed', () => {
  it.each([
    ['SQLite', { file: true, hasClock: false }],
    ...(isThorough ? [['memory', { file: false, hasClock: false }] as const] : []),
    ['a storage with a clock', { file: false, hasClock: true }],
  ] as const)('on the storage %s does not keep its process alive', async (_, { file, hasClock }) => {
    const child = new Child(new URL('../fixtures/client-process.mjs', import.meta.url), {
      ...(file && { file: temporaryFile() }),
      hasClock,
    })
    expect(await child.next()).toEqual({ found: 0, timers: [] })
    expect(await child.ended).toEqual(byItself)
  })
})

it('a client whose request timed out can be closed: its process ends by itself', async () => {
  const child = new Child(new URL('../fixtures/client-process.mjs', import.meta.url), { isAway: true })
  expect(await child.next()).toEqual({ code: 'STORAGE_TIMEOUT' })
  expect(await child.ended).toEqual(byItself)
})

it('a node whose working directory was deleted starts and runs a job', async () => {
  const child = new Child(new URL('../fixtures/node-in-deleted-folder.mjs', import.meta.url), {})
  expect(await child.next()).toEqual({ state: 'completed' })
  expect(await child.ended).toEqual(byItself)
})
