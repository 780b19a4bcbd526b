import { AssertionError } from 'node:assert'
import type { Storage } from '@jobistemer/core/storage'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type StorageCase, storageCases, withWorld } from '../src/index.ts'
import { connectionMutants, wakingWorld } from './mutants/connection-mutants.ts'
import { countMutants } from './mutants/count-mutants.ts'
import { createMutants } from './mutants/create-mutants.ts'
import { damageableWorld, damageMutants } from './mutants/damage-mutants.ts'
import { delayedMutants } from './mutants/delayed-mutants.ts'
import { dueMutants } from './mutants/due-mutants.ts'
import { failureMutants } from './mutants/failure-mutants.ts'
import { distantVariants, type HonestVariant, honestVariants } from './mutants/honest-variants.ts'
import { interleavingMutants } from './mutants/interleaving-mutants.ts'
import { jobMutants } from './mutants/job-mutants.ts'
import { IndexedLedger } from './mutants/ledger/indexed-ledger.ts'
import { Ledger, ledgerStorage, ledgerWorld } from './mutants/mutant.ts'
import { keyMutants } from './mutants/key-mutants.ts'
import { nodeMutants } from './mutants/node-mutants.ts'
import { pauseMutants } from './mutants/pause-mutants.ts'
import { placesMutants } from './mutants/places-mutants.ts'
import { priorityMutants } from './mutants/priority-mutants.ts'
import { pruneMutants } from './mutants/prune-mutants.ts'
import { raceMutants } from './mutants/race-mutants.ts'
import { requestMutants } from './mutants/request-mutants.ts'
import { settleMutants } from './mutants/settle-mutants.ts'
import { startRateMutants } from './mutants/start-rate-mutants.ts'
import { takeNextMutants } from './mutants/take-next-mutants.ts'
import { textMutants } from './mutants/text-mutants.ts'
import { isThorough, kitEffort } from '../../workspace/test-effort.ts'
import { transactionalWorld, withinMutants } from './mutants/within-mutants.ts'

// When a model case has detected a mutant, fast-check would search a shorter counterexample for several seconds.
beforeAll(() => fc.configureGlobal({ endOnFailure: true }))
afterAll(() => fc.resetConfigureGlobal())

const subjects = [
  createMutants,
  settleMutants,
  takeNextMutants,
  jobMutants,
  pauseMutants,
  placesMutants,
  startRateMutants,
  priorityMutants,
  pruneMutants,
  requestMutants,
  keyMutants,
  connectionMutants,
  countMutants,
  textMutants,
  nodeMutants,
  delayedMutants,
  dueMutants,
  failureMutants,
  raceMutants,
  interleavingMutants,
  withinMutants,
  damageMutants,
]
const mutants = subjects.flat()

/**
 * Mutants that only the cases in their `rejectedBy` detect. `npm test` tries the first of these mutants in every third list of
 * `subjects` that has any. `npm run test:extra` tries all of them.
 */
const alone = subjects
  .map((subject) => subject.filter((mutant) => mutant.alone === true))
  .filter(({ length }) => length > 0)
const subtle = isThorough
  ? alone.flat()
  : alone.filter((_, index) => index % 3 === 0).flatMap((list) => list.slice(0, 1))

const everything = storageCases({
  multiProcess: true,
  durability: 'power',
  subscribe: true,
  serverTime: true,
  findsDueJobs: true,
  takesNext: true,
  within: true,
  damage: true,
})

function caseNamed(name: string, cases: readonly StorageCase[] = everything): StorageCase {
  const found = cases.find((storageCase) => storageCase.name === name)
  if (found === undefined) throw new Error(`there is no case "${name}"`)
  return found
}

/** Runs `work`, and fires waiting timers in each turn of the event loop until `work` ends. */
async function withoutWaiting<T>(
  work: () => Promise<T>,
  { stepMs = 1_000, passes = (_: number): void => {} } = {},
): Promise<T> {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    let isOver = false
    const end = () => {
      isOver = true
    }
    const result = work()
    result.then(end, end)
    while (!isOver) {
      await new Promise((resolve) => setImmediate(resolve))
      passes(stepMs)
      await vi.advanceTimersByTimeAsync(stepMs)
    }
    return await result
  } finally {
    vi.useRealTimers()
  }
}

/** Advances timers and `performance.now` in small steps until the work ends. */
async function inVirtualTime<T>(work: () => Promise<T>): Promise<T> {
  let passedMs = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => passedMs)
  const passes = (stepMs: number): void => {
    passedMs += stepMs
  }
  try {
    return await withoutWaiting(work, { stepMs: 50, passes })
  } finally {
    clock.mockRestore()
  }
}

describe('a case of the conformance kit rejects a storage with a fault that the case detects', () => {
  it.each(mutants.flatMap((mutant) => mutant.rejectedBy.map((name) => ({ mutant, fault: mutant.name, name }))))(
    'the fault is: $fault; the case is: $name',
    async ({ mutant, name }) => {
      const storageCase = caseNamed(name, storageCases(mutant.capabilities))
      let failure: unknown = null
      // Runs a case with several processes up to five times until it detects the mutant. On a busy machine, the processes may
      // run one after the other by chance.
      for (let round = 1; round <= (storageCase.needs.includes('multiProcess') ? 5 : 1) && failure === null; round++) {
        const run = async () => await withWorld(mutant.open, (world) => storageCase.run(world))
        failure = await (mutant.waits === true ? inVirtualTime(run) : run()).then(
          () => null,
          (error: unknown) => error,
        )
      }
      expect(failure, 'the mutant survived').toBeInstanceOf(mutant.throws === true ? Error : AssertionError)
      if (storageCase.depth === 'model') expect(String(failure)).toContain('the memory storage disagree')
    },
  )
})

describe('a storage with one fault fails exactly the cases of the conformance kit that detect this fault', () => {
  it.each(subtle)('$name', async (mutant) => {
    const shallow = storageCases(mutant.capabilities).filter(({ depth }) => depth === 'cases' || depth === 'races')
    const fewRounds = storageCases(mutant.capabilities, kitEffort(0.1, 0.05))
    const rejecting: string[] = []
    for (const { name } of shallow) {
      // Cases outside of `rejectedBy` must pass. These cases run with fewer rounds to save time.
      const storageCase = caseNamed(name, mutant.rejectedBy.includes(name) ? shallow : fewRounds)
      await withWorld(mutant.open, (world) => storageCase.run(world)).catch(() => rejecting.push(storageCase.name))
    }
    expect(rejecting.sort()).toEqual([...mutant.rejectedBy].sort())
  })
})

describe('the memory ledger without a fault passes this case of the conformance kit', () => {
  const cases = storageCases({ findsDueJobs: true, takesNext: true }, kitEffort(0.25, 0.1))
  it.each(cases.map(({ name }) => name))('%s', async (name) => {
    await withWorld(
      () => ledgerWorld(new IndexedLedger()),
      (world) => caseNamed(name, cases).run(world),
    )
  })
})

describe('the memory ledger with transactions and without a fault passes this case of the conformance kit', () => {
  const cases = storageCases({ takesNext: true, subscribe: true, within: true })
  it.each(cases.filter(({ needs }) => needs.includes('within')).map(({ name }) => name))('%s', async (name) => {
    await withWorld(
      () => transactionalWorld(),
      (world) => caseNamed(name, cases).run(world),
    )
  })
})

describe('the memory ledger whose rows a test can damage passes this case of the conformance kit', () => {
  const cases = storageCases({ takesNext: true, damage: true })
  it.each(cases.filter(({ needs }) => needs.includes('damage')).map(({ name }) => name))('%s', async (name) => {
    await withWorld(
      () => damageableWorld(),
      (world) => caseNamed(name, cases).run(world),
    )
  })
})

describe('the memory ledger with wake-ups and without a fault passes this case of the conformance kit', () => {
  const cases = storageCases({ takesNext: true, subscribe: true })
  it.each(cases.filter(({ needs }) => needs.includes('subscribe')).map(({ name }) => name))('%s', async (name) => {
    await withWorld(
      () => wakingWorld(),
      (world) => caseNamed(name, cases).run(world),
    )
  })
})

function runsOf({ name: variant, passes, capabilities, open }: HonestVariant) {
  const cases = storageCases(capabilities).filter(({ name }) => name.startsWith(passes))
  if (cases.length === 0) throw new Error(`there is no case "${passes}"`)
  return cases.map(({ name, run }) => ({ variant, name, open, run }))
}

describe('a storage that differs from other storages in a way that the contract allows passes this case of the conformance kit', () => {
  const runs = honestVariants.flatMap(runsOf)
  it.each(runs)('$variant: $name', async ({ open, run }) => {
    await withWorld(open, run)
  })
})

describe('a storage with slow calls passes this case of the conformance kit within the time limit of the case', () => {
  const runs = distantVariants.flatMap(runsOf)
  it.each(runs)('$variant: $name', async ({ open, run }) => {
    await inVirtualTime(async () => await withWorld(open, run))
  })
})

describe('the memory ledger with maxBatch 1 passes this case of the conformance kit', () => {
  const names = everything.map(({ name }) => name).filter((name) => name.startsWith('races of batches: '))
  const connect = (ledger: Ledger): Storage => {
    const storage = ledgerStorage(ledger)
    return { ...storage, capabilities: { ...storage.capabilities, maxBatch: 1 } }
  }
  it.each(names)('%s', async (name) => {
    await withWorld(
      () => ledgerWorld(new Ledger(), connect),
      (world) => caseNamed(name).run(world),
    )
  })
})
