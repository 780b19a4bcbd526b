import { describe, expect, it } from 'vitest'
import type { EngineContext } from '../src/engine/storage-access/engine-context.ts'
import { createSettler, type Settling } from '../src/engine/execution/execution-pool.ts'
import { jobId, occurrenceId } from '../src/ids.ts'
import type { SettleAnswer, SettleItem, SettleRequest } from '../src/storage/storage.ts'

const maxBatch = 2

/** Makes a storage whose calls of `settle` the test answers one by one. */
function slowStorage(worthwhileBatch = maxBatch) {
  const calls: { readonly names: readonly number[]; readonly answer: () => Promise<void> }[] = []
  const settle = ({ items }: SettleRequest): Promise<readonly SettleAnswer[]> => {
    return new Promise((resolve) => {
      const answers = items.map(() => ({ outcome: 'ok', woken: null, cancelRequested: null }) as const)
      const answer = async () => {
        resolve(answers)
        await turn()
        // The first turn has delivered the answer, so the settler may send a further call. It sends this call at the end of
        // the next turn.
        await turn()
      }
      calls.push({ names: items.map(({ scheduledAt }) => scheduledAt), answer })
    })
  }
  const storage = { repeated: (_name: string, call: (storage: object) => unknown) => call({ settle }) }
  return {
    calls,
    engine: {
      maxBatch,
      worthwhileBatch,
      now: () => 0,
      storage,
      fail: fails,
      tracing: null,
    } as unknown as EngineContext,
  }
}

const fails = (_where: string, error: unknown): never => {
  throw error
}

function thrown(error: Error): never {
  throw error
}

function speaker(name: number): Settling {
  const job = jobId('report')
  const address = { id: occurrenceId(job, name), jobId: job, scheduledAt: name }
  const change = { kind: 'progress' } as const
  let sequence = 0
  return {
    takeItem: (): SettleItem => ({ ...address, token: 1, sequence: ++sequence, runs: [], change }),
    settled: () => undefined,
    refused: fails.bind(null, 'refused'),
  }
}

/** Waits for one turn of the event loop: the settler sends its calls at the end of a turn. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

describe('the settler', () => {
  it('refuses a run whose item cannot be made, so that the run does not wait for an answer, and sends the other items', async () => {
    const { calls, engine } = slowStorage()
    const failures: unknown[] = []
    const settler = createSettler({ ...engine, fail: (_where: string, error: unknown) => void failures.push(error) })
    const error = new Error('no item')
    const refused: unknown[] = []
    settler.add({ ...speaker(1), takeItem: () => thrown(error), refused: (reason) => void refused.push(reason) })
    settler.add(speaker(2))
    await turn()
    expect([refused, failures]).toEqual([[error], [error]])
    expect(calls.map(({ names }) => names)).toEqual([[2]])
    await calls[0]?.answer()
  })

  it('sends a partial batch that has the minimum size, if fewer than four calls are in progress', async () => {
    const { calls, engine } = slowStorage(1)
    const settler = createSettler(engine)
    for (const name of [1, 2, 3, 4, 5, 6]) {
      settler.add(speaker(name))
      await turn()
    }
    // The settler has at most four calls in progress, so the fifth and the sixth item wait.
    expect(calls.map(({ names }) => names)).toEqual([[1], [2], [3], [4]])
    await calls[0]?.answer()
    expect(calls.map(({ names }) => names)).toEqual([[1], [2], [3], [4], [5, 6]])
  })

  it('sends a full batch while a call is in progress, and lets a smaller batch wait', async () => {
    const { calls, engine } = slowStorage()
    const settler = createSettler(engine)
    settler.add(speaker(1))
    await turn()
    settler.add(speaker(2))
    await turn()
    expect(calls.map(({ names }) => names)).toEqual([[1]])
    settler.add(speaker(3))
    await turn()
    expect(calls.map(({ names }) => names)).toEqual([[1], [2, 3]])
    settler.add(speaker(4))
    await turn()
    expect(calls).toHaveLength(2)
    await calls[0]?.answer()
    await calls[1]?.answer()
    expect(calls.map(({ names }) => names)).toEqual([[1], [2, 3], [4]])
  })
})
