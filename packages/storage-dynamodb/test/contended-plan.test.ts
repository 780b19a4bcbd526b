import { type DynamoDBClient, TransactWriteItemsCommand } from '@aws-sdk/client-dynamodb'
import { addJob, owner, slotAt, triggerItem } from '@jobistemer/test-kit'
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest'
import type { dynamodbStorage as DynamodbStorage } from '../src/index.ts'
import { isThorough } from '../../workspace/test-effort.ts'
import { useTable } from './use-table.ts'

const paused = { count: 0 }

let dynamodbStorage: typeof DynamodbStorage

// These tests only count the pauses between tries, so a counter replaces the pauses. Transactions are limited to 10 writes
// instead of 100, so that a step with fewer records needs a plan. The mocked module applies to this file only.
beforeAll(async () => {
  vi.resetModules()
  vi.doMock('../src/requests.ts', async (original) => ({
    ...(await original<object>()),
    pause: async () => {
      paused.count++
    },
    transactionLimit: isThorough ? 100 : 10,
  }))
  dynamodbStorage = (await import('../src/index.ts')).dynamodbStorage
})
afterAll(() => {
  vi.doUnmock('../src/requests.ts')
  vi.resetModules()
})

let client: DynamoDBClient

useTable('contended-plan', (made) => {
  client = made
})

beforeEach(() => {
  paused.count = 0
})

/**
 * Returns a DynamoDB client that rejects the next `times` transactions with a condition check. The rejection looks like
 * DynamoDB's rejection after a conflict. In this file, each of these transactions makes some writes of a stored plan. A plan
 * lists the writes of a step that needs several transactions.
 */
function refusing(times: number): Pick<DynamoDBClient, 'send'> & { readonly refused: number } {
  let refused = 0
  const send = async (command: object, options: object): Promise<unknown> => {
    const isChecking =
      command instanceof TransactWriteItemsCommand &&
      command.input.TransactItems?.some(({ ConditionCheck: check }) => check !== undefined)
    if (isChecking && refused < times) {
      refused++
      const CancellationReasons = [{ Code: 'None' }, { Code: 'TransactionConflict' }]
      throw Object.assign(new Error('canceled'), { name: 'TransactionCanceledException', CancellationReasons })
    }
    return await (client.send as (command: object, options: object) => Promise<unknown>)(command, options)
  }
  return {
    send: send as DynamoDBClient['send'],
    get refused() {
      return refused
    },
  }
}

/** Deletes a job with more waiting occurrences than one transaction can cancel. */
async function deleteWithBacklog(name: string, times: number) {
  const contender = refusing(times)
  const [plain, contending] = [client, contender].map((one) =>
    dynamodbStorage({ client: one as DynamoDBClient, tableName: 'contended-plan', prefix: name }),
  ) as [ReturnType<typeof dynamodbStorage>, ReturnType<typeof dynamodbStorage>]
  const { id } = await addJob(plain, name, 'queue')
  const items = Array.from({ length: isThorough ? 100 : 10 }, (_, index) => triggerItem(id, index))
  await plain.createOccurrences({ now: slotAt(1), owner, items })
  const remove = (storage: typeof plain) =>
    storage.saveJobs({ now: slotAt(2), changes: [{ kind: 'delete', id, expectedVersion: null }] })
  const waiting = async () => (await plain.get({ counts: [id] })).counts[0]
  return { contender, deleted: () => remove(contending), again: () => remove(plain), waiting }
}

it('a large step on DynamoDB waits after a conflict before it tries again', async () => {
  const { contender, deleted, waiting } = await deleteWithBacklog('waits', 3)
  expect(await deleted()).toMatchObject([{ outcome: 'saved' }])
  expect(contender.refused).toBe(3)
  expect(paused.count).toBe(3)
  expect(await waiting()).toEqual({ pending: 0, queued: 0, running: 0 })
})

it('a large step that conflicts at every try rejects, and the next step completes the rejected step', async () => {
  const { deleted, again, waiting } = await deleteWithBacklog('gives-up', Number.POSITIVE_INFINITY)
  await expect(deleted()).rejects.toMatchObject({ code: 'STORAGE_BUSY' })
  expect(paused.count).toBeGreaterThan(100)
  // The first call has failed, but it has already deleted the job. So the repeated call finds no job.
  expect(await again()).toMatchObject([{ outcome: 'absent' }])
  expect(await waiting()).toEqual({ pending: 0, queued: 0, running: 0 })
})
