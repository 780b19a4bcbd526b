import assert from 'node:assert/strict'
import type { JobId } from '@jobistemer/core'
import type { Storage } from '@jobistemer/core/storage'
import { memoryStorage } from '@jobistemer/storage-memory'
import fc from 'fast-check'
import { type Effort, rounds } from '../effort.ts'
import { assertLedger } from '../ledger/check-ledger.ts'
import { readHistory, readJobs, readPages } from '../ledger/read-ledger.ts'
import { second, start } from '../stage/instants.ts'
import { caseGroup, type StorageCase } from '../storage-case.ts'
import type { CaseWorld } from '../storage-world.ts'
import { compareAnswers, compareCounts, compareLedgers } from './compare-answers.ts'
import { histories, type Move } from './moves.ts'
import { type ModelCall, type ModelState, resolveMove } from './resolve-move.ts'

/** Number of calls between two comparisons of all stored records. Answers are compared after every call. */
const callsBetweenReadBacks = 8

/** Number of calls between two comparisons of the live counts. */
const callsBetweenCounts = 2

/** Maximum time in ms for searching a shorter counterexample. */
const shrinkingLimitMs = 60_000

/**
 * Returns one case for each seed. A case makes random calls to the storage and to the memory storage, and compares the answers.
 */
export function modelCases(effort: Effort): readonly StorageCase[] {
  const bodies = effort.seeds.map((seed) => [
    `random calls are answered as by the memory storage (seed ${seed})`,
    async (world: CaseWorld) => await checkModel(world, seed, rounds(25, effort)),
  ])
  return caseGroup('model', Object.fromEntries(bodies), { depth: 'model', timeoutMs: 600_000 })
}

async function checkModel(world: CaseWorld, seed: number, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(histories, async (moves) => {
    const other = await world.another()
    try {
      await play(other, moves)
    } finally {
      await other.close()
    }
  })
  const found = await fc.check(property, { seed, numRuns, endOnFailure: true })
  if (!found.failed) return
  const path = found.counterexamplePath ?? ''
  const shortened = await fc.check(property, { seed, path, interruptAfterTimeLimit: shrinkingLimitMs })
  const details = shortened.counterexample === null ? found : shortened
  const [moves = []] = details.counterexample ?? []
  const error =
    details.errorInstance instanceof Error ? details.errorInstance : new Error(String(details.errorInstance))
  throw new assert.AssertionError({
    message: [
      `The storage and the memory storage disagree (seed ${seed}, shortened ${details.numShrinks} times):`,
      ...moves.map((move, index) => `  ${index + 1}. ${JSON.stringify(move)}`),
      error.message,
      `To see it again, set JOBISTEMER_CONFORMANCE_SEED=${seed}.`,
    ].join('\n'),
    actual: error instanceof assert.AssertionError ? error.actual : undefined,
    expected: error instanceof assert.AssertionError ? error.expected : undefined,
    operator: 'deepStrictEqual',
  })
}

/**
 * Makes the calls of one random history twice: on a new test database, and on a new memory storage. Compares the answers and
 * the stored records.
 */
async function play(world: CaseWorld, moves: readonly Move[]): Promise<void> {
  const connections = [await world.connect(), await world.connect()] as const
  const { findsDueJobs = false, takesNext = false } = connections[0].capabilities
  const model = memoryStorage()
  let now = start
  let last: ModelCall | null = null
  let calls = 0
  const setBack = new Set<JobId>()
  for (const [index, move] of moves.entries()) {
    if (move.kind === 'advance') {
      now += move.seconds * second
      continue
    }
    const call: ModelCall | null =
      move.kind === 'repeat' ? last : resolveMove(move, await stateOf(model, now, takesNext))
    if (call === null || (call.method === 'listJobs' && !findsDueJobs)) continue
    last = call
    if (call.method === 'saveJobs') {
      for (const change of call.request.changes) {
        if (change.kind === 'replace' && change.setBackTo !== undefined) setBack.add(change.id)
      }
    }
    if ('now' in call.request) now = Math.max(now, call.request.now)
    try {
      const connection = connections[index % 2] ?? connections[0]
      compareAnswers(call, await make(connection, call), await make(model, call), await stateOf(model, now, takesNext))
      calls += 1
      if (calls % callsBetweenCounts === 0) await compareCounts(connection, model)
      if (calls % callsBetweenReadBacks === 0) await compareLedgers(connections[0], model)
    } catch (error) {
      if (error instanceof Error) error.message = `move ${index + 1}, ${JSON.stringify(call)}:\n${error.message}`
      throw error
    }
  }
  await compareLedgers(connections[1], model)
  // `exclusive: () => false` turns off the rule that occurrences do not overlap. When a `replace` forbids overlap, several
  // occurrences of the job may still be active, which is no error.
  await assertLedger(connections[0], { oneClock: true, exclusive: () => false, setBack: ({ id }) => setBack.has(id) })
}

async function make(storage: Storage, call: ModelCall): Promise<unknown> {
  switch (call.method) {
    case 'listJobs': {
      const { request } = call
      return await readPages((cursor) => storage.listJobs({ ...request, cursor }))
    }
    case 'heartbeat':
      return await storage.heartbeat(call.request)
    case 'listOccurrences': {
      const { request } = call
      return await readPages((cursor) => storage.listOccurrences({ ...request, cursor }))
    }
    case 'saveJobs':
      return await storage.saveJobs(call.request)
    case 'createOccurrences':
      return await storage.createOccurrences(call.request)
    case 'claim':
      return await storage.claim(call.request)
    case 'settle':
      return await storage.settle(call.request)
    case 'cancel':
      return await storage.cancel(call.request)
    case 'reap':
      return await storage.reap(call.request)
    case 'prune':
      return await storage.prune(call.request)
  }
}

async function stateOf(model: Storage, now: number, takesNext: boolean): Promise<ModelState> {
  const jobs = await readJobs(model)
  const occurrences = (await Promise.all(jobs.map((job) => readHistory(model, job.id)))).flat()
  return { now, jobs: new Map(jobs.map((job) => [job.id, job])), occurrences, takesNext }
}
